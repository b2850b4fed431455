"""Ray and one process, local files and S3 give the same table."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.cluster.inference import ray_runner
from par_model.errors import ParError
from par_model.inference import keep
from par_model.inference.job import run_inference
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from par_model.inference.runner import Runner
from par_model.inference.stages import DecodeTables
from par_model.manifest.write import write_manifest
from par_model.runs import stripes
from par_model.table import row_range
from tests.archive import assert_same_table, bad_rows, good_rows, write_archive, write_clips


def on_ray() -> AbstractContextManager[Runner]:
    return ray_runner(None, "cpu", None, None)


def in_one_process() -> AbstractContextManager[Runner]:
    return nullcontext(LocalRunner("cpu"))


def table_of(output: str) -> pa.Table:
    fs, path = storage.arrow_filesystem(storage.join(output, "attributes"))
    return pq.read_table(path, filesystem=fs)


@pytest.fixture
def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers write the parts of a small job too, and a small table has several files, which tasks write."""
    monkeypatch.setattr(keep, "_SMALL_JOB", 0)
    monkeypatch.setattr(stripes, "_ROWS", 4)
    monkeypatch.setattr(row_range, "FILE_BYTES", 1000)


class WithoutTorch(DecodeTables):
    """Ends the job where the worker that decodes has loaded torch, most of what its start would take."""

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        yield from super().__call__(unit)
        assert "torch" not in sys.modules


@contextmanager
def on_ray_without_torch() -> Iterator[Runner]:
    with ray_runner(None, "cpu", None, None) as ready:
        yield replace(ready, decode=WithoutTorch)


@pytest.mark.usefixtures("local_ray", "as_if_large")
def test_ray_and_one_process_give_the_same_table(tiny_weights: Path, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive", bad=True)
    tables = {}
    for name, runner in (("ray", on_ray_without_torch), ("local", in_one_process)):
        options = InferOptions(
            manifest=manifest, weights=str(tiny_weights), output=str(tmp_path / name), embedding=True, batch_size=4
        )
        summary = run_inference(options, runner)
        assert summary["counts"]["status"] == {"ok": 10, "failed": 4}
        assert summary["stages"]["decode"]["frames_decoded"] > 0
        assert len(summary["files"]) > 2
        tables[name] = table_of(str(tmp_path / name))
    assert_same_table(tables["ray"], tables["local"])


@pytest.mark.usefixtures("local_ray", "as_if_large")
@pytest.mark.parametrize("runner", [on_ray, in_one_process])
def test_s3_gives_the_table_that_local_files_give(
    runner: Callable[[], AbstractContextManager[Runner]], s3: Callable[[], str], tiny_weights: Path, tmp_path: Path
) -> None:
    bucket = s3()
    write_clips(tmp_path)
    for name in ("a.mp4", "b.mp4"):
        storage.write_bytes(f"{bucket}/archive/{name}", (tmp_path / name).read_bytes())
    storage.write_bytes(f"{bucket}/w.safetensors", tiny_weights.read_bytes())
    tables = {}
    for place, folder in ((f"{bucket}/archive", f"{bucket}/archive"), (str(tmp_path), str(tmp_path))):
        manifest = f"{place}/manifest.parquet"
        write_manifest(manifest, good_rows(folder) + bad_rows(folder), further=[pa.field("zone", pa.int64())])
        weights = f"{bucket}/w.safetensors" if place.startswith("s3") else str(tiny_weights)
        options = InferOptions(manifest=manifest, weights=weights, output=f"{place}/out", partition_by=("camera_id",))
        summary = run_inference(options, runner)
        assert summary["exit_code"] == 3
        assert run_inference(options, runner) == summary
        below = [f.uri.removeprefix(f"{place}/out/") for f in storage.list_files(f"{place}/out")]
        assert sorted(below) == sorted([*summary["files"], "run.json"])
        table = table_of(f"{place}/out").drop(["message"])
        uris = [uri.removeprefix(folder) for uri in table["video_uri"].to_pylist()]
        tables[place] = table.set_column(table.column_names.index("video_uri"), "video_uri", pa.array(uris))
    assert_same_table(*tables.values())


@pytest.mark.usefixtures("local_ray")
def test_what_a_worker_raises_on_purpose_is_one_line_here(tiny_weights: Path, tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive")
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(tiny_weights.read_bytes())
    options = InferOptions(manifest=manifest, weights=str(weights), output=str(tmp_path / "out"))

    @contextmanager
    def runner() -> Iterator[Runner]:
        with on_ray() as ready:
            weights.unlink()  # seen by the driver, gone when the actor loads it
            yield ready

    with pytest.raises(ParError, match=r"w\.safetensors"):
        run_inference(options, runner)


@pytest.mark.slow
@pytest.mark.timeout(900)  # torch.compile takes two minutes on a busy machine until it misses the compiler
def test_an_actor_that_cannot_start_ends_the_job_with_its_own_line(tiny_weights: Path, tmp_path: Path) -> None:
    """Here for want of a compiler; Ray's own account, with tracebacks of three processes, is not shown."""
    options = ["--manifest", write_archive(tmp_path / "archive"), "--weights", str(tiny_weights)]
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "from par_model.cli import main; main()",
            "infer",
            *options,
            "--output",
            str(tmp_path / "out"),
            "--compile",
        ],
        env=os.environ | {"CXX": "/nowhere/g++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "kernels")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 2, said.stderr
    assert said.stdout == ""
    assert "Traceback" not in said.stderr
    lines = said.stderr.splitlines()
    assert lines[-1].startswith("parjob: --compile: torch.compile made no kernels here")
    assert len(lines) < 6
