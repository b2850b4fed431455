"""One tracklet while its frames pass: its crops in the order of its samples, or why it fails."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from par_model.errors import FailureCode, TrackletError
from par_model.types import Crops, Failure, Preprocess, RawCrops, Tracklet
from par_model.video.collect import Collector

BOXES = np.array([[0, 0, 4, 4], [1, 1, 2, 3], [0, 0, 2, 2]], np.float32)
TRACKLET = Tracklet(5, "t", video_uri="/v.mp4", frame_indices=np.array([3, 7, 9], np.int32), boxes=BOXES)


def picture(level: int) -> np.ndarray:
    return np.full((6, 8, 3), level, np.uint8)


def collector(*positions: int, preprocess: Preprocess | None = None, damaged: Any = "fail") -> Collector:
    return Collector(TRACKLET, np.array(positions, np.int64), preprocess, damaged)


def test_each_wanted_frame_is_cut_once_and_given_as_often_as_it_was_sampled() -> None:
    of = collector(0, 1, 1)
    assert of.wanted.tolist() == [3, 7]
    of.take(7, picture(70))
    assert not of.done
    of.take(3, picture(30))
    assert of.done
    found = of.result()
    assert isinstance(found, RawCrops)
    assert (found.row, found.tracklet_id, found.num_frames) == (5, "t", 3)
    assert found.sampled_frames.tolist() == [3, 7, 7]
    assert [image.shape for image in found.images] == [(4, 4, 3), (3, 2, 3), (3, 2, 3)]
    assert [int(image[0, 0, 0]) for image in found.images] == [30, 70, 70]


def test_a_crop_is_no_view_of_the_picture_that_is_written_over() -> None:
    of = collector(0)
    shared = picture(30)
    of.take(3, shared)
    shared[:] = 0
    found = of.result()
    assert isinstance(found, RawCrops)
    assert (found.images[0] == 30).all()


def test_with_preprocessing_crops_have_the_networks_size() -> None:
    of = collector(0, 2, preprocess=Preprocess(height=4, width=2))
    assert of.bytes_held == 2 * 4 * 2 * 3
    of.take(3, picture(30))
    of.take(9, picture(90))
    found = of.result()
    assert isinstance(found, Crops)
    assert found.pixels.shape == (2, 4, 2, 3)
    assert found.pixels[:, 0, 0, 0].tolist() == [30, 90]


def test_a_damaged_frame_fails_its_tracklet_and_the_first_reason_counts() -> None:
    of = collector(0, 1)
    of.take(3, picture(30), "the file breaks off")
    assert of.done
    of.fail(TrackletError(FailureCode.VIDEO_TIMEOUT, "too slow"))
    found = of.result()
    assert isinstance(found, Failure)
    assert (found.code, found.message, found.num_frames) == ("video-damaged", "frame 3: the file breaks off", 3)


def test_a_box_beside_the_picture_fails_its_tracklet() -> None:
    beside = np.array([[9, 0, 1, 1]], np.float32)
    tracklet = Tracklet(0, "t", video_uri="/v", frame_indices=np.array([1], np.int32), boxes=beside)
    of = Collector(tracklet, np.array([0]), None)
    of.take(1, picture(0))
    found = of.result()
    assert isinstance(found, Failure)
    assert found.code == "box-outside-frame"


@pytest.mark.parametrize(("lost", "shown"), [((7,), [3, 3, 9]), ((3,), [7, 7, 9]), ((3, 7), [9, 9, 9])])
def test_on_request_the_nearest_earlier_frame_stands_for_one_that_is_lost_else_the_nearest_later_one(
    lost: tuple[int, ...], shown: list[int]
) -> None:
    of = collector(0, 1, 2, damaged="use")
    for frame in (3, 7, 9):
        if frame in lost:
            of.miss(frame, TrackletError(FailureCode.VIDEO_DAMAGED, f"frame {frame} was lost"), replaceable=True)
        else:
            of.take(frame, picture(frame), "damaged" if frame == 9 else None)
    assert of.done
    found = of.result()
    assert isinstance(found, RawCrops)
    assert found.sampled_frames.tolist() == shown
    assert [int(image[0, 0, 0]) for image in found.images] == shown


def test_without_a_single_frame_it_fails_all_the_same_and_so_where_damage_is_not_why() -> None:
    of = collector(0, damaged="use")
    of.miss(3, TrackletError(FailureCode.VIDEO_DAMAGED, "frame 3 was lost"), replaceable=True)
    found = of.result()
    assert isinstance(found, Failure)
    assert (found.code, found.message) == ("video-damaged", "frame 3 was lost")
    of = collector(0, 1, damaged="use")
    of.take(3, picture(30))
    of.miss(7, TrackletError(FailureCode.FRAME_OUT_OF_RANGE, "7 frames"), replaceable=False)
    assert of.done
    assert isinstance(of.result(), Failure)
