"""People are followed while others are still looked for, as long as that makes nobody wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pytest

from par_model.tracking import following as following_module
from par_model.tracking import store as store_module
from par_model.tracking.job import run_tracking
from par_model.tracking.options import TrackOptions
from par_model.tracking.runner import LocalTracking
from par_model.tracking.stages import TrackSettings, VideoUnit
from tests.tracking.colours import ColourDetector, Walk, write_walks


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three videos, of four, eight and three batches."""
    folder = tmp_path_factory.mktemp("archive")
    for name, frames in {"a": 30, "b": 60, "c": 20}.items():
        write_walks(folder / f"{name}.mp4", [Walk("green", 3, frames - 4, 20, 2)], frames=frames)
    return str(folder)


class Looking(LocalTracking):
    """Sees which videos have been followed when all are found, but the end of the last."""

    def __init__(self, tracks: Path) -> None:
        super().__init__("cpu", 1)
        self._tracks = tracks
        self.followed: list[str] = []

    def found(self, units: Sequence[VideoUnit], settings: TrackSettings) -> Iterator[pa.Table]:
        for table in super().found(units, settings):
            if table["video"][0].as_py() == 2 and table["is_end"][0].as_py():
                self.followed = sorted(path.name[:20] for path in self._tracks.glob("*"))
            yield table


def track(archive: str, output: Path) -> tuple[bytes, list[str]]:
    """The manifest, and what was followed before the end."""
    runner = Looking(output / "_track" / "tracks")
    wanted = TrackOptions(videos=(archive,), detector="colours", output=str(output))
    run_tracking(wanted, lambda: nullcontext(runner), ColourDetector)
    return (output / "tracklets.parquet").read_bytes(), runner.followed


A, B = "videos-000000-000001", "videos-000001-000002"


@pytest.mark.parametrize(
    ("few", "share", "followed"),
    [
        pytest.param(8, 1e9, [A, B], id="all that is complete"),
        pytest.param(7, 1e9, [A], id="but what is long"),
        pytest.param(8, 0.0, [A], id="and only while there is time: any is more than none"),
        pytest.param(8, -1.0, [], id="never"),
    ],
)
def test_complete_videos_are_followed_meanwhile(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, share: float, followed: list[str]
) -> None:
    """And the manifest is the same."""
    monkeypatch.setattr(store_module, "_FLUSH_SECONDS", 1e9)
    whole, nothing = track(archive, tmp_path / "whole")
    assert nothing == []
    monkeypatch.setattr(store_module, "_FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(following_module, "_FEW", few)
    monkeypatch.setattr(following_module, "_SHARE", share)
    manifest, before = track(archive, tmp_path / "meanwhile")
    assert before == followed
    assert manifest == whole
