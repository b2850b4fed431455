"""What lies beside the table: who may change it, and what it counts for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.errors import ManifestError, OutputError
from par_model.inference.kinds import Add, Retry
from par_model.inference.local import LocalRunner
from par_model.runs import output as output_module
from par_model.runs.lock import OutputLock
from par_model.table.read import run_table
from tests.archive import write_archive
from tests.asked import changes_below, not_asked_for
from tests.inference.test_job import Interrupted
from tests.inference.test_kinds import grown, infer, provide_missing_video


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    write_archive(tmp_path, bad=True)
    return tmp_path


def names(uri: str) -> set[str]:
    return {file.uri.removeprefix(uri).split("/")[1] for file in storage.list_files(uri)}


@pytest.mark.slow
def test_an_output_keeps_its_table_however_its_scheme_is_spelled(
    archive: Path, tiny_weights: Path, s3: Callable[[], str]
) -> None:
    """What is there beside the table's files goes, as it is told from them by its URI."""
    output = s3().replace("s3://", "s3a://") + "/out"
    summary = infer(archive, tiny_weights, output=output)
    table = f"{output}/{summary['files'][0]}"
    assert [file.uri for file in storage.list_files(output)] == [table, f"{output}/run.json"]
    provide_missing_video(archive)
    again = infer(archive, tiny_weights, Retry(), output=output)
    assert again["counts"]["status"] == {"ok": 11, "failed": 3}
    assert run_table(output, again).count_rows() == 14


