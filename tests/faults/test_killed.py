"""The process that the user started ends in every way that it can end."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.manifest.write import write_manifest
from tests.archive import assert_same_table
from tests.faults.conftest import SLOW_VIDEOS, Jobs, slow_rows, wait_until


@pytest.fixture
def on_s3(jobs: Jobs, s3: Callable[[], str], slow_archive: Path, tiny_weights: Path) -> Jobs:
    """The same job with every URI on S3."""
    bucket = s3()
    for v in range(SLOW_VIDEOS):
        storage.write_bytes(f"{bucket}/videos/v{v:02}.mp4", (slow_archive / f"v{v:02}.mp4").read_bytes())
    storage.write_bytes(f"{bucket}/w.safetensors", tiny_weights.read_bytes())
    write_manifest(f"{bucket}/manifest.parquet", slow_rows(f"{bucket}/videos", scheme=""))
    return replace(jobs, manifest=f"{bucket}/manifest.parquet", weights=f"{bucket}/w.safetensors", root=bucket)


# Workers write the parts of small jobs too.
BY_WORKERS = """
from par_model.inference import keep
keep._SMALL_JOB = 0
"""


def killed_and_repeated(jobs: Jobs, undisturbed: pa.Table) -> None:
    process = jobs.start("out", first=BY_WORKERS)
    jobs.wait_for_parts("out", 1)
    process.kill()
    process.communicate()
    assert "run.json" not in jobs.names("out")
    assert "are done already" in jobs.run("out")
    assert_same_table(jobs.table("out").drop(["video_uri"]), undisturbed.drop(["video_uri"]))
    assert jobs.names("out") == ["attributes", "run.json"]


def test_sigkill_at_half_then_the_same_command(jobs: Jobs, undisturbed: pa.Table) -> None:
    """What was on disk is not done again, and the table is that of an undisturbed run."""
    killed_and_repeated(jobs, undisturbed)


@pytest.mark.slow
def test_sigkill_at_half_then_the_same_command_on_ray(jobs: Jobs, undisturbed: pa.Table) -> None:
    """The same with Ray, whose processes end with the one that was killed."""
    killed_and_repeated(replace(jobs, ray=True), undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("ray", [False, True])
def test_sigkill_at_half_then_the_same_command_on_s3(on_s3: Jobs, ray: bool, undisturbed: pa.Table) -> None:
    """The same where every URI is on S3, with its lock and parts there too."""
    killed_and_repeated(replace(on_s3, ray=ray), undisturbed)


# Ranges of a few rows, so that a small table has several files.
SMALL_RANGES = """
from par_model.runs import stripes
from par_model.table import row_range
stripes._ROWS, row_range.FILE_BYTES = 4, 1000
"""


def killed_at_a_file(jobs: Jobs, mark: Path, undisturbed: pa.Table) -> None:
    process = jobs.start("out", first=SMALL_RANGES, FAULT_SLOW_SECONDS=0, FAULT_KILL_AT_FILE=mark)
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    assert "run.json" not in jobs.names("out")
    assert jobs.parts("out")
    assert f"{2 * SLOW_VIDEOS} of {2 * SLOW_VIDEOS} tracklets are done already" in jobs.run("out")
    assert_same_table(jobs.table("out").drop(["video_uri"]), undisturbed.drop(["video_uri"]))
    assert jobs.names("out") == ["attributes", "run.json"]


def test_sigkill_while_the_table_is_written(jobs: Jobs, tmp_path: Path, undisturbed: pa.Table) -> None:
    """Nothing is recognised again; the second time the ranges are others, and no file of the first stays."""
    killed_at_a_file(jobs, tmp_path / "mark", undisturbed)


@pytest.mark.slow
def test_sigkill_while_the_table_is_written_on_s3(on_s3: Jobs, tmp_path: Path, undisturbed: pa.Table) -> None:
    """The same on S3."""
    killed_at_a_file(on_s3, tmp_path / "mark", undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["jobs", "on_s3"])
def test_a_worker_is_killed_while_it_writes_a_file_of_the_table(
    place: str, request: pytest.FixtureRequest, tmp_path: Path, undisturbed: pa.Table
) -> None:
    """Another writes the file; the job does not notice."""
    jobs = replace(request.getfixturevalue(place), ray=True)
    mark = tmp_path / "mark"
    process = jobs.start("out", first=SMALL_RANGES, FAULT_SLOW_SECONDS=0, FAULT_KILL_AT_FILE=mark)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert mark.exists()
    assert_same_table(jobs.table("out").drop(["video_uri"]), undisturbed.drop(["video_uri"]))
    files = [f.uri for f in storage.list_files(storage.join(jobs.place("out"), "attributes"))]
    assert [storage.name(uri) for uri in files] == [f"part-{i:05d}.parquet" for i in range(len(files))]
    assert len(files) > 2
    assert jobs.names("out") == ["attributes", "run.json"]


@pytest.mark.slow
def test_a_worker_is_killed_while_it_writes_a_part(jobs: Jobs, tmp_path: Path, undisturbed: pa.Table) -> None:
    """What it had still lies with Ray, and another writes it. (The last part is written by the job's own process.)"""
    mark = tmp_path / "mark"
    process = replace(jobs, ray=True).start("out", first=BY_WORKERS, FAULT_KILL_AT_PART=1, FAULT_PART_MARK=mark)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert mark.exists()
    assert "once more" not in err
    assert_same_table(jobs.table("out"), undisturbed)
    assert jobs.names("out") == ["attributes", "run.json"]


def test_sigkill_while_a_part_is_written(jobs: Jobs, undisturbed: pa.Table) -> None:
    """A torn file is never read as a part; it goes, and its rows are done again."""
    process = jobs.start("out", FAULT_KILL_AT_PART=2)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    below = sorted(p.name for p in Path(jobs.place("out"), "_parts").iterdir())
    assert [name.split("-")[0] for name in below] == ["_partial", "part"]
    jobs.run("out")
    assert_same_table(jobs.table("out"), undisturbed)


# A few rows are several spans and buckets of planning.
TINY_SPANS = """
from par_model.inference import planning, survey
survey.SPAN_ROWS, planning._BUCKET_ROWS = 4, 6
"""


@pytest.mark.parametrize("file", ["dealt-000002-", pytest.param("units-000001-", marks=pytest.mark.slow)])
def test_sigkill_while_the_manifest_is_planned(
    jobs: Jobs, file: str, undisturbed: pa.Table, slow_archive: Path, tmp_path: Path
) -> None:
    """What tasks of planning have written whole counts, the torn file goes, and no row is lost or doubled."""
    jobs = replace(jobs, manifest=str(tmp_path / "manifest.parquet"))
    pq.write_table(pq.read_table(slow_archive / "manifest.parquet"), jobs.manifest, row_group_size=2)
    process = jobs.start("out", first=TINY_SPANS, FAULT_KILL_AT_PLAN=file)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    below = sorted(p.name[:12] for p in Path(jobs.place("out"), "_plan").iterdir())
    kept = [name for name in below if name.startswith(("dealt", "units"))]
    wanted = ["dealt-000000", "dealt-000001"]
    assert kept == (wanted if file[0] == "d" else [*wanted, "dealt-000002", "dealt-000003", "units-000000"])
    process = jobs.start("out", first=TINY_SPANS)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert_same_table(jobs.table("out"), undisturbed)
    assert jobs.names("out") == ["attributes", "run.json"]


@pytest.mark.parametrize("stop", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(jobs: Jobs, stop: signal.Signals) -> None:
    """Exit 130, what was done is kept, the lock is free, no traceback; the same command goes on."""
    process = jobs.start("out")
    jobs.wait_for_parts("out", 1)
    process.send_signal(stop)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 130
    assert "The same command again goes on" in err
    assert "Traceback" not in err
    assert "_lock" not in jobs.names("out")
    assert "are done already" in jobs.run("out")


@pytest.mark.slow
def test_ctrl_c_with_ray(jobs: Jobs) -> None:
    """The same with Ray."""
    jobs = replace(jobs, ray=True)
    process = jobs.start("out", first=BY_WORKERS)
    jobs.wait_for_parts("out", 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 130, err
    assert "The same command again goes on" in err
    assert "Traceback" not in err
    jobs.run("out")


def test_the_disk_is_full(jobs: Jobs, undisturbed: pa.Table) -> None:
    """One line that says so; once there is room, the same command goes on."""
    err = jobs.run("out", code=1, FAULT_DISK_FULL_AT_PART=2)
    assert "No space left on device" in err
    assert "are done already" in jobs.run("out")
    assert_same_table(jobs.table("out"), undisturbed)


def test_two_jobs_on_one_output(jobs: Jobs) -> None:
    """The second is refused and the first is not disturbed."""
    first = jobs.start("out")
    wait_until(lambda: "_lock" in jobs.names("out"), "the first job's lock")
    assert f"process {first.pid} on " in jobs.run("out", code=1)
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
    assert jobs.table("out")["status"].to_pylist() == ["ok"] * (2 * SLOW_VIDEOS)


@pytest.mark.slow
def test_of_two_jobs_that_start_at_once_one_is_refused(jobs: Jobs) -> None:
    """Four pairs; whoever wins, the table is whole."""
    for pair in range(4):
        both = [jobs.start(f"out-{pair}", FAULT_SLOW_SECONDS=0.1) for _ in range(2)]
        said = [process.communicate(timeout=120)[1] for process in both]
        assert sorted(process.returncode for process in both) == [0, 1], said
        refused = next(i for i, process in enumerate(both) if process.returncode)
        assert f"another job (process {both[1 - refused].pid} on " in said[refused]
        assert jobs.table(f"out-{pair}")["status"].to_pylist() == ["ok"] * (2 * SLOW_VIDEOS)
        assert jobs.names(f"out-{pair}") == ["attributes", "run.json"]


# A second of the lock's takes a twentieth of one, so that a minute is three seconds.
SOONER = """
from par_model.runs import lock
for name in ("_BEAT_SECONDS", "_SURE_SECONDS", "_STALE_SECONDS", "_POLL_SECONDS"):
    setattr(lock, name, getattr(lock, name) / 20)
"""


@pytest.mark.slow
@pytest.mark.parametrize("taken", [True, False])
def test_a_job_that_was_stopped_for_more_than_a_minute(jobs: Jobs, taken: bool, undisturbed: pa.Table) -> None:
    """If another has taken its output meanwhile, it stops before its next write, with one line; else it goes on."""
    process = jobs.start("out", first=SOONER)
    jobs.wait_for_parts("out", 1)
    process.send_signal(signal.SIGSTOP)
    time.sleep(4)
    lock = Path(jobs.place("out"), "_lock")
    below = sorted(str(p) for p in Path(jobs.place("out")).rglob("part-*"))
    if taken:
        lock.write_text(json.dumps({"token": "another's", "pid": 1, "host": "elsewhere"}))
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=120)
    if not taken:
        assert process.returncode == 0, err
        assert_same_table(jobs.table("out"), undisturbed)
        return
    assert process.returncode == 1, err
    assert "process 1 on elsewhere has taken" in err
    assert "Traceback" not in err
    assert sorted(str(p) for p in Path(jobs.place("out")).rglob("part-*")) == below
    assert jobs.names("out") == ["_job.json", "_lock", "_parts", "_plan"]


@pytest.mark.slow
@pytest.mark.parametrize("done", [True, False])
def test_a_part_of_a_stopped_job_that_arrives_late_counts_for_nothing(
    jobs: Jobs, done: bool, undisturbed: pa.Table
) -> None:
    """It was stopped behind its last look at the lock, before the part had its name, and another took the output."""
    late = jobs.start("out", first=SOONER, FAULT_STOP_AT_PART=2)
    wait_until(lambda: psutil.Process(late.pid).status() == psutil.STATUS_STOPPED, "the stopped job")
    lock = Path(jobs.place("out"), "_lock")
    lock.write_text(json.dumps(json.loads(lock.read_text()) | {"processes": "another container's"}))
    other = jobs.start("out", first=SOONER, FAULT_SLOW_SECONDS=0 if done else 1)
    if done:
        said = other.communicate(timeout=120)[1]
    else:
        jobs.wait_for_parts("out", 2)
    late.send_signal(signal.SIGCONT)
    _, err = late.communicate(timeout=120)
    assert late.returncode == 1, err
    assert "Traceback" not in err
    if not done:
        assert (
            len({name.split("-")[3] for name in map(storage.name, jobs.parts("out"))}) == 2
        )  # it came, by its own name
        said = other.communicate(timeout=120)[1]
    assert other.returncode == 0, said
    assert "are done already" in said
    assert_same_table(jobs.table("out"), undisturbed)
    assert jobs.names("out") == ["attributes", "run.json"]
