"""An Iceberg table whose output is not where it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from par_model.errors import CatalogError
from tests.catalogs.seen import ICEBERG, catalog_of, iceberg_catalog, rows_in
from tests.catalogs.tables import made_rows, rewritten, write_output

pytest.importorskip("pyiceberg", reason="the extra iceberg is not installed")
from par_model.catalogs.register import register

pytestmark = pytest.mark.usefixtures("warehouse")
FIRST, SECOND = "0123456789ab", "00000000000c"


@pytest.mark.parametrize("anew", [False, True])
def test_an_output_that_was_moved_or_copied_does_not_come_twice(anew: bool, tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("camera_id",))
    register(out, catalog_of(ICEBERG))
    copied = shutil.copytree(out, tmp_path / "copied")
    if anew:
        rewritten(str(copied), ("camera_id",), SECOND, "anew")
    with pytest.raises(
        CatalogError, match=f"of run {FIRST} in another folder than {copied}, which was moved or copied"
    ):
        register(str(copied), catalog_of(ICEBERG))
    assert len(rows_in(ICEBERG, out)) == 25
    iceberg_catalog().drop_table("street.attributes")
    assert register(str(copied), catalog_of(ICEBERG)).added == 5
    assert len(rows_in(ICEBERG, str(copied))) == 25
