"""decord gives the frames that PyAV gives, or is refused.

It is loaded in child processes only: its own FFmpeg disturbs the encoders of PyAV's in the same process.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from par_model import storage
from par_model.errors import FailureCode, UsageError
from par_model.sampling import Sampling
from par_model.types import Failure, RawCrops, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage
from tests.video import corpus
from tests.video.damaged_files import H264, damaged_file, misname
from tests.video.footage import LIMITED, flat, levels, write_flat
from tests.video.frame_numbers import read, write_clip

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("decord") is None, reason="decord is not installed: it has packages for x86-64 only"
)

DECORD = DecodeOptions(decoder="decord", video_timeout=60)
CASES = [c for c in corpus.CASES if c.name.endswith((".mp4", ".mov", ".mkv", ".webm"))]
# decord counts these as it should. On the others it is wrong, or cannot be checked.
ACCEPTED = {
    "h264.mp4", "h264.mov", "h264.mkv", "h264-one-key.mp4", "h264-all-keys.mp4", "h264-b-pyramid.mkv", "h264-no-b.mp4",
    "h264-444-odd-size.mp4", "h264-fragmented.mp4", "h264-variable-rate.mp4", "h264-variable-rate.mkv", "hevc.mp4",
    "with-sound.mp4",
}  # fmt: skip

QUICK = {"h264.mp4", "h264.mkv", "hevc.mp4", "h264-open.mp4", "h264-intra-refresh.mkv", "vp9.webm", "mid-group.mp4"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def tracklet(row: int, uri: str, frames: list[int]) -> Tracklet:
    return Tracklet(row, f"t{row}", video_uri=uri, frame_indices=np.asarray(frames, np.int32))


@pytest.mark.parametrize("case", [c for c in CASES if c.name in QUICK], ids=str)
def test_decord_is_right_or_refused_on_a_few_files(case: corpus.Case, folder: Path) -> None:
    check(case, folder)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c.name not in QUICK], ids=str)
def test_decord_is_right_or_refused(case: corpus.Case, folder: Path) -> None:
    check(case, folder)


def check(case: corpus.Case, folder: Path) -> None:
    try:
        uri = str(corpus.make(case, folder))
    except FileNotFoundError:
        pytest.skip("ffmpeg is not installed, and PyAV's encoders cannot make this file")
    draw = np.random.default_rng(3)
    wanted = [tracklet(i, uri, sorted(draw.choice(45, 4, replace=False).tolist())) for i in range(8)]
    exact = {r.row: r for r in DecodeStage(None, Sampling("all"))(wanted)}
    results = list(DecodeStage(None, Sampling("all"), DECORD)(wanted))
    assert sorted(r.row for r in results) == list(range(8))
    for result in results:
        if isinstance(result, Failure):
            assert result.code is FailureCode.DECODER_REFUSED
            assert case.name not in ACCEPTED, result.message
            continue
        other = exact[result.row]
        assert isinstance(result, RawCrops)
        assert isinstance(other, RawCrops)
        for image, right in zip(result.images, other.images, strict=True):
            assert np.array_equal(image, right)


def test_other_containers_are_refused_with_advice(folder: Path) -> None:
    uri = str(write_clip(folder / "clip.avi", 20))
    (failure,) = DecodeStage(None, Sampling(), DECORD)([tracklet(0, uri, [3])])
    assert isinstance(failure, Failure)
    assert failure.code is FailureCode.DECODER_REFUSED
    assert failure.message.endswith("it reads only mp4, mov, mkv and webm reliably, and this is avi; use pyav")


def test_a_file_whose_structure_is_damaged_is_refused(folder: Path) -> None:
    uri = damaged_file(folder, "h264.mkv", H264, misname)
    (failure,) = DecodeStage(None, Sampling(), DECORD)([tracklet(0, uri, [70])])
    assert isinstance(failure, Failure)
    assert failure.code is FailureCode.DECODER_REFUSED
    assert "the file's structure is damaged" in failure.message


def test_a_frame_past_the_end_and_what_is_no_video_keep_their_codes(folder: Path) -> None:
    uri = str(write_clip(folder / "short.mp4", 20))
    (folder / "text.mp4").write_text("hello " * 100)
    late, text, missing = DecodeStage(None, Sampling("all"), DECORD)([
        tracklet(0, uri, [3, 20]), tracklet(1, str(folder / "text.mp4"), [0]), tracklet(2, str(folder / "no.mp4"), [0])
    ])  # fmt: skip
    assert isinstance(late, Failure)
    assert late.code is FailureCode.FRAME_OUT_OF_RANGE
    assert late.message == f"frame 20 is beyond the end: {uri} has 20 frames (0 to 19)"
    assert isinstance(text, Failure)
    assert text.code is FailureCode.VIDEO_UNREADABLE
    assert isinstance(missing, Failure)
    assert missing.code is FailureCode.VIDEO_NOT_FOUND


def test_remote_files_are_read(s3: Callable[[], str], folder: Path) -> None:
    uri = f"{s3()}/clip.mp4"
    storage.write_bytes(uri, write_clip(folder / "remote.mp4", 30, options={"g": "10"}).read_bytes())
    (crops,) = DecodeStage(None, Sampling("all"), DECORD)([tracklet(0, uri, [3, 17, 29])])
    assert isinstance(crops, RawCrops), crops
    assert [read(image) for image in crops.images] == [3, 17, 29]


def test_footage_in_hdr_is_refused_also_where_key_frames_are_black(folder: Path) -> None:
    black = flat(levels((0, 0, 0), 9, LIMITED, 10), "yuv420p10le")
    uri = write_flat(folder / "pq.mp4", [black] * 6, "libx264", colorspace=9, color_range=LIMITED, color_trc=16)
    (failure,) = DecodeStage(None, Sampling(), DECORD)([tracklet(0, uri, [3])])
    assert isinstance(failure, Failure)
    assert failure.code is FailureCode.DECODER_REFUSED
    assert "its colours are PQ or HLG, which decord does not map to those of a plain screen" in failure.message


def test_the_matrix_of_unflagged_colours_is_not_decords_to_choose() -> None:
    with pytest.raises(UsageError, match="--unflagged-matrix bt709 needs --decoder pyav"):
        DecodeOptions(decoder="decord", unflagged_matrix="bt709")
