"""A complete output is worked on again: its failed rows, or the tracklets that came to its manifest."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from par_model.errors import OutputError, UsageError
from par_model.inference.job import run_inference
from par_model.inference.kinds import Add, Kind, Retry
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from par_model.manifest import selection
from par_model.manifest.write import write_manifest
from par_model.table import file_anew, writer
from tests.archive import assert_same_table, bad_rows, good_rows, write_archive, write_clips
from tests.inference.test_job import Interrupted


def infer(folder: Path, weights: Path, kind: Kind | None = None, runner: Any = None, **options: Any) -> dict[str, Any]:
    output = options.pop("output", folder / "out")
    manifest = options.pop("manifest", folder / "manifest.parquet")
    asked = InferOptions(manifest=str(manifest), weights=str(weights), output=str(output), **options)
    return run_inference(asked, lambda: nullcontext(runner or LocalRunner("cpu")), kind)


def read(output: Path) -> pa.Table:
    return ds.dataset(output / "attributes", partitioning="hive").to_table()


def names(output: Path) -> list[str]:
    return sorted(p.name for p in output.iterdir())


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Clips a.mp4 and b.mp4 and a manifest of 14 rows, of which the four bad ones fail; and a whole table of it."""
    write_archive(tmp_path, bad=True)
    return tmp_path


def provide_missing_video(folder: Path) -> None:
    shutil.copy(folder / "a.mp4", folder / "none.mp4")


@pytest.mark.parametrize("partition_by", [(), ("camera_id", "zone")])
def test_retry_failed_gives_the_table_of_a_first_run_in_better_times(
    archive: Path, tiny_weights: Path, partition_by: tuple[str, ...]
) -> None:
    first = infer(archive, tiny_weights, partition_by=partition_by)
    before = read(archive / "out")
    provide_missing_video(archive)
    second = infer(archive, tiny_weights, Retry(), partition_by=partition_by)
    assert (first["counts"]["status"]["failed"], second["counts"]["status"]["failed"]) == (4, 3)
    assert second["stages"]["tracklets"] == 4
    infer(archive, tiny_weights, output=archive / "fresh", partition_by=partition_by)
    after = read(archive / "out")
    assert_same_table(after, read(archive / "fresh"))
    kept = [i for i, status in enumerate(before["status"].to_pylist()) if status == "ok"]
    assert after.take(kept) == before.take(kept)  # run_id and all
    assert names(archive / "out") == ["attributes", "run.json"]


def test_retry_failed_of_a_table_without_failures_does_nothing(archive: Path, tiny_weights: Path) -> None:
    write_manifest(str(archive / "manifest.parquet"), good_rows(str(archive)))
    first = infer(archive, tiny_weights)
    assert infer(archive, tiny_weights, Retry(), runner=Interrupted(0)) == first


def test_retry_failed_wants_a_complete_output(archive: Path, tiny_weights: Path) -> None:
    with pytest.raises(OutputError, match="not complete"):
        infer(archive, tiny_weights, Retry())
    assert not (archive / "out").exists()


def test_retry_failed_is_refused_where_a_row_would_move_between_folders(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights, partition_by=("status",))
    with pytest.raises(UsageError, match="folders by status"):
        infer(archive, tiny_weights, Retry(), partition_by=("status",))


def test_an_interrupted_retry_goes_on_also_when_files_were_replaced_already(
    archive: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FILE_BYTES", 1)  # a file for every batch
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 1)
    monkeypatch.setattr(selection, "_BATCH_ROWS", 1)
    infer(archive, tiny_weights, partition_by=("camera_id",))
    provide_missing_video(archive)
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, Retry(), runner=Interrupted(1), batch_size=1, partition_by=("camera_id",))
    replaced: list[str] = []

    def killed(old: pq.ParquetFile, uri: str, before: Any) -> Any:
        if replaced:
            raise KeyboardInterrupt
        replaced.append(uri)
        return writer.replacing(old, uri, before)

    with monkeypatch.context() as patch:
        patch.setattr(file_anew, "replacing", killed)
        with pytest.raises(KeyboardInterrupt):
            infer(archive, tiny_weights, Retry(), partition_by=("camera_id",))
    assert len(read(archive / "out")) == 14
    with pytest.raises(OutputError, match="with --retry-failed first"):
        infer(archive, tiny_weights, Add(), manifest=grown(archive), partition_by=("camera_id",))
    summary = infer(archive, tiny_weights, Retry(), partition_by=("camera_id",))
    assert summary["counts"]["status"] == {"ok": 11, "failed": 3}
    infer(archive, tiny_weights, output=archive / "fresh", partition_by=("camera_id",))
    assert_same_table(read(archive / "out").sort_by("tracklet_id"), read(archive / "fresh").sort_by("tracklet_id"))


