"""A table in a catalog: each run once, its rows right, whatever comes after the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from par_model import times
from par_model.errors import CatalogError, OutputError
from par_model.inference.kinds import Add, Retry
from tests.archive import write_archive
from tests.catalogs.seen import BOTH, DELTA, ICEBERG, catalog_of, iceberg_table, rows_in, snapshots
from tests.catalogs.tables import made_rows, write_output, write_record
from tests.inference.test_again import grown, infer, provide_missing_video

pytest.importorskip("pyiceberg", reason="the extra iceberg is not installed")
pytest.importorskip("deltalake", reason="the extra delta is not installed")
from par_model.catalogs.register import register

COLUMNS = ("tracklet_id", "camera_id", "start_time", "zone", "day", "indoors", "top_color", "sampled_frames")
BY: list[tuple[str, ...]] = [(), ("camera_id",), ("zone", "indoors"), ("start_time", "day")]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_archive(tmp_path, bad=True)
    return tmp_path


def picked(rows: Any, *columns: str) -> list[tuple[Any, ...]]:
    rows = times.to_pylist(rows) if isinstance(rows, pa.Table) else rows
    return sorted(tuple(row.get(name) for name in columns) for row in rows)


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("by", BY, ids="+".join)
def test_every_value_is_read_as_it_was_and_a_run_is_registered_once(
    kind: str, by: tuple[str, ...], tmp_path: Path
) -> None:
    out = write_output(tmp_path / "o u%t" / "out", made_rows(), by)
    done = register(out, catalog_of(kind))
    assert (done.run_id, done.removed) == ("0123456789ab", 0)
    assert picked(rows_in(kind, out), *COLUMNS) == picked(made_rows(), *COLUMNS)
    (tmp_path / "link").symlink_to(tmp_path / "o u%t")
    for spelled in (out, f"{out}/", f"file://{out}", f"{tmp_path}/link/../link/out"):
        again = register(spelled, catalog_of(kind))
        assert (again.snapshot, again.added, again.removed) == (None, 0, 0)
    assert snapshots(kind, out) == 1


@pytest.mark.usefixtures("warehouse")
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("by", [(), ("camera_id",)], ids="+".join)
def test_a_retry_and_an_add_are_one_commit_each(
    kind: str, by: tuple[str, ...], archive: Path, tiny_weights: Path
) -> None:
    out = str(archive / "out")
    infer(archive, tiny_weights, partition_by=by)
    register(out, catalog_of(kind))
    first = rows_in(kind, out)
    provide_missing_video(archive)
    files = {path: path.read_bytes() for path in (archive / "out/attributes").rglob("*.parquet")}
    retried = infer(archive, tiny_weights, Retry(), partition_by=by)
    assert retried["counts"]["status"] == {"ok": 11, "failed": 3}
    assert {path: path.read_bytes() for path in files} == files
    assert rows_in(kind, out) == first  # until the swap
    done = register(out, catalog_of(kind))
    assert done.snapshot is not None
    assert done.added == done.removed > 0
    second = rows_in(kind, out)
    assert (len(second), second["status"].to_pylist().count("failed")) == (14, 3)
    added = infer(archive, tiny_weights, Add(), manifest=grown(archive), partition_by=by)
    assert rows_in(kind, out) == second
    assert register(out, catalog_of(kind)).removed == 0
    assert len(rows_in(kind, out)) == added["counts"]["tracklets"] == 16
    assert register(out, catalog_of(kind)).snapshot is None
    assert snapshots(kind, out) == 3
    assert picked(rows_in(kind, out), "tracklet_id", "status", "run_id") == picked(
        ran(out, added), "tracklet_id", "status", "run_id"
    )


def ran(out: str, summary: dict[str, Any]) -> pa.Table:
    """The rows of the files that run.json lists."""
    from par_model.table.read import run_table

    return run_table(out, summary).to_table()
