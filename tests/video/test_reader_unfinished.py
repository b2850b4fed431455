"""Files that end early, or seem to: none of their frames is taken for another."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from par_model.errors import FailureCode
from par_model.sampling import Sampling
from par_model.types import Failure, RawCrops, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage
from tests.video.damaged_files import H264, HIT, MPEG2, SOUND, one_by_one, whole_file
from tests.video.frame_numbers import read, write_clip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


def test_a_frame_past_the_end_of_a_sound_video_fails_whatever_the_policy(folder: Path) -> None:
    uri = str(write_clip(folder / "sound.mp4", 20))
    wanted = [Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray([10, 20], np.int32))]
    (failed,) = DecodeStage(None, Sampling("all"), DecodeOptions(damaged="use"))(wanted)
    assert isinstance(failed, Failure)
    assert failed.code is FailureCode.FRAME_OUT_OF_RANGE
    assert failed.message == f"frame 20 is beyond the end: {uri} has 20 frames (0 to 19)"


def test_a_file_whose_header_is_not_yet_written_is_unreadable(folder: Path) -> None:
    whole = write_clip(folder / "unfinished.mp4", 20).read_bytes()
    (folder / "unfinished.mp4").write_bytes(whole[: whole.index(b"moov") - 100])
    wanted = [Tracklet(0, "t", video_uri=str(folder / "unfinished.mp4"), frame_indices=np.asarray([0], np.int32))]
    (failed,) = DecodeStage(None, Sampling())(wanted)
    assert isinstance(failed, Failure)
    assert failed.code is FailureCode.VIDEO_UNREADABLE


@pytest.mark.parametrize(
    ("name", "settings"),
    [("h264.avi", H264), ("h264.mkv", H264), ("h264.ts", H264), ("h264.flv", H264), ("mpeg2.mxf", MPEG2)],
)
def test_the_last_frames_of_a_file_that_was_cut_off_are_never_others(
    name: str, settings: dict[str, Any], folder: Path
) -> None:
    """What a decoder still holds when a file ends may be shown after frames that are missing."""
    whole = whole_file(folder, name, settings)
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size and packet.pos is not None]
    for number in range(HIT, HIT + 7):
        for end in (places[number] - 30, places[number] + 60):
            path = folder / f"cut-{end}-{name}"
            path.write_bytes(whole.read_bytes()[:end])
            found = one_by_one(str(path), "fail")
            read_well = [k for k, shown in found.items() if not isinstance(shown, FailureCode)]
            assert read_well == list(range(len(read_well)))
            assert len(read_well) >= SOUND
            assert {k: shown for k, shown in found.items() if shown != k and k in read_well} == {}, (number, end)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("together", [True, False])
def test_a_clip_that_was_cut_without_coding_it_again_is_sound_to_its_end(
    tmp_path: Path, suffix: str, together: bool
) -> None:
    """The last pictures in order of decoding are missing, so that the clip's times have a hole near its end."""
    whole = write_clip(tmp_path / "whole.mp4", 60, options={"g": "60", "bf": "3", "b-adapt": "0", "sc_threshold": "0"})
    clip = tmp_path / f"clip.{suffix}"
    with av.open(str(whole)) as given, av.open(str(clip), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        packets = [packet for packet in given.demux(video=0) if packet.size][:-6]
        for packet in packets:
            packet.stream = stream
            taken.mux(packet)
    with av.open(str(clip)) as container:
        shown = [read(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert any(after - before > 1 for before, after in pairwise(shown)), "there is no hole"
    wanted = [
        Tracklet(i, str(i), video_uri=str(clip), frame_indices=np.array([i], np.int32)) for i in range(len(shown))
    ]
    stage = DecodeStage(None, Sampling(frames=1))
    calls = [wanted] if together else [[tracklet] for tracklet in wanted[-4:]]
    for call in calls:
        for result in stage(call):
            assert isinstance(result, RawCrops), result
            assert read(result.images[0]) == shown[result.row]