def grown(folder: Path, change: Any = None) -> Path:
    """A manifest with all rows of the archive's, two of its own, in another order and other files."""
    rows = good_rows(str(folder)) + bad_rows(str(folder))
    extra = [dict(row, tracklet_id=f"new{i}") for i, row in enumerate(rows[:2])]
    if change:
        change(rows)
    (folder / "grown").mkdir(exist_ok=True)
    zone = [pa.field("zone", pa.int64())]
    write_manifest(str(folder / "grown" / "1.parquet"), [*extra[1:], *rows[7:]], further=zone)
    write_manifest(str(folder / "grown" / "2.parquet"), [*rows[:7], *extra[:1]], further=zone)
    return folder / "grown"


@pytest.mark.parametrize("partition_by", [(), ("camera_id",)])
def test_add_does_the_new_tracklets_and_leaves_the_old_rows_alone(
    archive: Path, tiny_weights: Path, partition_by: tuple[str, ...]
) -> None:
    infer(archive, tiny_weights, partition_by=partition_by)
    files = {p: p.read_bytes() for p in (archive / "out/attributes").rglob("*.parquet")}
    manifest = grown(archive)
    with pytest.raises(OutputError, match="or --add"):
        infer(archive, tiny_weights, manifest=manifest, partition_by=partition_by)
    summary = infer(archive, tiny_weights, Add(), manifest=manifest, partition_by=partition_by)
    assert summary["stages"]["tracklets"] == 2
    assert summary["counts"]["status"] == {"ok": 12, "failed": 4}
    assert {p: p.read_bytes() for p in files} == files
    infer(archive, tiny_weights, manifest=manifest, output=archive / "fresh", partition_by=partition_by)
    assert_same_table(read(archive / "out").sort_by("tracklet_id"), read(archive / "fresh").sort_by("tracklet_id"))
    # The same command again, with or without --add, finds the job complete.
    for kind in (None, Add()):
        assert infer(archive, tiny_weights, kind, manifest=manifest, partition_by=partition_by) == summary


def test_add_to_a_table_with_types_of_an_earlier_version_is_refused(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights)
    (file,) = (archive / "out/attributes").rglob("*.parquet")
    table = pq.read_table(file)
    column = table.schema.get_field_index("camera_id")
    pq.write_table(table.set_column(column, "camera_id", table["camera_id"].cast(pa.string_view())), file)
    before = file.read_bytes()
    with pytest.raises(OutputError, match=r"its files have the column camera_id as string_view, which is string now"):
        infer(archive, tiny_weights, Add(), manifest=grown(archive))
    assert file.read_bytes() == before


def test_add_over_nothing_is_a_first_run(archive: Path, tiny_weights: Path) -> None:
    assert infer(archive, tiny_weights, Add())["counts"]["tracklets"] == 14


def drop_one(rows: list[dict[str, Any]]) -> None:
    del rows[3]


def move_one(rows: list[dict[str, Any]]) -> None:
    rows[3]["boxes"][0]["x"] += 1


def rename_a_camera(rows: list[dict[str, Any]]) -> None:
    rows[3]["camera_id"] = "other"


