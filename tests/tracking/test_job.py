"""From bare video to a manifest, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import OutputError
from par_model.manifest.check import check
from par_model.manifest.read import Manifest
from par_model.progress import Progress
from par_model.tracking import following as following_module
from par_model.tracking import job as job_module
from par_model.tracking import store as store_module
from par_model.tracking.job import run_tracking
from par_model.tracking.options import FollowOptions, TrackOptions
from par_model.tracking.runner import LocalTracking, TrackRunner
from par_model.tracking.stages import TrackSettings, VideoUnit
from par_model.tracking.video_rows import follow_group
from tests.tracking.colours import (
    CROWD,
    HEIGHT,
    PERSON,
    WIDTH,
    BrokenDetector,
    ColourDetector,
    HalvingDetector,
    UnsureDetector,
    Walk,
    picture,
    write_walks,
)
from tests.video.footage import h264, write_joined


@pytest.fixture(autouse=True)
def one_decoding_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """For all jobs of this module: its start takes most of the time of a small one."""
    monkeypatch.setattr("par_model.tracking.stages.close_processes", lambda: None)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two videos, and a file that is none."""
    folder = tmp_path_factory.mktemp("archive")
    write_walks(folder / "north_20260501-080000.mp4")
    write_walks(folder / "south_20260501-090000.mp4", [Walk("green", 3, 30, 20, 2)], frames=41)
    return str(folder)


def here() -> AbstractContextManager[TrackRunner]:
    return nullcontext(LocalTracking("cpu", 1))


def options(archive: str, output: Path | str, **more: Any) -> TrackOptions:
    return TrackOptions(videos=(archive,), detector="colours", output=str(output), **more)


def run(archive: str, output: Path | str, load: Callable[..., Any] = ColourDetector, **more: Any) -> dict[str, Any]:
    return run_tracking(options(archive, output, **more), here, load)


def by_id(manifest: Path | str) -> dict[str, dict[str, Any]]:
    return {row["tracklet_id"]: row for row in pq.read_table(str(manifest)).to_pylist()}


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


SLOW = pytest.mark.slow
PATTERN = "{camera}_{time:%Y%m%d-%H%M%S}.mp4"


def test_a_manifest_of_who_walks_through_the_videos(archive: str, tmp_path: Path) -> None:
    record = run(archive, tmp_path / "m.parquet", name_pattern=PATTERN)
    rows = by_id(tmp_path / "m.parquet")
    north, south = "north_20260501-080000", "south_20260501-090000"
    assert list(rows) == [f"{north}-0", f"{north}-1", f"{north}-2", f"{south}-0"]
    for name, walk in zip(rows, (*CROWD, Walk("green", 3, 30, 20, 2)), strict=True):
        row = rows[name]
        assert row["frame_indices"] == list(range(walk.first, walk.last + 1)), name
        assert row["video_uri"].startswith(f"{archive}/{row['camera_id']}_")
        for frame, box in zip(row["frame_indices"], row["boxes"], strict=True):
            assert box["x"] == pytest.approx(max(0, walk.left(frame) or 0), abs=2)
    assert [row["start_time"] for row in rows.values()] == [
        datetime(2026, 5, 1, 8, 0, 0, tzinfo=UTC),
        datetime(2026, 5, 1, 8, 0, 0, 500_000, tzinfo=UTC),
        datetime(2026, 5, 1, 8, 0, 3, tzinfo=UTC),
        datetime(2026, 5, 1, 9, 0, 0, 300_000, tzinfo=UTC),
    ]
    assert list(check(Manifest.open(str(tmp_path / "m.parquet")), None)) == []
    assert record["exit_code"] == 0
    assert record["counts"]["tracklets"] == 4
    assert record["counts"]["frames"] == 101
    assert names(tmp_path) == ["_track/run.json", "_videos.parquet", "m.parquet"]
    videos = pq.read_table(tmp_path / "_videos.parquet").to_pylist()
    assert [(v["status"], v["frames"], v["sampled_frames"], v["tracks"]) for v in videos] == [
        ("ok", 60, 60, 3),
        ("ok", 41, 41, 1),
    ]
    assert videos[0]["detections"] == videos[0]["boxes"] == sum(w.last - w.first + 1 for w in CROWD)
    assert (videos[0]["width"], videos[0]["height"], videos[0]["frame_rate"]) == (192, 128, pytest.approx(10))
    assert videos[0]["best_score"] == pytest.approx(0.9, abs=1e-3)


