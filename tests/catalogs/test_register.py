"""A table in a catalog: each run once, its rows right, whatever comes after the run."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage, times
from par_model.errors import CatalogError, OutputError
from par_model.inference.kinds import Add, Retry
from par_model.runs.output import Output
from par_model.table import file_anew, writer
from par_model.table.read import run_table
from par_model.table.registrations import read_registrations
from tests.archive import write_archive
from tests.catalogs.seen import BOTH, DELTA, ICEBERG, catalog_of, delta_table, iceberg_table, rows_in, snapshots
from tests.catalogs.tables import made_rows, rewritten, write_output, write_record
from tests.inference.test_kinds import grown, infer, provide_missing_video

pytest.importorskip("pyiceberg", reason="the extra iceberg is not installed")
pytest.importorskip("deltalake", reason="the extra delta is not installed")
from par_model.catalogs.finished_table import Layout
from par_model.catalogs.register import register

pytestmark = pytest.mark.usefixtures("warehouse")

COLUMNS = ("tracklet_id", "camera_id", "start_time", "zone", "day", "indoors", "top_color", "sampled_frames", "scores")
BY: list[tuple[str, ...]] = [(), ("camera_id",), ("zone", "indoors"), ("start_time", "day")]
FIRST, SECOND, THIRD = "0123456789ab", "00000000000c", "fffffffffffd"


def picked(rows: Any, *columns: str) -> list[tuple[Any, ...]]:
    rows = times.to_pylist(rows) if isinstance(rows, pa.Table) else rows
    return sorted(tuple(row.get(name) for name in columns) for row in rows)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("by", BY, ids="+".join)
def test_every_value_is_read_as_it_was_and_a_run_is_registered_once(
    kind: str, by: tuple[str, ...], tmp_path: Path
) -> None:
    out = write_output(tmp_path / "o u%t" / "out", made_rows(), by)
    done = register(out, catalog_of(kind))
    assert (done.run_id, done.removed) == (FIRST, 0)
    assert picked(rows_in(kind, out), *COLUMNS) == picked(made_rows(), *COLUMNS)
    (tmp_path / "link").symlink_to(tmp_path / "o u%t")
    for spelled in (out, f"{out}/", f"file://{out}", f"{tmp_path}/link/../link/out"):
        again = register(spelled, catalog_of(kind))
        assert (again.snapshot, again.added, again.removed) == (None, 0, 0)
    assert snapshots(kind, out) == 1


@pytest.mark.parametrize("by", [("camera_id",), ("zone", "indoors"), ("start_time", "day"), ()], ids="+".join)
def test_icebergs_readers_find_rows_by_every_column_of_a_folder(by: tuple[str, ...], tmp_path: Path) -> None:
    """Whole files are left out by their partitions and statistics, which must be right."""
    register(write_output(tmp_path / "out", made_rows(), by), catalog_of(ICEBERG))
    wanted = {
        "camera_id = '03'": {r["tracklet_id"] for r in made_rows() if r["camera_id"] == "03"},
        "zone = 0": {r["tracklet_id"] for r in made_rows() if r["zone"] == 0},
        "zone is null": {r["tracklet_id"] for r in made_rows() if r["zone"] is None},
        "day < '2000-01-01'": {r["tracklet_id"] for r in made_rows() if r["day"] and r["day"].year < 2000},
        "indoors = false": {r["tracklet_id"] for r in made_rows() if r["indoors"] is False},
        "start_time = '2026-05-01T10:01:01.250+00:00'": {
            r["tracklet_id"] for r in made_rows() if r["start_time"] and r["start_time"].minute == 1
        },
    }
    for condition, ids in wanted.items():
        selected = ("tracklet_id", condition.partition(" ")[0])
        found = iceberg_table().scan(row_filter=condition, selected_fields=selected).to_arrow()
        assert set(found["tracklet_id"].to_pylist()) == ids, condition
        assert ids


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_archive(tmp_path, bad=True)
    return tmp_path


@pytest.mark.slow
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
    assert picked(second, *KEPT) == picked(run_table(out, retried).to_table(), *KEPT)
    added = infer(archive, tiny_weights, Add(), manifest=grown(archive), partition_by=by)
    assert rows_in(kind, out) == second
    assert register(out, catalog_of(kind)).removed == 0
    assert register(out, catalog_of(kind)).snapshot is None
    assert (len(rows_in(kind, out)), snapshots(kind, out)) == (added["counts"]["tracklets"], 3) == (16, 3)
    assert picked(rows_in(kind, out), *KEPT) == picked(run_table(out, added).to_table(), *KEPT)


KEPT = ("tracklet_id", "camera_id", "status", "run_id", "hat_score")


@pytest.mark.slow
def test_runs_between_two_registrations_keep_the_files_of_the_first(archive: Path, tiny_weights: Path) -> None:
    """Two retries and an --add, none of them registered, and the files that no catalog has seen go."""
    out, kind = str(archive / "out"), DELTA
    infer(archive, tiny_weights)
    register(out, catalog_of(kind))
    first = rows_in(kind, out)
    infer(archive, tiny_weights, Retry())
    unseen = set((archive / "out/attributes").iterdir())
    provide_missing_video(archive)
    infer(archive, tiny_weights, Retry())
    added = infer(archive, tiny_weights, Add(), manifest=grown(archive))
    assert len(unseen - set((archive / "out/attributes").iterdir())) == 1
    assert rows_in(kind, out) == first
    register(out, catalog_of(kind))
    assert picked(rows_in(kind, out), *KEPT) == picked(run_table(out, added).to_table(), *KEPT)
    assert (snapshots(kind, out), added["counts"]["status"]) == (2, {"ok": 13, "failed": 3})


@pytest.mark.slow
def test_a_retry_that_stopped_while_it_wrote_goes_on_and_leaves_the_catalogs_files(
    archive: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, kind, by = str(archive / "out"), DELTA, ("camera_id",)
    infer(archive, tiny_weights, partition_by=by)
    register(out, catalog_of(kind))
    first = rows_in(kind, out)
    provide_missing_video(archive)
    written: list[str] = []

    def stopped(old: pq.ParquetFile, uri: str, before: Any) -> Any:
        if written:
            raise KeyboardInterrupt
        written.append(uri)
        return writer.replacing(old, uri, before)

    with monkeypatch.context() as patch:
        patch.setattr(file_anew, "replacing", stopped)
        with pytest.raises(KeyboardInterrupt):
            infer(archive, tiny_weights, Retry(), partition_by=by)
    assert Path(written[0]).exists()
    assert register(out, catalog_of(kind)).snapshot is None  # run.json is that of the first run
    assert rows_in(kind, out) == first
    retried = infer(archive, tiny_weights, Retry(), partition_by=by)
    assert rows_in(kind, out) == first
    register(out, catalog_of(kind))
    assert picked(rows_in(kind, out), *KEPT) == picked(run_table(out, retried).to_table(), *KEPT)
    assert (retried["counts"]["status"], snapshots(kind, out)) == ({"ok": 11, "failed": 3}, 2)


@pytest.mark.parametrize("kind", BOTH)
def test_readers_see_one_run_while_others_are_committed(kind: str, tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("camera_id",))
    rewritten(out, ("camera_id",), FIRST, "0")
    register(out, catalog_of(kind))
    seen: list[dict[str, int]] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.append(dict(Counter(rows_in(kind, out)["message"].to_pylist())))

    reader = threading.Thread(target=read)
    reader.start()
    for generation in range(1, 4):
        rewritten(out, ("camera_id",), f"{generation:012x}", str(generation))
        register(out, catalog_of(kind))
    ended.set()
    reader.join()
    assert [dict(Counter(rows_in(kind, out)["message"].to_pylist()))] == [{"3": 25}]
    generations = [next(iter(one)) for one in seen]
    assert all(one == {generation: 25} for one, generation in zip(seen, generations, strict=True))
    assert generations == sorted(generations)
    assert len(set(generations)) > 1


def test_several_outputs_lie_in_one_iceberg_table(tmp_path: Path) -> None:
    outs = [write_output(tmp_path / name, made_rows(10, first), (), run) for name, first, run in PARTS]
    for out in outs:
        register(out, catalog_of(ICEBERG))
    rewritten(outs[0], (), THIRD, "anew")
    assert register(outs[0], catalog_of(ICEBERG)).removed == 1
    rows = rows_in(ICEBERG, outs[0])
    assert picked(rows, "tracklet_id") == picked(made_rows(20), "tracklet_id")
    assert rows["message"].to_pylist().count("anew") == 10
    assert all(register(out, catalog_of(ICEBERG)).snapshot is None for out in outs)
    other = write_output(tmp_path / "by", made_rows(5), ("camera_id",))
    with pytest.raises(CatalogError, match=r"partitioned by nothing, .*/by by camera_id: register it in another table"):
        register(other, catalog_of(ICEBERG))


PARTS = [("out", 0, FIRST), ("out2", 10, SECOND)]


@pytest.mark.parametrize("kind", BOTH)
def test_a_table_that_was_dropped_is_registered_anew(kind: str, tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows())
    register(out, catalog_of(kind))
    if kind == ICEBERG:
        iceberg_table().catalog.drop_table("street.attributes")
    else:
        storage.remove(f"{out}/_delta_log")
    assert register(out, catalog_of(kind)).added == 1
    assert (len(rows_in(kind, out)), snapshots(kind, out)) == (25, 1)


@pytest.mark.parametrize("kind", BOTH)
def test_files_that_were_changed_below_a_catalog_are_named(kind: str, tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows())
    register(out, catalog_of(kind))
    write_output(tmp_path / "out", made_rows(7), (), SECOND)  # as after `rm -r out`, or by an earlier version
    with pytest.raises(CatalogError, match=r"part-00000.parquet is not the file that .* bytes instead of .*; drop"):
        register(out, catalog_of(kind))


def test_a_compacted_table_takes_what_is_added_and_refuses_what_is_anew(tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows())
    write_more(out)
    register(out, catalog_of(DELTA))
    delta_table(out).optimize.compact()
    assert register(out, catalog_of(DELTA)).snapshot is None
    with_more = json.loads((tmp_path / "out/run.json").read_text())["files"]
    pq.write_table(pq.read_table(f"{out}/{with_more[1]}"), f"{out}/attributes/part-00002.parquet")
    write_record(out, [*with_more, "attributes/part-00002.parquet"], 75, (), SECOND)
    assert register(out, catalog_of(DELTA)).added == 1
    assert len(rows_in(DELTA, out)) == 75
    rewritten(out, (), THIRD, "anew")
    with pytest.raises(CatalogError, match="were rewritten there, so that rows would count twice"):
        register(out, catalog_of(DELTA))
    assert len(rows_in(DELTA, out)) == 75


def test_a_vacuum_removes_what_was_swapped_and_a_full_one_the_record(tmp_path: Path) -> None:
    """docs/catalogs.md warns of the full one."""
    by = ("camera_id",)
    out = write_output(tmp_path / "out", made_rows(), by)
    register(out, catalog_of(DELTA))
    first = [file.name for file in Layout.of(out).files]
    rewritten(out, by, SECOND, "anew")
    register(out, catalog_of(DELTA))
    now = {"retention_hours": 0, "enforce_retention_duration": False}
    assert sorted(delta_table(out).vacuum(full=True, **now)) == sorted([*first, "run.json"])
    assert sorted(delta_table(out).vacuum(dry_run=False, **now)) == sorted(first)
    assert rows_in(DELTA, out)["message"].to_pylist() == ["anew"] * 25
    assert register(out, catalog_of(DELTA)).snapshot is None


def write_more(out: str) -> None:
    """A second file of as many rows."""
    pq.write_table(pq.read_table(f"{out}/attributes/part-00000.parquet"), f"{out}/attributes/part-00001.parquet")
    write_record(out, [f"attributes/part-0000{i}.parquet" for i in range(2)], 50, (), FIRST)


def test_rows_that_a_catalog_has_twice_are_named(tmp_path: Path) -> None:
    """Delta's log names a path once."""
    out = write_output(tmp_path / "out", made_rows())
    register(out, catalog_of(ICEBERG))
    with iceberg_table().transaction() as transaction:
        transaction.add_files([f"{out}/attributes/part-00000.parquet"])  # spelled otherwise
    rewritten(out, (), SECOND, "anew")
    with pytest.raises(CatalogError, match=r"names attributes/part-00000\.parquet twice"):
        register(out, catalog_of(ICEBERG))


