"""Outputs that an Iceberg table does not take."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
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


def test_what_is_refused_is_not_recorded_as_registered(tmp_path: Path) -> None:
    register(write_output(tmp_path / "first", made_rows(), ("camera_id",)), catalog_of(ICEBERG))
    out = write_output(tmp_path / "out", made_rows(first=25), ("zone",), SECOND)
    with pytest.raises(
        CatalogError, match=r"is partitioned by camera_id, .*/out by zone: register it in another table"
    ):
        register(out, catalog_of(ICEBERG))
    odd = write_output(tmp_path / "odd", made_rows(), (), "00000000000d")
    file = f"{odd}/attributes/part-00000.parquet"
    rows = pq.read_table(file)
    pq.write_table(rows.append_column("seen", pa.nulls(len(rows), pa.duration("us"))), file)
    with pytest.raises(CatalogError, match=r"the column seen is duration\[us\], which Iceberg has no type for"):
        register(odd, catalog_of(ICEBERG))
    for refused in (out, odd):
        assert sorted(path.name for path in Path(refused).iterdir()) == ["attributes", "run.json"]


@pytest.mark.parametrize("name", ["a#b", "a?b"])
def test_a_path_that_pyiceberg_cuts_off_is_refused(name: str, tmp_path: Path) -> None:
    out = write_output(tmp_path / name / "out", made_rows())
    with pytest.raises(CatalogError, match=rf"pyiceberg passes over what comes after \{name[1]} in a path; move the"):
        register(out, catalog_of(ICEBERG))
    assert sorted(path.name for path in Path(out).iterdir()) == ["attributes", "run.json"]


@pytest.mark.parametrize("name", ["a%20b", "[1]*", "{a,b}", "it's"])
def test_other_signs_of_a_path_stay_as_they_are(name: str, tmp_path: Path) -> None:
    out = write_output(tmp_path / name / "out", made_rows(), ("camera_id",))
    register(out, catalog_of(ICEBERG))
    assert register(out, catalog_of(ICEBERG)).snapshot is None
    assert len(rows_in(ICEBERG, out)) == 25
