"""Training under Ray: the same curve as without, on S3 too, and on again after kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.cluster.sizing import Resources
from par_model.cluster.training import Seat, choose_seat, ray_trainer
from par_model.errors import ClusterError, StorageError, TrainingError
from par_model.model.weights import read_header
from par_model.training.job import run_training
from par_model.training.options import TrainOptions
from tests.training.archive import Archive, make_archive, train_here


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return make_archive(tmp_path_factory.mktemp("labelled-for-ray"))


def train_on_ray(options: TrainOptions) -> dict[str, Any]:
    return run_training(options, lambda: ray_trainer(None, "cpu", options))


def metrics(output: str) -> dict[str, list[Any]]:
    """Read at one go: a run may replace the file, and pyarrow opens a path twice, for its footer and for its pages."""
    data = storage.read_bytes(storage.join(output, "metrics.parquet"))
    return dict(pq.read_table(pa.BufferReader(data)).to_pydict())


@pytest.mark.parametrize(
    ("workers", "device", "cpus", "gpus", "seat"),
    [
        (8, "cpu", 2, 0, (0.25, 0, "gloo")),
        (3, "cpu", 2, 0, (0.66, 0, "gloo")),
        (4, "cpu", 1024, 0, (1, 0, "gloo")),
        (2, "cuda", 16, 4, (1, 1, "nccl")),
        (3, "cuda", 16, 2, (1, 0.5, "gloo")),
        (2, "cuda", 1, 1, (0.5, 0.5, "gloo")),
    ],
)
def test_workers_share_what_there_is(
    workers: int, device: Any, cpus: int, gpus: int, seat: tuple[float, float, str]
) -> None:
    found = choose_seat(workers, device, Resources(cpus, gpus, cpus, gpus))
    assert (found.cpus, found.gpus, found.backend) == seat
    assert found.cpus * workers <= cpus


def test_where_nothing_is_there_yet_each_worker_asks_for_its_own() -> None:
    from_zero = Resources(0, 0, 0, 0, grows=True)
    assert choose_seat(8, "cuda", from_zero) == Seat(1.0, 1, "nccl")
    assert choose_seat(8, "cpu", from_zero) == Seat(1.0, 0, "gloo")
    assert choose_seat(8, "cpu", Resources(2, 0, 2, 0, grows=True)) == Seat(0.25, 0, "gloo")


def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(ClusterError, match="no GPU"):
        choose_seat(1, "cuda", Resources(2, 0, 2, 0))


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_workers_on_s3_have_the_curve_of_one_process(
    labelled: Archive, s3: Callable[[], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decoding, training, checkpoints and results on an object store; a batch that two workers share unevenly."""
    bucket = s3()
    options = labelled.options(f"{bucket}/out", workers=2, batch_size=5, crops=f"{bucket}/crops")
    summary = train_on_ray(options)
    train_here(labelled.options(tmp_path, batch_size=5))
    there, here = metrics(f"{bucket}/out"), metrics(str(tmp_path))
    assert there["train_loss"] == pytest.approx(here["train_loss"], abs=1e-4)
    assert there["epoch"] == [1, 2]
    assert there["workers"] == [2, 2]
    assert read_header(f"{bucket}/out/best.safetensors").training["epoch"] == summary["best"]["epoch"]
    names = {storage.name(file.uri) for file in storage.list_files(f"{bucket}/out")}
    assert {"best.safetensors", "last.safetensors", "metrics.parquet", "run.json", "_curves.png"} <= names
    assert not storage.exists(f"{bucket}/out/_ray")
    assert "epoch 2/2: loss" in capsys.readouterr().err
    assert train_on_ray(options) == summary
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.usefixtures("local_ray")
def test_crops_that_cannot_be_kept_are_a_storage_error(labelled: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file/crops"):
        train_on_ray(labelled.options(tmp_path / "out", crops=str(tmp_path / "file" / "crops")))


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_eight_workers_share_two_cores(labelled: Archive, tmp_path: Path) -> None:
    train_on_ray(labelled.options(tmp_path / "eight", workers=8))
    train_here(labelled.options(tmp_path / "one"))
    eight, one = metrics(str(tmp_path / "eight")), metrics(str(tmp_path / "one"))
    assert eight["workers"] == [8, 8]
    assert eight["train_loss"] == pytest.approx(one["train_loss"], abs=1e-4)


def command(labelled: Archive, output: Path, epochs: int, *more: str) -> list[str]:
    return [
        *(sys.executable, "-c", "from par_model.cli import main; main()", "train", "--manifest", labelled.manifest),
        *("--weights", labelled.weights, "--output", str(output), "--crops", labelled.crops, "--batch-size", "8"),
        *("--workers", "2", "--epochs", str(epochs), "--max-failures", "1", *more),
    ]


def wait_for_epoch(output: Path, epoch: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if (output / "metrics.parquet").exists() and len(metrics(str(output))["epoch"]) >= epoch:
            return
        assert process.poll() is None, "ended too early"
        time.sleep(0.02)
    raise AssertionError(f"no epoch {epoch} in time")


def a_worker_of(driver: int) -> int:
    """A process of Ray Train below the driver's own Ray: the oldest that has torch's gloo threads."""
    for entry in sorted(Path("/proc").iterdir(), key=lambda p: p.name):
        if not entry.name.isdigit():
            continue
        try:
            title = (entry / "cmdline").read_bytes().decode(errors="replace")
            environment = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "RayTrainWorker" in title and f"PARJOB_TEST_DRIVER={os.getpid()}" in environment:
            return int(entry.name)
    raise AssertionError(f"no worker of process {driver}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_worker_killed_at_a_third_and_the_driver_at_two_thirds(labelled: Archive, tmp_path: Path) -> None:
    """The finished curve has every epoch once, and is that of a run that nothing happened to."""
    epochs = 30
    train_here(labelled.options(tmp_path / "whole", epochs=epochs))
    out = tmp_path / "out"
    environment = os.environ | {"PARJOB_TEST_DRIVER": str(os.getpid())}
    first = subprocess.Popen(command(labelled, out, epochs), env=environment, start_new_session=True)
    try:
        wait_for_epoch(out, epochs // 3, first)
        os.kill(a_worker_of(first.pid), signal.SIGKILL)
        wait_for_epoch(out, 2 * epochs // 3, first)
    finally:
        first.kill()
        first.wait()
    assert not (out / "run.json").exists()
    subprocess.run(command(labelled, out, epochs), env=environment, check=True, timeout=400)
    curve, whole = metrics(str(out)), metrics(str(tmp_path / "whole"))
    assert curve["epoch"] == list(range(1, epochs + 1))
    assert curve["train_loss"] == pytest.approx(whole["train_loss"], abs=2e-2)
    assert json.loads((out / "run.json").read_text())["epochs"] == epochs


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(labelled: Archive, tmp_path: Path) -> None:
    with open(tmp_path / "said", "wb") as said:
        process = subprocess.Popen(command(labelled, tmp_path / "out", 200), stderr=said, stdout=said)
        try:
            wait_for_epoch(tmp_path / "out", 2, process)
            process.send_signal(signal.SIGINT)
            assert process.wait(180) == 130
        finally:
            process.kill()
    assert b"whole epochs are kept" in (tmp_path / "said").read_bytes()
    assert not (tmp_path / "out" / "_lock").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("local_ray")
def test_a_loss_that_is_no_number_ends_all_workers_without_another_try(labelled: Archive, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"loss is .* its tracklets: s0"):
        train_on_ray(labelled.options(tmp_path, workers=2, lr=1e30, epochs=6, max_failures=3))
