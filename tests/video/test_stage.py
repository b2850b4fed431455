"""The decode stage: every crop from the right frame, every tracklet answered once, with its own code."""

from __future__ import annotations

import os
import pickle
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from par_model.errors import FailureCode, UsageError
from par_model.sampling import Sampling
from par_model.types import Crops, Failure, Preprocess, RawCrops, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage
from tests.video.frame_numbers import HEIGHT, WIDTH, read, write_clip

WHOLE = Preprocess(height=HEIGHT, width=WIDTH)  # fits untouched, so that frame numbers stay readable


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 120, options={"g": "30", "bf": "2"}))


@pytest.fixture
def stage() -> Iterator[DecodeStage]:
    stage = DecodeStage(WHOLE, Sampling())
    yield stage
    stage.close()


def tracklet(row: int, uri: str, frames: range | list[int], boxes: list[list[float]] | None = None) -> Tracklet:
    return Tracklet(
        row,
        f"t{row}",
        video_uri=uri,
        frame_indices=np.asarray(frames, np.int32),
        boxes=None if boxes is None else np.asarray(boxes, np.float32),
    )


def failure_of(stage: DecodeStage, wanted: Tracklet) -> Failure:
    (result,) = stage([wanted])
    assert isinstance(result, Failure)
    assert result.row == wanted.row
    assert result.num_frames == wanted.num_frames
    assert "\n" not in result.message
    return result


def test_crops_show_the_frames_that_were_sampled(clip: str, stage: DecodeStage) -> None:
    wanted = [tracklet(0, clip, range(60, 90)), tracklet(1, clip, [3, 50, 119]), tracklet(2, clip, range(0, 12))]
    results = {r.row: r for r in stage(wanted)}
    assert sorted(results) == [0, 1, 2]
    for t in wanted:
        crops = results[t.row]
        assert isinstance(crops, Crops)
        assert t.frame_indices is not None
        expected = t.frame_indices[Sampling().positions(t.num_frames, t.tracklet_id)]
        assert crops.sampled_frames.tolist() == expected.tolist()
        assert crops.num_frames == t.num_frames
        assert [read(picture) for picture in crops.pixels] == expected.tolist()


def test_tracklets_of_one_video_come_in_the_order_in_which_they_end(clip: str, stage: DecodeStage) -> None:
    wanted = [tracklet(0, clip, range(10, 110)), tracklet(1, clip, range(0, 20)), tracklet(2, clip, range(50, 70))]
    assert [r.row for r in stage(wanted)] == [1, 2, 0]


def test_a_video_is_opened_once_and_read_no_further_than_needed(clip: str, stage: DecodeStage) -> None:
    list(stage([tracklet(i, clip, range(i, i + 30)) for i in range(20)]))
    assert stage.counters.videos_opened == 1
    assert stage.counters.frames_decoded == stage.counters.frames_needed == 19 + 27 + 1
    assert stage.counters.copy() == stage.counters


def test_without_preprocessing_crops_are_as_cut(clip: str) -> None:
    boxes = [[-3, 2.5, 40, 20], [200, 60, 100, 100]]
    (raw,) = DecodeStage(None, Sampling(frames=2))([tracklet(0, clip, [7, 8], boxes)])
    assert isinstance(raw, RawCrops)
    assert [image.shape for image in raw.images] == [(21, 37, 3), (HEIGHT - 60, WIDTH - 200, 3)]
    (whole,) = DecodeStage(None, Sampling(frames=2))([tracklet(0, clip, [7, 8])])
    assert isinstance(whole, RawCrops)
    assert np.array_equal(whole.images[0][2:23, 0:37], raw.images[0])
    assert np.array_equal(whole.images[1][60:, 200:], raw.images[1])


def test_a_bad_tracklet_does_not_harm_its_neighbours(clip: str, stage: DecodeStage) -> None:
    outside = [[1000, 0, 10, 10]] * 10
    wanted = [
        tracklet(0, clip, range(10)),
        tracklet(1, clip, range(10), outside),
        tracklet(2, clip, [5, 500]),
        tracklet(3, clip, range(100, 120)),
    ]
    results = {r.row: r for r in stage(wanted)}
    assert isinstance(results[0], Crops)
    assert isinstance(results[3], Crops)
    assert isinstance(results[1], Failure)
    assert results[1].code is FailureCode.BOX_OUTSIDE_FRAME
    assert isinstance(results[2], Failure)
    assert results[2].code is FailureCode.FRAME_OUT_OF_RANGE
    assert "frame 500 is beyond the end" in results[2].message
    assert "120 frames" in results[2].message


