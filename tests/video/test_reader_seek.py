"""Seeking by a packet index: only where it saves decoding, and never on trust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from par_model.sampling import Sampling
from par_model.types import RawCrops, Tracklet
from par_model.video.bytes.source import open_video
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import (
    PacketIndex,
    packet_indexes,
)
from par_model.video.stage import DecodeStage
from tests.video.frame_numbers import read, write_clip

GOP = {"g": "25", "bf": "2", "sc_threshold": "0"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 400, options=GOP))


def read_frames(stage: DecodeStage, uri: str, frames: list[int]) -> list[int]:
    (crops,) = stage([Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray(frames, np.int32))])
    assert isinstance(crops, RawCrops), crops
    return [read(image) for image in crops.images]


def in_process() -> DecodeStage:
    return DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False))


def test_late_frames_cost_no_pass_over_what_lies_before(clip: str) -> None:
    packet_indexes._indexes.clear()
    stage = in_process()
    assert read_frames(stage, clip, [310, 320]) == [310, 320]
    first = stage.counters.copy()
    assert first.frames_decoded <= 21 + 16  # and the frames that prove the table
    assert read_frames(stage, clip, [10, 180, 399]) == [10, 180, 399]
    assert stage.counters.since(first).frames_decoded == 11 + 6 + 25
    assert stage.counters.since(first).frames_needed == 11 + 6 + 25
    assert stage.counters.seeks_refuted == 0


def test_spans_of_a_long_video_do_not_read_it_again_and_again(clip: str) -> None:
    """Calls with the tracklets of one stretch each, as several workers get them."""
    wanted = [
        Tracklet(i, f"t{i}", video_uri=clip, frame_indices=np.arange(4 * i, 4 * i + 40, dtype=np.int32))
        for i in range(90)
    ]
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False, crop_bytes=8 << 30))
    for start in range(0, 90, 15):
        for crops in stage(wanted[start : start + 15]):
            assert isinstance(crops, RawCrops)
            assert [read(image) for image in crops.images] == crops.sampled_frames.tolist()
    assert stage.counters.frames_decoded / stage.counters.frames_needed < 1.15
    assert stage.counters.frames_decoded < 1.8 * 400  # each span runs on to the end of its last tracklet


@pytest.mark.parametrize("lie", ["shifted", "one missing", "no such key"])
def test_a_table_that_lies_is_found_out_and_the_frames_are_counted(lie: str, clip: str) -> None:
    packet_indexes._indexes.clear()
    stage = in_process()
    read_frames(stage, clip, [310])
    with open_video(clip) as file:
        identity = file.identity
    assert identity is not None
    true = packet_indexes[identity, 0]
    assert true is not None
    packet_indexes[identity, 0] = {
        "shifted": PacketIndex(true.pts + 7, true.keys),
        "one missing": PacketIndex(np.delete(true.pts, 305), true.keys),
        "no such key": PacketIndex(true.pts, np.asarray([0, 307])),
    }[lie]
    assert read_frames(stage, clip, [310]) == [310]
    assert stage.counters.seeks_refuted == 1
    assert read_frames(stage, clip, [310]) == [310]
    assert stage.counters.seeks_refuted == 1  # it is not asked again


def test_a_changed_file_is_not_read_by_the_old_table(tmp_path: Path) -> None:
    stage = in_process()
    for numbers in (range(120), range(500, 620)):
        path = write_clip(tmp_path / "clip.mp4", numbers, options=GOP)
        assert read_frames(stage, str(path), [100]) == [numbers[100]]


def test_an_index_is_made_from_the_beginning_also_after_some_tracklets_were_read(clip: str) -> None:
    """The crops of both tracklets are more than may be held at once, so the second is read after the first."""
    packet_indexes._indexes.clear()
    options = DecodeOptions(isolate=False, crop_bytes=60 * 256 * 96 * 3)
    stage = DecodeStage(None, Sampling("all"), options)
    frames = [np.arange(48, dtype=np.int32), np.arange(310, 330, dtype=np.int32)]
    wanted = [Tracklet(row, f"t{row}", video_uri=clip, frame_indices=some) for row, some in enumerate(frames)]
    for crops, some in zip(stage(wanted), frames, strict=True):
        assert isinstance(crops, RawCrops)
        assert [read(image) for image in crops.images] == some.tolist()
    (packet_index,) = packet_indexes._indexes.values()
    assert packet_index is not None
    assert len(packet_index) == 400
    assert stage.counters.frames_decoded < 48 + 30 + 12 + 16
