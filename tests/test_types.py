"""The domain's types refuse values that contradict each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.documents import read_document
from par_model.errors import FailureCode, TrackletError
from par_model.types import Crops, Prediction, Preprocess, Tracklet


def frames(*indices: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.array(indices, np.int32)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(rows, np.float32).reshape(-1, 4)


VIDEO: dict[str, Any] = {"video_uri": "v.mp4", "frame_indices": frames(3, 5, 9)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "needs video_uri with frame_indices, or image_uris"),
        ({"video_uri": "v.mp4"}, "needs video_uri with frame_indices, or image_uris"),
        ({"frame_indices": frames(1)}, "needs video_uri with frame_indices, or image_uris"),
        ({**VIDEO, "image_uris": ("a.jpg",)}, "either stills or video"),
        ({"image_uris": ()}, "needs at least one image"),
        ({"image_uris": ("a.jpg",), "boxes": boxes((0, 0, 1, 1))}, "stills are crops already"),
        ({"video_uri": "", "frame_indices": frames(1)}, "video_uri is an empty string"),
        ({"video_uri": "v.mp4", "frame_indices": frames()}, "needs at least one frame"),
        ({"video_uri": "v.mp4", "frame_indices": frames(-1, 2)}, "starts at -1"),
        ({"video_uri": "v.mp4", "frame_indices": frames(1, 4, 4)}, "4 at position 2 follows 4"),
        ({"video_uri": "v.mp4", "frame_indices": frames(1, 7, 4)}, "4 at position 2 follows 7"),
        ({**VIDEO, "boxes": boxes((0, 0, 1, 1))}, "3 frame_indices but 1 boxes"),
        ({**VIDEO, "boxes": boxes((0, 0, 1, 1), (0, np.nan, 1, 1), (0, 0, 1, 1))}, "box 1 is not finite"),
        ({**VIDEO, "boxes": boxes((0, 0, 1, 1), (0, 0, 1, 1), (0, 0, 2, 0))}, "box 2 is empty: width 2, height 0"),
    ],
)
def test_a_tracklet_says_what_is_wrong_with_it(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TrackletError) as caught:
        Tracklet(row=0, tracklet_id="t", **values)
    assert caught.value.code is FailureCode.INVALID_TRACKLET
    assert message in str(caught.value)


@given(st.sets(st.integers(0, 2**31 - 1), min_size=1, max_size=20))
def test_any_increasing_indices_make_a_tracklet(indices: set[int]) -> None:
    tracklet = Tracklet(row=4, tracklet_id="t", video_uri="v.mp4", frame_indices=frames(*sorted(indices)))
    assert tracklet.num_frames == len(indices)


def test_stills_count_as_frames() -> None:
    assert Tracklet(row=0, tracklet_id="t", image_uris=("a.jpg", "b.jpg")).num_frames == 2


@given(st.integers(1, 1024), st.integers(1, 1024), st.sampled_from(["stretch", "pad"]))
def test_preprocess_survives_its_dictionary(height: int, width: int, fit: Any) -> None:
    preprocess = Preprocess(height, width, fit)
    assert read_document(Preprocess, preprocess.to_dict()) == preprocess
    assert preprocess.crop_bytes == height * width * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [({"height": 0}, "image size 0x224"), ({"fit": "crop"}, "fit 'crop'"), ({"std": (0.0, 1.0, 1.0)}, "std above 0")],
)
def test_preprocess_refuses_what_cannot_be_done(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Preprocess(**change)


def test_crops_and_scores_have_their_shapes() -> None:
    with pytest.raises(ValueError, match=r"uint8 \[T, H, W, 3\], got float64"):
        Crops(0, "t", 1, frames(0), np.zeros((1, 2, 2, 3)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 sampled_frames for 1 crops"):
        Crops(0, "t", 2, frames(0, 1), np.zeros((1, 2, 2, 3), np.uint8))
    with pytest.raises(ValueError, match="one dimension"):
        Prediction(0, "t", 1, frames(0), np.zeros((2, 2), np.float32))
