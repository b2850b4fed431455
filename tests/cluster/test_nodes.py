"""Jobs over two and four nodes with differing resources, some of which advertise a GPU."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import par_model
from par_model.inference.job import run_inference
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from par_model.manifest.write import write_manifest
from tests.archive import assert_same_table, video_row
from tests.cluster.simulated import ONE, ROOT, Simulated, finish, read_notes, table_of
from tests.faults.conftest import wait_until
from tests.video.frame_numbers import write_clip

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

VIDEOS = 16
OUTPUT = "output"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixteen short clips of two tracklets each; the manifest."""
    folder = tmp_path_factory.mktemp("nodes")
    rows = []
    for v in range(VIDEOS):
        write_clip(folder / f"v{v:02}.mp4", range(100 * v, 100 * v + 12))
        rows += [video_row(f"t{v:02}-{i}", f"{folder}/v{v:02}.mp4", range(2 * i, 2 * i + 6)) for i in range(2)]
    write_manifest(str(folder / "manifest.parquet"), rows)
    return str(folder / "manifest.parquet")


@pytest.fixture(scope="module")
def of_one_node(archive: str, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """The table without Ray."""
    output = tmp_path_factory.mktemp("alone") / "out"
    options = InferOptions(archive, str(tiny_weights), str(output), precision="fp32", batch_size=1)
    run_inference(options, lambda: nullcontext(LocalRunner("cpu")))
    return table_of(output)


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulated]:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    simulated = Simulated(tmp_path / "machines")
    simulated.root.mkdir()
    yield simulated
    simulated.end()


def test_a_cpu_node_decodes_and_a_gpu_node_recognises(
    machines: Simulated, archive: str, of_one_node: pa.Table, tiny_weights: Path, tmp_path: Path
) -> None:
    """Two nodes: the head has CPUs, the other a GPU and no CPU to spare."""
    machines.start(num_cpus=2)
    machines.add("gpu", num_cpus=0, num_gpus=1)
    said = machines.run(archive, tiny_weights, tmp_path / "out")
    assert "model actors on GPU" in said
    assert machines.ran("decode") == {"head"}
    assert machines.ran("model") == {"gpu"}
    assert {note.gpus for note in read_notes(machines.notes) if note.stage == "model"} == {1}
    assert_same_table(table_of(tmp_path / "out"), of_one_node)


def test_four_nodes_and_what_each_leaves_on_its_own_disk(
    machines: Simulated, archive: str, of_one_node: pa.Table, tiny_weights: Path, tmp_path: Path
) -> None:
    """A head without CPUs, two nodes that decode, one of which joins while the job runs, and one with two GPUs.

    All files that a process has open or mapped below the machines' temporary folders are below its own machine's, what
    lies below the output is the head's alone to open, since it is a path, and at the end nothing is left in any.
    """
    machines.pause = 300
    machines.start(num_cpus=0)
    machines.add("decode", num_cpus=1)
    machines.add("gpus", num_cpus=0, num_gpus=2)
    job = machines.begin(archive, tiny_weights, tmp_path / "out")
    wait_until(lambda: machines.ran("decode") == {"decode"}, "the first unit", 240)
    machines.add("late", num_cpus=1)
    wait_until(lambda: "late" in machines.ran("decode"), "the late node", 240)
    listened = files_of_machines(machines.root / "temporary", tmp_path / "out")
    machines.go()
    while job.poll() is None:
        listened |= files_of_machines(machines.root / "temporary", tmp_path / "out")
    finish(job)
    assert machines.ran("decode") == {"decode", "late"}
    assert machines.ran("model") == {"gpus"}
    assert_same_table(table_of(tmp_path / "out"), of_one_node)
    assert {"decode", "late", "gpus"} <= {machine for machine, _ in listened}
    assert {machine for machine, owner in listened if owner == OUTPUT} <= {"head"}
    assert all(machine == owner for machine, owner in listened if owner not in ("", OUTPUT)), listened
    assert not list((machines.root / "temporary").rglob("parjob-*"))


def files_of_machines(folder: Path, output: Path) -> set[tuple[str, str]]:
    """Of every process of a simulated machine: the machine, and the one below whose folder it has a file open, OUTPUT
    for a file below the output, "" for any other file."""
    found = set()
    for process in psutil.process_iter():
        try:
            own = process.environ().get("TMPDIR", "")
            if not own.startswith(f"{folder}/"):
                continue
            paths = [file.path for file in process.open_files()] + [area.path for area in process.memory_maps()]
        except psutil.Error:
            continue
        found |= {(Path(own).name, _owner(path, folder, output)) for path in paths}
    return found


def _owner(path: str, folder: Path, output: Path) -> str:
    if path.startswith(f"{output}/"):
        return OUTPUT
    return path.removeprefix(f"{folder}/").split("/")[0] if path.startswith(f"{folder}/") else ""


def another_version(folder: Path) -> dict[str, Any]:
    """Variables of a node that has an older package: this one with another number."""
    package = Path(par_model.__file__).parent
    shutil.copytree(package, folder / "par_model", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    (folder / "par_model" / "__init__.py").write_text('"""Older."""\n\n__version__ = "0.0.9"\n')
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_a_node_with_another_version_stops_the_job_at_the_start(
    machines: Simulated, archive: str, tiny_weights: Path, tmp_path: Path
) -> None:
    machines.start(num_cpus=2)
    older = machines.add("older", num_cpus=2, env_vars=another_version(tmp_path / "site"))
    said = machines.run(archive, tiny_weights, tmp_path / "out", "--device", "cpu", code=1)
    assert f"({older.node_id[:8]}) has par_model 0.0.9 (here {par_model.__version__}): install the same" in said
    assert not read_notes(machines.notes)
    assert not (tmp_path / "out" / "attributes").exists()


def test_a_node_with_another_version_that_joins_late_stops_the_job_too(
    machines: Simulated, archive: str, of_one_node: pa.Table, tiny_weights: Path, tmp_path: Path
) -> None:
    """Without that node the same command goes on, after what was done before it came."""
    machines.pause = 300
    machines.start(num_cpus=2)
    parts = tmp_path / "out" / "_parts"
    job = machines.begin(archive, tiny_weights, tmp_path / "out", "--device", "cpu")
    for _ in range(4):  # Ray Data hands a block on when another has come
        machines.go_one()
        wait_until(lambda: not (machines.notes / ONE).exists(), "a unit", 240)
    wait_until(lambda: list(parts.glob("part-*.parquet")), "what the first units gave", 120)
    done = set(pq.read_table(parts)["tracklet_id"].to_pylist())
    older = machines.add("older", num_cpus=2, env_vars=another_version(tmp_path / "site"))
    said = finish(job, 1)
    assert f"({older.node_id[:8]}) has par_model 0.0.9 (here {par_model.__version__}): install the same" in said
    assert machines.ran("decode") == {"head"}
    kept = set(pq.read_table(parts)["tracklet_id"].to_pylist())
    assert done <= kept  # and what came after the last part, before the stop
    assert 0 < len(kept) < 2 * VIDEOS
    machines.cluster.remove_node(older)
    machines.go()
    said = machines.run(archive, tiny_weights, tmp_path / "out", "--device", "cpu")
    assert f"{len(kept)} of {2 * VIDEOS} tracklets are done already; going on with the others" in said
    assert_same_table(table_of(tmp_path / "out"), of_one_node)
