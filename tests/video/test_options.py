"""How frames may be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from par_model.errors import UsageError
from par_model.types import Tracklet
from par_model.video.options import DecodeOptions


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"decoder": "opencv"}, UsageError, "--decoder is opencv: must be one of pyav, decord"),
        ({"video_timeout": 0.0}, UsageError, "--video-timeout is 0.0: must be above 0 and at most 604800"),
        ({"video_stream": -1}, UsageError, "--video-stream is -1: must be at least 0"),
        ({"decoder": "decord", "unflagged_matrix": "bt709"}, UsageError, "bt709 needs --decoder pyav"),
        ({"memory_bytes": 0}, ValueError, "memory_bytes 0: must be at least 1"),
        ({"crop_bytes": -1}, ValueError, "crop_bytes -1: must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        DecodeOptions(**given)


def test_sampling_by_cost_needs_a_decoder_that_can_pass_over_frames() -> None:
    DecodeOptions().check_sampling("cheap")
    DecodeOptions(decoder="decord").check_sampling("uniform")
    with pytest.raises(UsageError, match="--sampling cheap needs --decoder pyav: decord decodes all"):
        DecodeOptions(decoder="decord").check_sampling("cheap")


def test_a_tracklet_may_say_which_video_track_it_is_of() -> None:
    frames = np.array([1], np.int32)
    options = DecodeOptions(video_stream=2)
    assert options.stream_of(Tracklet(0, "t", video_uri="/v", frame_indices=frames)) == 2
    assert options.stream_of(Tracklet(0, "t", video_uri="/v", frame_indices=frames, video_stream=0)) == 0


def test_neither_time_nor_memory_changes_results() -> None:
    other = DecodeOptions(video_timeout=5, isolate=False, memory_bytes=1, crop_bytes=1)
    assert other.results() == DecodeOptions().results()
    assert DecodeOptions(damaged="use").results() != DecodeOptions().results()