@pytest.mark.slow
def test_every_third_frame_and_a_folder_as_output(archive: str, tmp_path: Path) -> None:
    run(archive, tmp_path / "out", every=3, id_prefix="x", camera="c")
    manifest = Manifest.open(str(tmp_path / "out"))
    assert manifest.num_rows == 4
    rows = by_id(tmp_path / "out" / "tracklets.parquet")
    assert {row["camera_id"] for row in rows.values()} == {"c"}
    first, *_, last = rows.values()
    assert first["tracklet_id"] == "x-north_20260501-080000-0"
    assert first["frame_indices"] == list(range(0, 50, 3))
    assert last["frame_indices"] == list(range(3, 31, 3))


def test_a_bad_video_is_a_failed_row_and_its_neighbours_lose_nothing(archive: str, tmp_path: Path) -> None:
    run(archive, tmp_path / "good" / "m.parquet")
    (tmp_path / "text.mp4").write_text("no video")
    bad = TrackOptions(
        videos=(archive, str(tmp_path / "text.mp4"), f"{archive}/gone.mp4"),
        detector="colours",
        output=str(tmp_path / "bad" / "m.parquet"),
    )
    record = run_tracking(bad, here, ColourDetector)
    assert record["exit_code"] == 3
    assert record["counts"]["status"] == {"ok": 2, "failed": 2}
    assert record["counts"]["error"] == {"video-not-found": 1, "video-unreadable": 1}
    rows = [row for row in pq.read_table(tmp_path / "bad" / "_videos.parquet").to_pylist() if row["status"] == "failed"]
    assert [row["error"] for row in rows] == ["video-not-found", "video-unreadable"]
    assert all(row["message"] and row["frames"] is None and row["tracks"] == 0 for row in rows)
    good, other = (by_id(tmp_path / place / "m.parquet") for place in ("good", "bad"))
    assert good == other


@pytest.mark.slow
def test_what_the_detector_cannot_do_costs_that_video_alone(archive: str, tmp_path: Path) -> None:
    record = run(archive, tmp_path / "m.parquet", BrokenDetector)
    assert record["counts"]["error"] == {"model-error": 1}
    assert {row["video_uri"].rpartition("/")[2][:5] for row in by_id(tmp_path / "m.parquet").values()} == {"south"}
    failed = pq.read_table(tmp_path / "_videos.parquet").to_pylist()[0]
    assert "ValueError: green is beyond it" in failed["message"]


def test_pictures_are_scaled_down_where_they_are_decoded_and_boxes_refer_to_what_is_shown(
    archive: str, tmp_path: Path
) -> None:
    run(archive, tmp_path / "small" / "m.parquet", HalvingDetector)
    run(archive, tmp_path / "m.parquet")
    small, whole = by_id(tmp_path / "small" / "m.parquet"), by_id(tmp_path / "m.parquet")
    assert list(small) == list(whole)
    for row, other in zip(small.values(), whole.values(), strict=True):
        assert row["frame_indices"] == other["frame_indices"]
        for box, same in zip(row["boxes"], other["boxes"], strict=True):
            assert list(box.values()) == pytest.approx(list(same.values()), abs=2)
    videos = pq.read_table(tmp_path / "small" / "_videos.parquet").to_pylist()
    assert [(video["width"], video["height"]) for video in videos] == [(WIDTH, HEIGHT)] * 2


def cannot(picture: NDArray[np.uint8]) -> NoReturn:
    raise MemoryError("too much")


def test_a_picture_that_cannot_be_scaled_is_a_failed_row(archive: str, tmp_path: Path) -> None:
    detector = type("Cannot", (ColourDetector,), {"scale": staticmethod(cannot)})
    record = run(archive, tmp_path / "m.parquet", detector)
    assert record["counts"]["error"] == {"model-error": 2}
    message = pq.read_table(tmp_path / "_videos.parquet")["message"][0].as_py()
    assert message == "the detector cannot scale a picture of 192x128 pixels: MemoryError: too much"


