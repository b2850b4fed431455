"""Damaged files: what precedes the damage is read, what follows it is never passed off as sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from par_model.errors import FailureCode
from par_model.sampling import Sampling
from par_model.types import Failure, RawCrops, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import packet_indexes
from par_model.video.stage import DecodeStage
from tests.video.damaged_files import (
    FASTSTART,
    FRAGMENTED,
    FRAMES,
    H264,
    HEVC,
    HIT,
    MJPEG,
    MPEG2,
    MPEG4,
    SOUND,
    VP8_OGG,
    VP9,
    Damage,
    blank,
    cut,
    damaged_file,
    drop,
    erase,
    flip,
    garble,
    misname,
    one_by_one,
    punch,
    read_each,
    whole_file,
)
from tests.video.frame_numbers import read, write_clip

HEADERS = (garble, misname, blank, drop)
CASES = [
    ("h264.mp4", FASTSTART, (flip, erase, cut, punch)),
    ("fragmented.mp4", FRAGMENTED, (flip, erase, cut)),
    ("h264.mkv", H264, (flip, erase, cut, punch, *HEADERS)),
    ("h264.avi", H264, (flip, erase, cut, punch, *HEADERS)),
    ("h264.flv", H264, (flip, cut, garble, blank, drop)),
    ("h264.ts", H264, (cut, punch)),
    ("hevc.mkv", HEVC, (erase, cut, punch)),
    ("vp9.webm", VP9, (erase, cut, punch, *HEADERS)),
    ("vp8.ogg", VP8_OGG, (flip, cut, blank, drop)),
    ("mpeg4.avi", MPEG4, (flip, erase, cut, punch, *HEADERS)),
    ("mjpeg.avi", MJPEG, (erase, cut, *HEADERS)),
    ("mpeg2.mpg", MPEG2, (flip, erase, cut, punch)),
]
PAIRS = [pytest.param(n, s, d, id=f"{n}-{d.__name__}") for n, s, damages in CASES for d in damages]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


@pytest.mark.parametrize(("name", "settings", "damage"), PAIRS)
def test_frames_before_the_damage_are_read_and_no_wrong_one_after(
    name: str, settings: dict[str, Any], damage: Damage, folder: Path
) -> None:
    found = one_by_one(damaged_file(folder, name, settings, damage), "fail")
    assert len(found) == FRAMES
    assert [found[k] for k in range(SOUND)] == list(range(SOUND))
    wrong = {k: shown for k, shown in found.items() if not isinstance(shown, FailureCode) and shown != k}
    assert wrong == {}


@pytest.mark.parametrize(("name", "settings", "damage"), PAIRS)
def test_damage_is_noticed_and_named(name: str, settings: dict[str, Any], damage: Damage, folder: Path) -> None:
    found = one_by_one(damaged_file(folder, name, settings, damage), "fail")
    failures = {shown for shown in found.values() if isinstance(shown, FailureCode)}
    assert failures, "the damage hit nothing that the decoder misses"
    assert failures <= {FailureCode.VIDEO_DAMAGED, FailureCode.FRAME_OUT_OF_RANGE}
    # Groups of pictures after the damaged one are sound where the packets still tell which frame is which.
    is_told = damage in (flip, erase) and name.endswith((".mp4", ".mkv", ".webm"))
    assert isinstance(found[FRAMES - 1], FailureCode) != is_told


@pytest.mark.parametrize(("name", "settings", "damage"), PAIRS)
def test_what_is_read_together_does_not_change_the_answer(
    name: str, settings: dict[str, Any], damage: Damage, folder: Path
) -> None:
    uri = damaged_file(folder, name, settings, damage)
    together = one_by_one(uri, "fail")
    for first in (25, HIT - 3, HIT + 2, 58, 62, FRAMES - 1):
        packet_indexes._indexes.clear()
        wanted = range(first, min(first + 4, FRAMES))
        for again in (wanted, wanted):  # the second time what is known of the file is another
            assert one_by_one(uri, "fail", frames=again) == {k: together[k] for k in again}


@pytest.mark.parametrize(("name", "settings", "damage"), PAIRS)
def test_on_request_damaged_frames_are_used_as_they_come(
    name: str, settings: dict[str, Any], damage: Damage, folder: Path
) -> None:
    uri = damaged_file(folder, name, settings, damage)
    strict, lenient = one_by_one(uri, "fail"), one_by_one(uri, "use")
    for k, shown in strict.items():
        if not isinstance(shown, FailureCode):
            assert lenient[k] == shown
    used = [
        k for k, shown in lenient.items() if isinstance(strict[k], FailureCode) and not isinstance(shown, FailureCode)
    ]
    assert used or damage is cut


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "h264.avi", "h264.ts", "h264.flv"])
def test_where_the_first_frame_is_damaged_the_second_key_frame_is_not_taken_for_frame_0(
    name: str, folder: Path
) -> None:
    whole = whole_file(folder, name, FASTSTART if name.endswith("mp4") else H264)
    with av.open(str(whole)) as container:
        first = next(packet for packet in container.demux(video=0) if packet.size)
    assert first.pos is not None
    data = bytearray(whole.read_bytes())
    erase(data, first.pos, first.size)
    path = folder / f"start-{name}"
    path.write_bytes(data)
    found = one_by_one(str(path), "fail")
    assert {k: shown for k, shown in found.items() if shown != k and not isinstance(shown, FailureCode)} == {}
    assert isinstance(found[0], FailureCode)


def test_joined_transport_streams_are_read_up_to_the_joint_and_beyond_it_on_request(folder: Path) -> None:
    parts = [write_clip(folder / f"{first}.ts", range(first, first + 40), **H264) for first in (0, 40)]
    (folder / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    strict = one_by_one(str(folder / "joined.ts"), "fail", range(80))
    sound = [k for k, shown in strict.items() if shown == k]
    assert sound == list(range(len(sound)))
    assert 40 - 16 <= len(sound) <= 40
    assert {strict[k] for k in range(len(sound), 80)} == {FailureCode.VIDEO_DAMAGED}
    assert one_by_one(str(folder / "joined.ts"), "use", range(80)) == {k: k for k in range(80)}


def test_what_is_missing_is_replaced_on_request_by_the_nearest_sampled_frame(folder: Path) -> None:
    uri = damaged_file(folder, "h264.mp4", FASTSTART, cut)
    wanted = [Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray([10, 20, 60, 70], np.int32))]
    (failed,) = DecodeStage(None, Sampling("all"))(wanted)
    assert isinstance(failed, Failure)
    assert failed.code is FailureCode.VIDEO_DAMAGED
    assert "frame 60 is missing" in failed.message
    (used,) = DecodeStage(None, Sampling("all"), DecodeOptions(damaged="use"))(wanted)
    assert isinstance(used, RawCrops)
    assert used.sampled_frames.tolist() == [10, 20, 20, 20]
    assert [read(image) for image in used.images] == [10, 20, 20, 20]


def test_a_key_frame_that_is_none_any_more_leaves_its_group_marked_and_not_missing(folder: Path) -> None:
    """The header still calls it a key frame; FFmpeg, which looks into it, does not."""
    whole = whole_file(folder, "no-b.mp4", {"options": {"g": "20", "bf": "0"}})
    with av.open(str(whole)) as container:
        key = [packet for packet in container.demux(video=0) if packet.is_keyframe][1]
    data = bytearray(whole.read_bytes())
    assert key.pos is not None
    data[key.pos : key.pos + key.size] = bytes(key.size)
    path = folder / "no-key.mp4"
    path.write_bytes(data)
    found = {result.row: result for result in read_each(str(path), "fail", range(20, 50))}
    marked = [k for k, result in found.items() if isinstance(result, Failure) and "key frame before" in result.message]
    assert set(marked) >= set(range(24, 40))
    assert [k for k, result in found.items() if isinstance(result, RawCrops)] == list(range(40, 50))
    used = [result.row for result in read_each(str(path), "use", range(20, 50)) if isinstance(result, RawCrops)]
    assert set(used) == {*marked, *range(40, 50)}
