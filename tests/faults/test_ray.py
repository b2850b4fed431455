"""What the processes of a Ray job do to it, each in a second or two on a Ray that runs already. test_cluster.py has the
long forms: whole jobs, and a node that goes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.cluster.inference import RayRunner, ray_runner
from par_model.errors import ClusterError
from par_model.inference import keep, planning, survey
from par_model.inference.job import run_inference
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.stages import DecodeTables, RecogniseTables
from par_model.manifest.write import write_manifest
from par_model.video.options import DecodeOptions
from tests.archive import assert_same_table, video_row
from tests.faults.conftest import HOOKS, slow_rows

pytestmark = pytest.mark.usefixtures("local_ray")
POISON = "t03-1"


def ends(sign: int) -> None:
    os.kill(os.getpid(), sign)


def first_time(mark: str) -> bool:
    """Whether nobody asked this before, in any process."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


class FaultyVideos(DecodeTables):
    """Its decoding process knows the file systems of tests/faults/hooks."""

    def __init__(self, settings: StageSettings) -> None:
        os.environ |= {"FAULTS": "1", "PYTHONPATH": str(HOOKS)}
        super().__init__(settings)


class DecodeDiesOnce(DecodeTables):
    """SIGKILL in the middle of a unit, after some of its crops went out."""

    def __init__(self, settings: StageSettings) -> None:
        super().__init__(settings)
        self._mark = f"{settings.weights}.decode-died"

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        for number, table in enumerate(super().__call__(unit)):
            yield table
            if number == 1 and first_time(self._mark):
                ends(signal.SIGKILL)


class ModelDiesOnce(RecogniseTables):
    """SIGKILL when the first crops arrive."""

    def __init__(self, settings: StageSettings) -> None:
        super().__init__(settings)
        self._mark = f"{settings.weights}.model-died"

    def __call__(self, table: pa.Table) -> pa.Table:
        if first_time(self._mark):
            ends(signal.SIGKILL)
        return super().__call__(table)


class ModelSegfaults(RecogniseTables):
    """A segmentation fault whenever one certain tracklet is there."""

    def __call__(self, table: pa.Table) -> pa.Table:
        if POISON in table["tracklet_id"].to_pylist():
            ends(signal.SIGSEGV)
        return super().__call__(table)


class ModelHangs(RecogniseTables):
    """Never comes back from one certain tracklet, as where a driver hangs."""

    hang_seconds, hang_seconds_a_row = 15.0, 5.0

    def __call__(self, table: pa.Table) -> pa.Table:
        if POISON in table["tracklet_id"].to_pylist():
            time.sleep(600)
        return super().__call__(table)


class DecodeSegfaults(DecodeTables):
    """The same in the worker itself, outside the process in which it decodes."""

    def __call__(self, unit: pa.Table) -> Iterator[pa.Table]:
        if POISON in unit["tracklet_id"].to_pylist():
            ends(signal.SIGSEGV)
        yield from super().__call__(unit)


class ModelAlwaysDies(RecogniseTables):
    def __call__(self, table: pa.Table) -> pa.Table:
        ends(signal.SIGKILL)
        return table