@pytest.mark.parametrize(("few", "spread"), [(13, True), (14, False)])
def test_few_videos_are_followed_by_the_process_that_waits_for_them(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int, spread: bool
) -> None:
    """North has eight batches, south six."""
    monkeypatch.setattr(following_module, "_FEW", few)
    given: list[Any] = []

    class Spreading(LocalTracking):
        def spread(self, work: Any, items: Any) -> Iterator[Any]:
            given.extend(listed := list(items))
            return super().spread(work, listed)

    run_tracking(options(archive, tmp_path), lambda: nullcontext(Spreading("cpu", 1)), ColourDetector)
    assert len(given) == (2 if spread else 0)
    assert len(by_id(tmp_path / "tracklets.parquet")) == 4


@pytest.mark.slow
def test_days_with_videos_of_the_same_names_are_one_archive(archive: str, tmp_path: Path) -> None:
    """A growing archive is tracked day by day; prefixes keep ids apart."""
    for day in ("05-01", "05-02"):
        run(archive, tmp_path / "tracked" / day, id_prefix=day)
    together = Manifest.open(str(tmp_path / "tracked" / "*" / "tracklets.parquet"))
    assert list(check(together, None)) == []
    assert together.num_rows == 8


class Interrupted(LocalTracking):
    """Ctrl-C after so many batches."""

    def __init__(self, batches: int) -> None:
        super().__init__("cpu", 1)
        self._left = batches

    def found(self, units: Sequence[VideoUnit], settings: TrackSettings) -> Iterator[pa.Table]:
        for table in super().found(units, settings):
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            yield table


def test_boxes_refer_to_the_first_size_where_pictures_change_theirs(tmp_path: Path) -> None:
    """As all readers of the manifest take them, also where a job goes on behind the change."""
    walk = Walk("red", 0, 39, 4, 2)
    pictures = [picture([walk], frame) for frame in range(40)]
    larger = [pixels.repeat(2, 0).repeat(2, 1) for pixels in pictures[20:]]
    (tmp_path / "v").mkdir()
    write_joined(tmp_path / "v" / "a.mkv", [h264(pictures[:20], tmp_path), h264(larger, tmp_path)])
    run(str(tmp_path / "v"), tmp_path / "whole" / "m.parquet")
    (row,) = by_id(tmp_path / "whole" / "m.parquet").values()
    assert row["frame_indices"] == list(range(40))
    for frame, box in enumerate(row["boxes"]):
        assert [box["x"], box["w"]] == pytest.approx([walk.left(frame), PERSON[0]], abs=2)
    (told,) = pq.read_table(tmp_path / "whole" / "_videos.parquet").to_pylist()
    assert (told["width"], told["height"], told["damaged_frames"]) == (WIDTH, HEIGHT, 0)
    parts = tmp_path / "parts" / "m.parquet"
    with pytest.raises(KeyboardInterrupt):
        run_tracking(options(str(tmp_path / "v"), parts), lambda: nullcontext(Interrupted(3)), ColourDetector)
    run(str(tmp_path / "v"), parts)
    assert parts.read_bytes() == (tmp_path / "whole" / "m.parquet").read_bytes()


class Counting(LocalTracking):
    """Counts the batches that were found."""

    def __init__(self) -> None:
        super().__init__("cpu", 1)
        self.batches = 0

    def found(self, units: Sequence[VideoUnit], settings: TrackSettings) -> Iterator[pa.Table]:
        for table in super().found(units, settings):
            self.batches += len(table)
            yield table


@pytest.mark.parametrize("done", [pytest.param(0, marks=SLOW), 3, *(pytest.param(n, marks=SLOW) for n in (8, 9, 12))])
def test_a_job_that_was_interrupted_goes_on_to_the_same_manifest(archive: str, tmp_path: Path, done: int) -> None:
    """North has eight batches and its end, south six and its own."""
    whole, parts = tmp_path / "whole" / "m.parquet", tmp_path / "parts" / "m.parquet"
    run(archive, whole)
    with pytest.raises(KeyboardInterrupt):
        run_tracking(options(archive, parts), lambda: nullcontext(Interrupted(done)), ColourDetector)
    assert not parts.exists()
    runner = Counting()
    run_tracking(options(archive, parts), lambda: nullcontext(runner), ColourDetector)
    assert runner.batches == 16 - done
    assert parts.read_bytes() == whole.read_bytes()
    assert names(tmp_path / "parts") == ["_track/run.json", "_videos.parquet", "m.parquet"]


