"""Ray and one process give the same manifest, byte for byte."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from par_model.cluster import tracking as tracking_module
from par_model.cluster.sizing import Pools
from par_model.cluster.tracking import RayTracking, tracking_runner
from par_model.tracking.detections import Detections
from par_model.tracking.job import run_tracking
from par_model.tracking.options import TrackOptions
from par_model.tracking.runner import LocalTracking
from tests.tracking.colours import ColourDetector, HalvingDetector, Walk, write_walks

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("archive")
    write_walks(folder / "north.mp4")
    write_walks(folder / "south.mp4", [Walk("green", 3, 30, 20, 2)], frames=41)
    (folder / "text.mp4").write_text("no video")
    return str(folder)


def run(archive: str, output: Path, *, ray: bool, load: Any = ColourDetector) -> dict[str, Any]:
    options = TrackOptions(videos=(archive,), detector="colours", output=str(output))
    if not ray:
        return run_tracking(options, lambda: nullcontext(LocalTracking("cpu", 1)), load)
    return run_tracking(options, lambda: tracking_runner(None, "cpu", None, None), load)


def test_ray_and_one_process_give_the_same_manifest(archive: str, tmp_path: Path) -> None:
    """Also where pictures travel smaller than they are shown."""
    load = HalvingDetector
    records = {ray: run(archive, tmp_path / str(ray) / "m.parquet", ray=ray, load=load) for ray in (True, False)}
    assert records[True]["counts"] == records[False]["counts"]
    assert records[True]["counts"]["status"] == {"ok": 2, "failed": 1}
    assert records[True]["counts"]["tracklets"] == 4
    for name in ("m.parquet", "_videos.parquet"):
        assert (tmp_path / "True" / name).read_bytes() == (tmp_path / "False" / name).read_bytes()


@pytest.mark.parametrize(
    ("device", "sizes", "cpus", "videos", "expected"),
    [
        ("cpu", (1, 2), 2, 4, (2, 2)),
        ("cpu", (1, 64), 64, 2, (16, 64)),
        ("cpu", (1, 64), 4, 100, (4, 64)),
        ("cpu", (3, 3), 2, 1, (3, 3)),
        ("cuda", (1, 8), 64, 100, (1, 8)),
    ],
)
def test_on_cpus_detectors_start_together_as_many_as_will_be_kept_busy(
    device: Any, sizes: tuple[int, int], cpus: int, videos: int, expected: tuple[int, int], monkeypatch: Any
) -> None:
    monkeypatch.setattr(tracking_module, "live_cpus", lambda: cpus)
    assert RayTracking(Pools(device, (1, 1), sizes)).detectors(videos) == expected


class DiesOnce(ColourDetector):
    """Ends its process at the first picture with three people, once."""

    mark = ""

    def detect(self, pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None = None) -> list[Detections]:
        found = super().detect(pictures, size)
        if any(len(one) == 3 for one in found) and not os.path.exists(self.mark):
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return found


class DiesAlways(ColourDetector):
    """The same, whenever it sees three."""

    def detect(self, pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None = None) -> list[Detections]:
        found = super().detect(pictures, size)
        if any(len(one) == 3 for one in found):
            os.kill(os.getpid(), signal.SIGKILL)
        return found


@pytest.mark.slow
def test_a_worker_that_dies_costs_nothing(archive: str, tmp_path: Path) -> None:
    run(archive, tmp_path / "undisturbed" / "m.parquet", ray=False)
    mark = str(tmp_path / "mark")
    load = type("DiesOnceHere", (DiesOnce,), {"mark": mark})
    run(archive, tmp_path / "killed" / "m.parquet", ray=True, load=load)
    assert os.path.exists(mark)
    assert (tmp_path / "killed/m.parquet").read_bytes() == (tmp_path / "undisturbed/m.parquet").read_bytes()


@pytest.mark.slow
def test_a_picture_that_ends_every_worker_costs_its_video_alone(archive: str, tmp_path: Path) -> None:
    record = run(archive, tmp_path / "m.parquet", ray=True, load=DiesAlways)
    assert record["counts"]["error"] == {"model-error": 1, "video-unreadable": 1}
    assert set(pq.read_table(tmp_path / "m.parquet")["video_uri"].to_pylist()) == {f"{archive}/south.mp4"}