def not_videos(folder: Path) -> dict[str, str]:
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("hello\n" * 100)
    (folder / "garbage.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    with wave.open(str(folder / "sound.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        sound.writeframes(bytes(16000))
    os.mkfifo(folder / "pipe.mp4")
    (folder / "folder.mp4").mkdir()
    return {name: str(folder / f"{name}.mp4") for name in ("empty", "text", "garbage", "sound", "pipe", "folder")}


def test_what_is_no_video_is_unreadable_and_nothing_hangs(tmp_path: Path, clip: str, stage: DecodeStage) -> None:
    places = not_videos(tmp_path)
    whole = Path(clip).read_bytes()
    (tmp_path / "no-moov.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    places |= {"no-moov": str(tmp_path / "no-moov.mp4"), "device": "/dev/zero"}
    for name, uri in places.items():
        failure = failure_of(stage, tracklet(4, uri, [0]))
        assert failure.code is FailureCode.VIDEO_UNREADABLE, (name, failure.message)
        assert uri in failure.message


def test_a_video_that_is_not_there(tmp_path: Path, stage: DecodeStage) -> None:
    failure = failure_of(stage, tracklet(0, str(tmp_path / "nope.mp4"), [0]))
    assert failure.code is FailureCode.VIDEO_NOT_FOUND
    assert failure.message == f"cannot read {tmp_path}/nope.mp4: there is no such file or folder"


PLAYLISTS = {
    "hls.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{0}\n#EXT-X-ENDLIST\n",
    "concat.txt": "ffconcat version 1.0\nfile '{0}'\n",
    "concat.mp4": "ffconcat version 1.0\nfile '{0}'\n",
    "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "manifest.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT5S"><Period><AdaptationSet mimeType="video/mp4"><Representation id="1" '
    'bandwidth="1000"><BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>',
}


@pytest.mark.parametrize("name", PLAYLISTS)
def test_what_names_other_files_is_refused_and_opens_none(
    name: str, tmp_path: Path, clip: str, stage: DecodeStage
) -> None:
    (tmp_path / name).write_text(PLAYLISTS[name].format(clip))
    failure = failure_of(stage, tracklet(0, str(tmp_path / name), [0]))
    assert failure.code is FailureCode.VIDEO_UNREADABLE


def test_numbered_pictures_are_no_video(tmp_path: Path, stage: DecodeStage) -> None:
    for i in range(3):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / f"{i:03d}.png")
    assert failure_of(stage, tracklet(0, str(tmp_path / "%03d.png"), [0])).code is FailureCode.VIDEO_NOT_FOUND


def stills(row: int, folder: Path, names: list[str]) -> Tracklet:
    return Tracklet(row, f"s{row}", image_uris=tuple(str(folder / name) for name in names))


def test_stills_are_read_in_order_whole(tmp_path: Path) -> None:
    for i in range(4):
        Image.fromarray(np.full((20, 10, 3), 60 * i, np.uint8)).save(tmp_path / f"{i}.png")
    (crops,) = DecodeStage(Preprocess(height=8, width=8), Sampling(frames=6))(
        [stills(0, tmp_path, [f"{i}.png" for i in range(4)])]
    )
    assert isinstance(crops, Crops)
    assert crops.sampled_frames.tolist() == [0, 1, 1, 2, 3, 3]
    assert crops.pixels[:, 0, 0, 0].tolist() == [0, 60, 60, 120, 180, 180]


def test_a_missing_or_broken_still_fails_or_is_replaced_as_the_policy_says(tmp_path: Path) -> None:
    for i in (0, 2, 4):
        Image.fromarray(np.full((20, 10, 3), 10 * i, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_bytes(b"broken")
    wanted = [stills(0, tmp_path, [f"{i}.png" for i in range(5)]), stills(1, tmp_path, ["3.png"])]
    size, sampling = Preprocess(height=8, width=8), Sampling("all")
    first, second = DecodeStage(size, sampling)(wanted)
    assert isinstance(first, Failure)
    assert first.code is FailureCode.IMAGE_NOT_FOUND
    assert isinstance(second, Failure)
    assert second.code is FailureCode.IMAGE_UNREADABLE
    first, second = DecodeStage(size, sampling, DecodeOptions(damaged="use"))(wanted)
    assert isinstance(first, Crops)
    assert first.sampled_frames.tolist() == [0, 0, 2, 2, 4]
    assert first.pixels[:, 0, 0, 0].tolist() == [0, 0, 20, 20, 40]
    assert isinstance(second, Failure)


def test_more_tracklets_than_fit_in_memory_are_read_in_several_passes(clip: str) -> None:
    limit = DecodeOptions(crop_bytes=4 * 6 * WHOLE.crop_bytes)
    stage = DecodeStage(WHOLE, Sampling(), limit)
    wanted = [tracklet(i, clip, range(i, i + 60)) for i in range(10)]
    results = list(stage(wanted))
    assert sorted(r.row for r in results) == list(range(10))
    for crops in results:
        assert isinstance(crops, Crops)
        assert [read(p) for p in crops.pixels] == crops.sampled_frames.tolist()
    assert stage.counters.videos_opened == 3


@pytest.mark.parametrize("boxes", [None, [[0, 0, 100, 50]] * 60])
def test_crops_of_any_size_are_bounded_too(boxes: list[list[float]] | None, clip: str) -> None:
    wanted = [tracklet(i, clip, range(i, i + 60), boxes) for i in range(6)]
    crop = 100 * 50 * 3 if boxes else 1920 * 1080 * 3
    stage = DecodeStage(None, Sampling(), DecodeOptions(crop_bytes=2 * 6 * crop, isolate=False))
    assert sorted(r.row for r in stage(wanted)) == list(range(6))
    assert stage.counters.videos_opened == 3


@pytest.mark.parametrize(
    "values", [{"decoder": "opencv"}, {"damaged": "skip"}, {"video_timeout": 0}, {"memory_bytes": 0}]
)
def test_options_check_themselves(values: dict[str, object]) -> None:
    (name,) = values
    with pytest.raises((UsageError, ValueError), match=f"--{name.replace('_', '-')} is|{name} 0"):
        DecodeOptions(**values)  # type: ignore[arg-type]


def test_a_stage_travels_to_other_processes(clip: str, stage: DecodeStage) -> None:
    (before,) = stage([tracklet(0, clip, range(10))])
    (after,) = pickle.loads(pickle.dumps(stage))([tracklet(0, clip, range(10))])
    assert isinstance(before, Crops)
    assert isinstance(after, Crops)
    assert np.array_equal(before.pixels, after.pixels)


def test_a_circle_of_links_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").symlink_to(tmp_path / "b.mp4")
    (tmp_path / "b.mp4").symlink_to(tmp_path / "a.mp4")
    wanted = Tracklet(0, "t", video_uri=str(tmp_path / "a.mp4"), frame_indices=np.asarray([0], np.int32))
    (result,) = DecodeStage(None, Sampling())([wanted])
    assert isinstance(result, Failure)
    assert result.code is FailureCode.VIDEO_NOT_FOUND
    assert "symbolic links lead in a circle" in result.message


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.webp", "moving.webp"])
def test_an_image_as_video_is_told_where_images_belong(name: str, tmp_path: Path) -> None:
    picture = Image.new("RGB" if name.endswith("jpg") else "RGBA", (40, 60), (200, 10, 10))
    more = {"save_all": True, "append_images": [Image.new("RGBA", (40, 60))]} if name == "moving.webp" else {}
    picture.save(tmp_path / name, **more)
    wanted = Tracklet(0, "t", video_uri=str(tmp_path / name), frame_indices=np.asarray([0], np.int32))
    (result,) = DecodeStage(None, Sampling())([wanted])
    assert isinstance(result, Failure)
    assert result.code is FailureCode.VIDEO_UNREADABLE
    assert "image_uris" in result.message