@pytest.mark.slow
def test_a_role_that_may_not_delete_can_run_retry_and_add(
    archive: Path, tiny_weights: Path, undeletable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the finished job needed stays beside run.json; later runs say nothing of it, and pass over it."""
    output = f"{undeletable}/out"
    first = infer(archive, tiny_weights, output=output)
    said = [line for line in capsys.readouterr().err.splitlines() if "s3:DeleteObject" in line]
    assert len(said) == 1
    assert said[0].startswith(
        f"parjob: warning: {output} is complete; _parts, _plan and _job.json stay beside the results"
    )
    assert first["exit_code"] == 3
    assert names(output) == {"_job.json", "_lock", "_parts", "_plan", "attributes", "run.json"}
    assert infer(archive, tiny_weights, output=output, runner=Interrupted(0)) == first
    assert "nothing to do" in capsys.readouterr().err

    again = infer(archive, tiny_weights, Retry(), output=output)
    assert again["stages"]["tracklets"] == 4
    assert (again["counts"], again["job_id"] == first["job_id"]) == (first["counts"], False)
    provide_missing_video(archive)
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, Retry(), output=output, runner=Interrupted(1), batch_size=1)
    with pytest.raises(OutputError, match="with --retry-failed first"):
        infer(archive, tiny_weights, Add(), output=output, manifest=grown(archive))
    assert infer(archive, tiny_weights, Retry(), output=output)["counts"]["status"] == {"ok": 11, "failed": 3}
    added = infer(archive, tiny_weights, Add(), output=output, manifest=grown(archive))
    assert added["stages"]["tracklets"] == 2
    fs, path = storage.arrow_filesystem(f"{output}/attributes")
    assert len(set(pq.read_table(path, filesystem=fs)["tracklet_id"].to_pylist())) == 16


def test_remains_of_a_job_that_was_killed_after_run_json_go_with_the_next_run(
    archive: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(uri: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            infer(archive, tiny_weights)
    output = archive / "out"
    assert {"_job.json", "_parts", "run.json"} <= set(os.listdir(output))
    (output / "_lock").write_text("torn")
    with OutputLock(str(output / "_lock")):  # a job that lives: it may need what lies there
        infer(archive, tiny_weights)
        assert {"_job.json", "_parts"} <= set(os.listdir(output))
    infer(archive, tiny_weights)
    assert sorted(os.listdir(output)) == ["attributes", "run.json"]


def test_a_job_that_ends_while_another_waits_for_the_lock_is_found_complete(
    archive: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other looked before: what it saw is not what it acts on."""
    ended: list[dict[str, Any]] = []

    class Late(OutputLock):
        def __enter__(self) -> Any:
            monkeypatch.undo()
            ended.append(infer(archive, tiny_weights))
            return super().__enter__()

    monkeypatch.setattr(output_module, "OutputLock", Late)
    assert infer(archive, tiny_weights, runner=Interrupted(0)) == ended[0]


@pytest.mark.parametrize("left_by_it", [True, False])
def test_an_interrupted_job_of_an_earlier_version_goes_on(archive: Path, tiny_weights: Path, left_by_it: bool) -> None:
    """Its parts name no job. Such parts beside a job of this version are remains that could not be removed."""
    with pytest.raises(KeyboardInterrupt):
        infer(archive, tiny_weights, runner=Interrupted(1), batch_size=1)
    output = archive / "out"
    (part,) = (output / "_parts").iterdir()
    done = pq.read_metadata(part).num_rows
    part.rename(output / "_parts" / "part-000001.parquet")
    if left_by_it:
        claim = json.loads((output / "_job.json").read_text())
        for place, name in ((claim, "parts"), (claim["fingerprint"], "video_stream")):
            place.pop(name, None)
        (output / "_job.json").write_text(json.dumps(claim))
    summary = infer(archive, tiny_weights)
    assert 0 < done < 14
    assert summary["stages"]["tracklets"] == (14 - done if left_by_it else 14)
    assert summary["counts"]["tracklets"] == 14
    assert sorted(os.listdir(output)) == ["attributes", "run.json"]


class Meanwhile(LocalRunner):
    """Does something to the manifest once it is planned."""

    def __init__(self, change: Callable[[], Any]) -> None:
        super().__init__("cpu")
        self._change = change

    def outcomes(self, units: Any, settings: Any) -> Iterator[Any]:
        yield from super().outcomes(units, settings)
        self._change()


def test_a_manifest_whose_values_change_while_the_job_runs_is_refused(archive: Path, tiny_weights: Path) -> None:
    """Its ids are those that were recognised, but what is passed through, or was decoded, may be anything."""
    manifest = archive / "manifest.parquet"
    rows, before = pq.read_table(manifest), manifest.read_bytes()
    others = rows.set_column(rows.schema.get_field_index("camera_id"), "camera_id", pa.array(["k"] * len(rows)))
    with pytest.raises(ManifestError, match=r"manifest.parquet: changed while the job ran: put it back as it was"):
        infer(archive, tiny_weights, runner=Meanwhile(lambda: pq.write_table(others, manifest)))
    assert not (archive / "out" / "run.json").exists()
    with pytest.raises(OutputError, match="differs in manifest"):
        infer(archive, tiny_weights)
    manifest.write_bytes(before)
    assert infer(archive, tiny_weights)["stages"]["tracklets"] == 0
    assert pq.read_table(archive / "out" / "attributes")["camera_id"].equals(rows["camera_id"])


def test_a_manifest_that_is_written_again_as_it_was_and_files_beside_it_change_nothing(
    archive: Path, tiny_weights: Path
) -> None:
    (archive / "m").mkdir()
    manifest = (archive / "manifest.parquet").rename(archive / "m" / "1.parquet")

    def change() -> None:
        content = manifest.read_bytes()
        manifest.unlink()
        manifest.write_bytes(content)
        (archive / "m" / "2.parquet").write_bytes(content)

    assert infer(archive, tiny_weights, manifest=archive / "m", runner=Meanwhile(change))["counts"]["tracklets"] == 14


class Overtaken(LocalRunner):
    """Another job takes the output after the first outcomes, and holds it."""

    def __init__(self, lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__("cpu")
        self._lock, self._patch = lock, monkeypatch

    def outcomes(self, units: Any, settings: Any) -> Iterator[Any]:
        for number, table in enumerate(super().outcomes(units, settings)):
            if number == 1:
                from par_model.runs import lock

                self._lock.write_text(json.dumps({"token": "another's", "pid": 1, "host": "elsewhere"}))
                self._patch.setattr(lock, "_SURE_SECONDS", 0.0)  # the last proof is of long ago
                self.there = sorted(self._lock.parent.rglob("*"))
            yield table


def test_a_job_that_lost_its_output_leaves_it_as_it_is(
    archive: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = archive / "out"
    runner = Overtaken(output / "_lock", monkeypatch)
    with pytest.raises(OutputError, match=r"process 1 on elsewhere has taken .*out over while this job"):
        infer(archive, tiny_weights, runner=runner, batch_size=1)
    assert sorted(output.rglob("*")) == runner.there
    assert json.loads((output / "_lock").read_text())["token"] == "another's"


@pytest.mark.parametrize("partition_by", [(), pytest.param(("camera_id",), marks=pytest.mark.slow)])
def test_every_change_below_the_output_asks_whether_the_job_holds_it(
    archive: Path, tiny_weights: Path, partition_by: tuple[str, ...]
) -> None:
    with changes_below(str(archive / "out")) as heard:
        with pytest.raises(KeyboardInterrupt):
            infer(archive, tiny_weights, runner=Interrupted(1), batch_size=1, partition_by=partition_by)
        (archive / "out/_parts/_partial-0123").write_bytes(b"torn")
        (archive / "out/attributes").mkdir()
        (archive / "out/attributes/_partial-0123").write_bytes(b"torn")
        heard.clear()
        infer(archive, tiny_weights, partition_by=partition_by)
        provide_missing_video(archive)
        infer(archive, tiny_weights, Retry(), partition_by=partition_by)
        infer(archive, tiny_weights, Add(), manifest=grown(archive), partition_by=partition_by)
    assert not_asked_for(heard) == []
    places = {os.path.relpath(path, archive / "out").split(os.sep)[0] for what, path in heard if path}
    assert places >= {"_job.json", "_parts", "_plan", "attributes", "run.json"}
    assert {what for what, _ in heard} >= {"asked", "os.rename", "os.remove", "shutil.rmtree", "open"}
