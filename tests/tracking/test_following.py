"""People are followed while others are still looked for, as long as that makes nobody wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pytest

from par_model.runs.lock import Held
from par_model.tracking import following as following_module
from par_model.tracking import store as store_module
from par_model.tracking.job import run_tracking
from par_model.tracking.options import TrackOptions
from par_model.tracking.runner import LocalTracking
from par_model.tracking.stages import TrackSettings, VideoUnit
from par_model.tracking.video_rows import GroupToFollow, follow_group
from tests.tracking.colours import CROWD, BrokenDetector, ColourDetector, Walk, write_walks


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
                self.followed = sorted(path.name[:22] for path in self._tracks.glob("*"))
            yield table


def track(archive: str, output: Path) -> tuple[bytes, list[str]]:
    """The manifest, and what was followed before the end."""
    runner = Looking(output / "_track" / "tracks")
    wanted = TrackOptions(videos=(archive,), detector="colours", output=str(output))
    run_tracking(wanted, lambda: nullcontext(runner), ColourDetector)
    return (output / "tracklets.parquet").read_bytes(), runner.followed


A, B = "videos-000000-000000-1", "videos-000001-000001-1"


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


def test_a_video_that_failed_is_not_followed_before_all_of_its_batches_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The detector fails in the middle, and looks at the rest all the same: the video's row counts that."""
    write_walks(tmp_path / "videos" / "a.mp4", CROWD)
    write_walks(tmp_path / "videos" / "b.mp4", [Walk("green", 3, 16, 20, 2)], frames=20)
    monkeypatch.setattr(store_module, "_FLUSH_SECONDS", 0.0)
    wanted = TrackOptions(videos=(str(tmp_path / "videos"),), detector="colours", output=str(tmp_path / "out"))
    record = run_tracking(wanted, lambda: nullcontext(LocalTracking("cpu", 1)), BrokenDetector)
    assert record["counts"]["status"] == {"ok": 1, "failed": 1}
    assert record["counts"]["frames"] == 60 + 20


def test_each_file_of_tracks_asks_for_the_lock_first(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def follow(group: GroupToFollow) -> tuple[str, int]:
        asked.append(getattr(group.before, "__func__", None))
        return follow_group(group)

    monkeypatch.setattr(store_module, "_FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(following_module, "_SHARE", 1e9)
    monkeypatch.setattr(following_module, "follow_group", follow)
    assert track(archive, tmp_path)[1] == [A, B]
    assert asked[:2] == [Held.verify, Held.verify]
