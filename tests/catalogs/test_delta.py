"""What is said of records that cannot be read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from par_model.errors import CatalogError, OutputError
from tests.catalogs.seen import DELTA, catalog_of, rows_in
from tests.catalogs.tables import made_rows, write_output

pytest.importorskip("deltalake", reason="the extra delta is not installed")
from par_model.catalogs.register import register


def test_a_log_that_is_damaged_is_one_plain_line(tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows())
    log = tmp_path / "out/_delta_log"
    log.mkdir()
    (log / f"{0:020}.json").write_text("no json")
    with pytest.raises(CatalogError) as raised:
        register(out, catalog_of(DELTA))
    assert re.fullmatch(rf"the Delta table at {out}: [^\x1b\n]*[Jj]son[^\x1b\n]*", str(raised.value))
    assert "unknown" not in str(raised.value)
    shutil.rmtree(log)
    log.write_text("no folder")
    with pytest.raises(CatalogError, match=r"Unable to open file [^\x1b]* Not a directory"):
        register(out, catalog_of(DELTA))


def test_a_path_that_is_read_as_another_is_refused(tmp_path: Path) -> None:
    """deltalake 1.6 would look into `a b`, and commit over the log there."""
    out = write_output(tmp_path / "a%20b" / "out", made_rows())
    beside = write_output(tmp_path / "a b" / "out", made_rows(5))
    with pytest.raises(
        CatalogError, match=r"/a%20b/out cannot be a Delta table: deltalake takes %20 .* move the output"
    ):
        register(out, catalog_of(DELTA))
    for folder in (out, beside):
        assert sorted(path.name for path in Path(folder).iterdir()) == ["attributes", "run.json"]
    for number, name in enumerate(("100%", "a#b", "a?b", "[1]*", "{a,b}")):
        out = write_output(tmp_path / name / "out", made_rows(), ("camera_id",), f"{number:012x}")
        register(out, catalog_of(DELTA))
        assert register(out, catalog_of(DELTA)).snapshot is None
        assert len(rows_in(DELTA, out)) == 25


@pytest.mark.parametrize("text", ["{", '{"registrations": [{"catalog": 3}]}'])
def test_a_record_of_catalogs_that_is_damaged_is_not_for_giving_up(text: str, tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows())
    (tmp_path / "out/_catalogs.json").write_text(text)
    with pytest.raises(
        OutputError, match=r"_catalogs\.json .*: restore it, .* register anew before any --retry-failed$"
    ):
        register(out, catalog_of(DELTA))
    assert not (tmp_path / "out/_delta_log").exists()