@pytest.fixture(autouse=True)
def parts_by_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a large job."""
    monkeypatch.setattr(keep, "_SMALL_JOB", 0)


@pytest.fixture
def weights(tiny_weights: Path, tmp_path: Path) -> str:
    """A copy beside which stages leave their marks."""
    (tmp_path / "w.safetensors").write_bytes(tiny_weights.read_bytes())
    return str(tmp_path / "w.safetensors")


@pytest.fixture
def manifest(slow_archive: Path, tmp_path: Path) -> str:
    path = str(tmp_path / "manifest.parquet")
    write_manifest(path, slow_rows(str(slow_archive), scheme=""))
    return path


def table_of(
    manifest: str,
    weights: str,
    decode: type[DecodeTables] = DecodeTables,
    recognise: type[RecogniseTables] = RecogniseTables,
    batch_size: int = 1,
) -> pa.Table:
    @contextmanager
    def runner() -> Iterator[RayRunner]:
        with ray_runner(None, "cpu", 1, (1, 1)) as ready:
            yield replace(ready, decode=decode, recognise=recognise)

    output = f"{manifest}.out"
    options = InferOptions(manifest, weights, output, batch_size=batch_size, decode=DecodeOptions(video_timeout=5))
    run_inference(options, runner)
    return pq.read_table(f"{output}/attributes")


def assert_undisturbed(table: pa.Table, undisturbed: pa.Table, failed: dict[str, str]) -> None:
    """All rows as in an undisturbed run, but for those of ``failed``, which have these codes."""
    found = dict(zip(table["tracklet_id"].to_pylist(), table["error"].to_pylist(), strict=True))
    assert {i: code for i, code in found.items() if code is not None} == failed
    assert len(found) == len(table)
    good = table.filter(pc.is_null(table["error"])).drop(["video_uri"]).combine_chunks()
    wanted = undisturbed.filter(pc.is_in(undisturbed["tracklet_id"], good["tracklet_id"].combine_chunks()))
    assert_same_table(good, wanted.drop(["video_uri"]).combine_chunks())


def test_videos_that_crash_or_hang_their_decoder_fail_alone(
    slow_archive: Path, weights: str, tmp_path: Path, undisturbed: pa.Table
) -> None:
    """A decode worker segfaults on one video and hangs on another: their tracklets are failed rows, the rest is as in
    an undisturbed run."""
    rows = slow_rows(str(slow_archive), scheme="")
    bad = [
        video_row("video-crashed", "crash:///a.mp4", range(6)),
        video_row("video-timeout", "hang:///b.mp4", range(6)),
    ]
    write_manifest(str(tmp_path / "manifest.parquet"), [*rows[:3], *bad, *rows[3:]])
    table = table_of(str(tmp_path / "manifest.parquet"), weights, decode=FaultyVideos)
    assert_undisturbed(table, undisturbed, {code: code for code in ("video-crashed", "video-timeout")})


def test_workers_of_both_stages_are_killed(manifest: str, weights: str, undisturbed: pa.Table) -> None:
    """SIGKILL to the actor that decodes, in the middle of a unit, and to the one that holds the model, as when their
    node goes: others take over, no row is lost or doubled."""
    table = table_of(manifest, weights, decode=DecodeDiesOnce, recognise=ModelDiesOnce)
    assert Path(f"{weights}.decode-died").exists()
    assert Path(f"{weights}.model-died").exists()
    assert_undisturbed(table, undisturbed, {})


def dies_once(mark: str, work: Callable[[Any], Any], item: Any) -> Any:
    """SIGKILL to the first worker, when it has done all but say so."""
    done = work(item)
    if first_time(mark):
        ends(signal.SIGKILL)
    return done


@dataclass
class PlanningDies(RayRunner):
    mark: str = ""

    def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return super().spread(partial(dies_once, self.mark, work), items)


@pytest.mark.parametrize("where", ["local", pytest.param("s3", marks=pytest.mark.slow)])
def test_a_worker_that_plans_is_killed(
    where: str,
    manifest: str,
    weights: str,
    tmp_path: Path,
    undisturbed: pa.Table,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """SIGKILL to the task that has just written the first span: another does it again, under another name, and no row
    is lost or doubled."""
    monkeypatch.setattr(survey, "SPAN_ROWS", 4)
    monkeypatch.setattr(planning, "_BUCKET_ROWS", 6)
    root = request.getfixturevalue("s3")() if where == "s3" else str(tmp_path)
    with storage.atomic_writer(f"{root}/groups.parquet") as file:
        pq.write_table(pq.read_table(manifest), file, row_group_size=2)

    @contextmanager
    def runner() -> Iterator[RayRunner]:
        with ray_runner(None, "cpu", 1, (1, 1)) as ready:
            yield PlanningDies(ready.pools, mark=f"{weights}.planning-died")

    run_inference(InferOptions(f"{root}/groups.parquet", weights, f"{root}/out", batch_size=1), runner)
    assert Path(f"{weights}.planning-died").exists()
    fs, path = storage.arrow_filesystem(f"{root}/out/attributes")
    assert_undisturbed(pq.read_table(path, filesystem=fs), undisturbed, {})
    below = {f.uri.removeprefix(f"{root}/out/").split("/")[0] for f in storage.list_files(f"{root}/out")}
    assert below == {"attributes", "run.json"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("stages", "code"),
    [
        ({"recognise": ModelSegfaults, "batch_size": 8}, "model-error"),
        ({"recognise": ModelHangs}, "model-error"),
        ({"decode": DecodeSegfaults}, "video-crashed"),
    ],
)
def test_a_tracklet_that_ends_every_worker_fails_alone(
    stages: dict[str, type], code: str, manifest: str, weights: str, undisturbed: pa.Table
) -> None:
    """A segmentation fault in the network or in a decode worker itself, or a call of the network that never ends, which
    one tracklet brings about each time: Ray would try for ever, or wait; the tracklet is a failed row after four
    workers, and its neighbours are as if undisturbed."""
    assert_undisturbed(table_of(manifest, weights, **stages), undisturbed, {POISON: code})


@pytest.mark.slow
def test_workers_that_only_die_end_the_job(manifest: str, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends every worker, whatever it works on, is no tracklet's fault: one line, and no table of failures."""
    monkeypatch.setattr("par_model.cluster.hand_out._MOST_DEATHS", 0)
    with pytest.raises(ClusterError, match="workers died one after the other"):
        table_of(manifest, weights, recognise=ModelAlwaysDies)
    assert not Path(f"{manifest}.out/run.json").exists()