def test_files_of_tracks_that_hold_other_videos_are_not_taken_for_those_wanted(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a version left that was interrupted after it had made the tracks of two videos, in one file."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for path in Path(archive).iterdir():
        (videos / path.name).symlink_to(path)
    (videos / "west.mp4").symlink_to(videos / "north_20260501-080000.mp4")
    made: list[str] = []

    def follow_one(group: Any) -> tuple[str, int]:
        if made:
            raise KeyboardInterrupt
        made.append(group.uri)
        return follow_group(group)

    with monkeypatch.context() as patch:
        patch.setattr(following_module, "_GROUP", 2)
        patch.setattr(following_module, "_GROUPS", 1)
        patch.setattr(following_module, "follow_group", follow_one)
        with pytest.raises(KeyboardInterrupt):
            run(str(videos), tmp_path / "out")
    assert storage.exists(made[0])
    assert run(str(videos), tmp_path / "out")["counts"]["status"] == {"ok": 3, "failed": 0}
    names_of = [tracklet_id.rpartition("-")[0] for tracklet_id in by_id(tmp_path / "out" / "tracklets.parquet")]
    assert names_of == ["north_20260501-080000"] * 3 + ["south_20260501-090000"] + ["west"] * 3
    assert names(tmp_path / "out") == ["_track/run.json", "_videos.parquet", "tracklets.parquet"]


@pytest.mark.slow
def test_a_complete_manifest_is_left_alone(archive: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    record = run(archive, tmp_path / "m.parquet")

    def nobody() -> AbstractContextManager[TrackRunner]:
        raise AssertionError("there is nothing to do")

    assert run_tracking(options(archive, tmp_path / "m.parquet"), nobody, ColourDetector) == record
    assert "is complete: nothing to do" in capfd.readouterr().err
    (tmp_path / "m.parquet").unlink()
    assert run(archive, tmp_path / "m.parquet")["run_id"] != record["run_id"]
    assert len(by_id(tmp_path / "m.parquet")) == 4


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"every": 2}, r"every \(1 there, 2 now\)"),
        pytest.param({"min_score": 0.3}, "min_score", marks=SLOW),
        pytest.param(
            {"follow": FollowOptions(tracker="ocsort")}, r"tracker \('botsort' there, 'ocsort' now\)", marks=SLOW
        ),
    ],
)
def test_another_job_is_refused_before_and_after_the_end(
    archive: str, tmp_path: Path, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_tracking(options(archive, tmp_path), lambda: nullcontext(Interrupted(2)), ColourDetector)
    with pytest.raises(OutputError, match=said):
        run(archive, tmp_path, **more)
    run(archive, tmp_path)
    with pytest.raises(OutputError, match=said):
        run(archive, tmp_path, **more)


def test_a_file_that_is_there_is_not_written_over(archive: str, tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_text("somebody's")
    with pytest.raises(OutputError, match=r"m\.parquet is there already"):
        run(archive, tmp_path / "m.parquet")
    assert names(tmp_path) == ["m.parquet"]
    assert (tmp_path / "m.parquet").read_text() == "somebody's"


@pytest.mark.slow
def test_a_second_manifest_beside_the_first_is_refused(archive: str, tmp_path: Path) -> None:
    """A folder of Parquet files is one manifest, and has one table of videos."""
    run(archive, tmp_path / "a.parquet")
    with pytest.raises(OutputError, match=r"manifest_name \('a.parquet' there, 'b.parquet' now\)"):
        run(archive, tmp_path / "b.parquet")


def test_boxes_without_tracks_are_said_with_what_to_do(archive: str, tmp_path: Path) -> None:
    record = run(archive, tmp_path / "a" / "m.parquet", UnsureDetector)
    assert record["counts"]["tracklets"] == 0
    (warning,) = record["warnings"]
    assert "2 videos with boxes of people, but no tracks" in warning
    assert "the best score is 0.50, and tracks begin at 0.7: lower --start-score" in warning
    assert Manifest.open(str(tmp_path / "a" / "m.parquet")).num_rows == 0
    surer = run(archive, tmp_path / "b" / "m.parquet", UnsureDetector, follow=FollowOptions(start_score=0.5))
    assert surer["counts"]["tracklets"] == 4
    assert surer["warnings"] == []


@pytest.mark.slow
def test_s3_gives_the_manifest_that_local_files_give(
    archive: str, s3: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_FLUSH_SECONDS", 0.0)
    monkeypatch.setattr(following_module, "_GROUP", 1)
    bucket = s3()
    for path in Path(archive).iterdir():
        storage.write_bytes(f"{bucket}/v/{path.name}", path.read_bytes())
    run(archive, tmp_path / "m.parquet")
    run(f"{bucket}/v", f"{bucket}/out/m.parquet")
    local = pq.read_table(tmp_path / "m.parquet")
    remote = pq.read_table(pa.BufferReader(storage.read_bytes(f"{bucket}/out/m.parquet")))
    uris = [uri.replace(f"{bucket}/v", archive) for uri in remote["video_uri"].to_pylist()]
    assert local.equals(remote.set_column(1, "video_uri", pa.array(uris)))
    below = [f.uri.removeprefix(f"{bucket}/out/") for f in storage.list_files(f"{bucket}/out")]
    assert below == ["_track/run.json", "_videos.parquet", "m.parquet"]


def test_failed_videos_are_done_again_and_the_others_are_left_alone(
    archive: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also after an interruption; the manifest is then that of a run in which nothing had failed."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for path in Path(archive).iterdir():
        (videos / path.name).symlink_to(path)
    (videos / "middle.mp4").write_text("no video yet")

    def again(runner: TrackRunner) -> dict[str, Any]:
        wanted = options(str(videos), tmp_path / "out")
        return run_tracking(wanted, lambda: nullcontext(runner), ColourDetector, retry_failed=True)

    with pytest.raises(OutputError, match="is not complete: run the same command without --retry-failed first"):
        again(Counting())
    assert run(str(videos), tmp_path / "out")["counts"]["status"] == {"ok": 2, "failed": 1}
    write_walks(videos / "middle.mp4")
    with pytest.raises(KeyboardInterrupt):
        again(Interrupted(3))
    assert len(by_id(tmp_path / "out" / "tracklets.parquet")) == 4
    counting = Counting()
    record = again(counting)
    assert counting.batches == 9 - 3
    assert record["counts"]["status"] == {"ok": 3, "failed": 0}
    run(str(videos), tmp_path / "whole")
    for name in ("tracklets.parquet", "_videos.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert again(Counting()) == record
    assert "is complete: no video failed" in capfd.readouterr().err
    assert names(tmp_path / "out") == ["_track/run.json", "_videos.parquet", "tracklets.parquet"]


def test_a_retry_that_was_killed_once_the_manifest_was_written_goes_on_with_what_still_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer videos are wanted then, and files of tracks of the others lie there."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in "bc":
        (videos / f"{name}.mp4").write_text("no video")

    def again(*, retry_failed: bool = True) -> dict[str, Any]:
        return run_tracking(options(str(videos), tmp_path / "out"), here, ColourDetector, retry_failed=retry_failed)

    def killed(*given: Any, **more: Any) -> NoReturn:
        raise KeyboardInterrupt

    again(retry_failed=False)
    write_walks(videos / "b.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(job_module, "record_head", killed)
        with pytest.raises(KeyboardInterrupt):
            again()
    assert again()["counts"]["status"] == {"ok": 1, "failed": 1}
    assert list(by_id(tmp_path / "out" / "tracklets.parquet")) == ["b-0", "b-1", "b-2"]


def test_a_video_counts_once_however_often_its_end_comes(
    archive: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """North ends twice, then a worker is lost; south ends in the second round."""
    reached: list[int] = []

    class Losing(LocalTracking):
        def found(self, units: Sequence[VideoUnit], settings: TrackSettings) -> Iterator[pa.Table]:
            for table in super().found(units, settings):
                if table["video"][0].as_py() == 1 and len(units) == 2:
                    return
                yield table
                if table["is_end"][0].as_py():
                    yield table

    def reach(self: Progress, done: int, note: str = "") -> None:
        reached.append(done)

    monkeypatch.setattr(Progress, "reach", reach)
    run_tracking(options(archive, tmp_path), lambda: nullcontext(Losing("cpu", 1)), ColourDetector)
    assert reached == [0] * 8 + [1] * 2 + [1] * 6 + [2] * 2
    assert len(by_id(tmp_path / "tracklets.parquet")) == 4