def interrupted_once(catalog: Any, meanwhile: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something happens to the catalog's table right before the first commit, whose handle is stale then."""
    commit, done = type(catalog).commit, []

    def late(self: Any, layout: Any, change: Any, before: Any) -> str:
        def last() -> None:
            before()
            if not done:
                done.append(True)
                meanwhile()

        return str(commit(self, layout, change, last))

    monkeypatch.setattr(type(catalog), "commit", late)


def test_another_output_that_is_committed_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outs = [write_output(tmp_path / name, made_rows(10, first), (), run) for name, first, run in PARTS]
    third = write_output(tmp_path / "out3", made_rows(5, 20), (), THIRD)
    register(third, catalog_of(ICEBERG))
    rewritten(third, (), "00000000000e", "anew")

    def meanwhile() -> None:
        for out in outs:
            register(out, catalog_of(ICEBERG))

    interrupted_once(catalog_of(ICEBERG), meanwhile, monkeypatch)
    assert register(third, catalog_of(ICEBERG)).removed == 1
    rows = rows_in(ICEBERG, third)
    assert picked(rows, "tracklet_id") == picked(made_rows(25), "tracklet_id")
    assert rows["message"].to_pylist().count("anew") == 5
    assert (register(third, catalog_of(ICEBERG)).snapshot, snapshots(ICEBERG, third)) == (None, 4)


def test_a_compaction_that_is_committed_meanwhile_is_told_and_no_row_doubles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = write_output(tmp_path / "out", made_rows())
    write_more(out)
    register(out, catalog_of(DELTA))
    rewritten(out, (), SECOND, "anew")
    interrupted_once(catalog_of(DELTA), delta_table(out).optimize.compact, monkeypatch)
    with pytest.raises(CatalogError, match="were rewritten there, so that rows would count twice"):
        register(out, catalog_of(DELTA))
    assert rows_in(DELTA, out)["message"].to_pylist().count("anew") == 0
    assert len(rows_in(DELTA, out)) == 50


def test_what_cannot_be_registered_is_said_and_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not the output of a finished"):
        register(str(tmp_path / "none"), catalog_of(DELTA))
    out = write_output(tmp_path / "out", made_rows(), ("zone",))
    (tmp_path / "out/_job.json").write_text("{}")
    with pytest.raises(OutputError, match="has an interrupted run: run its command again first"):
        register(out, catalog_of(DELTA))
    (tmp_path / "out/_job.json").unlink()
    with Output(out).lock(), pytest.raises(OutputError, match="another job"):
        register(out, catalog_of(DELTA))
    with pytest.raises(
        CatalogError, match=r"iceberg:nowhere\.a\.b: .* no catalog nowhere .*PYICEBERG_CATALOG__NOWHERE__URI"
    ):
        register(out, type(catalog_of(ICEBERG)).named("nowhere.a.b"))
    (tmp_path / "out/attributes/zone=0/part-00000.parquet").unlink()
    with pytest.raises(OutputError, match=r"lacks attributes/zone=0/part-00000\.parquet, which its run\.json lists"):
        register(out, catalog_of(DELTA))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["attributes", "run.json"]
    assert read_registrations(Output(out)) == {}
