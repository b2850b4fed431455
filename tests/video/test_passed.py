"""Which pictures of a video are wanted."""

from __future__ import annotations

import pytest

from par_model.video.passed import Pass


@pytest.mark.parametrize(("every", "skip", "first"), [(1, 0, 0), (1, 7, 7), (5, 0, 0), (5, 3, 15)])
def test_the_first_wanted_frame_is_after_those_that_are_skipped(every: int, skip: int, first: int) -> None:
    assert Pass("/v.mp4", every, skip).first == first