@pytest.mark.parametrize(
    ("change", "said"),
    [(drop_one, "lacks 1 of its 14"), (move_one, "otherwise"), (rename_a_camera, "otherwise")],
)
def test_add_refuses_a_manifest_whose_old_rows_changed(
    archive: Path, tiny_weights: Path, change: Any, said: str
) -> None:
    infer(archive, tiny_weights)
    before = (archive / "out" / "run.json").read_text()
    with pytest.raises(OutputError, match=said):
        infer(archive, tiny_weights, Add(), manifest=grown(archive, change))
    assert (archive / "out" / "run.json").read_text() == before
    assert len(read(archive / "out")) == 14


def test_add_refuses_other_options(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights)
    with pytest.raises(OutputError, match="frames"):
        infer(archive, tiny_weights, Add(), manifest=grown(archive), frames=2)


def test_an_interrupted_add_goes_on_and_the_old_table_stays_readable(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights)
    manifest = grown(archive)
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, Add(), manifest=manifest, runner=Interrupted(1), batch_size=1)
    assert len(read(archive / "out")) == 14
    assert json.loads((archive / "out" / "run.json").read_text())["counts"]["tracklets"] == 14
    summary = infer(archive, tiny_weights, Add(), manifest=manifest)
    assert summary["counts"]["tracklets"] == 16
    assert names(archive / "out") == ["attributes", "run.json"]


class StoppedAtOnce(LocalRunner):
    """Stops as Ctrl-C does before it has any outcome."""

    def outcomes(self, units: Any, settings: Any) -> Any:
        raise KeyboardInterrupt


def test_an_add_that_was_stopped_before_its_first_result_is_forgotten_where_the_manifest_grew_on(
    archive: Path, tiny_weights: Path
) -> None:
    infer(archive, tiny_weights, limit=9)
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, Add(), runner=StoppedAtOnce("cpu"), limit=11)
    assert names(archive / "out") == ["_job.json", "_plan", "attributes", "run.json"]
    assert infer(archive, tiny_weights, Add(), limit=13)["stages"]["tracklets"] == 4
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, Add(), runner=StoppedAtOnce("cpu"))
    assert infer(archive, tiny_weights, Retry(), limit=13)["stages"]["tracklets"] == 3
    assert infer(archive, tiny_weights, Add())["counts"]["status"] == {"ok": 10, "failed": 4}
    assert names(archive / "out") == ["attributes", "run.json"]


def test_what_a_killed_retry_left_of_a_file_goes(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights, partition_by=("camera_id",))
    folder = archive / "out" / "attributes"
    (folder / "camera_id=a" / "_partial-0123").write_bytes(b"PAR1 torn")
    (folder / "_log").mkdir()
    (folder / "_log" / "0.json").write_text("{}")  # of another tool
    infer(archive, tiny_weights, Retry(), partition_by=("camera_id",))
    assert [str(p.relative_to(folder)) for p in folder.rglob("_*")] == ["_log"]
    assert (folder / "_log" / "0.json").exists()


def test_remains_of_a_run_that_was_killed_after_run_json_are_swept(archive: Path, tiny_weights: Path) -> None:
    summary = infer(archive, tiny_weights)
    claim = {"job_id": summary["job_id"], "again": "no", "fingerprint": summary["fingerprint"]}
    (archive / "out" / "_job.json").write_text(json.dumps(claim))
    (archive / "out" / "_parts").mkdir()
    (archive / "out" / "_parts" / "part-000001.parquet").write_bytes(b"")
    assert infer(archive, tiny_weights) == summary
    assert names(archive / "out") == ["attributes", "run.json"]
    write_clips(archive)
    assert infer(archive, tiny_weights, Retry())["counts"]["tracklets"] == 14


def test_add_takes_more_of_the_same_manifest(archive: Path, tiny_weights: Path) -> None:
    infer(archive, tiny_weights, limit=3)
    with pytest.raises(OutputError, match="limit"):
        infer(archive, tiny_weights, limit=6)
    assert infer(archive, tiny_weights, Add(), limit=6)["counts"]["tracklets"] == 6
    assert infer(archive, tiny_weights, Add())["counts"]["tracklets"] == 14
    infer(archive, tiny_weights, output=archive / "fresh")
    assert_same_table(read(archive / "out"), read(archive / "fresh"))
