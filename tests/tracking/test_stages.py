"""The people of a batch of pictures: their boxes, and what they look like."""

from __future__ import annotations

import numpy as np

from par_model.tracking.batches import PictureBatch
from par_model.tracking.clothes import NUMBERS, colours_in
from par_model.tracking.stages import FindPeople, TrackSettings
from par_model.video.options import DecodeOptions
from tests.tracking.colours import CROWD, HEIGHT, WIDTH, ColourDetector, HalvingDetector, halved, picture


def settings(load: type[ColourDetector], min_score: float = 0.1) -> TrackSettings:
    return TrackSettings(load, every=1, min_score=min_score, decode=DecodeOptions())


def test_each_box_has_the_colours_of_its_own_picture() -> None:
    """Of three frames one has no sound picture; green comes in the last."""
    pictures = [picture(CROWD, frame) for frame in (10, 40)]
    batch = PictureBatch(0, 0, [10, 20, 40], [None] * 3, [None, "damaged", None], pictures, (WIDTH, HEIGHT))
    found = FindPeople(settings(ColourDetector), "cpu", 1)(batch)
    assert list(found.counts) == [2, 0, 3]
    expected = [
        colours_in(p, found.boxes[part], (WIDTH, HEIGHT))
        for p, part in zip(pictures, (slice(2), slice(2, 5)), strict=True)
    ]
    assert found.colours.tolist() == np.concatenate(expected).tolist()
    assert len(np.unique(found.colours, axis=0)) >= 3


def test_colours_are_those_of_a_picture_that_was_scaled_down() -> None:
    whole = picture(CROWD, 40)
    batch = PictureBatch(0, 0, [0], [None], [None], [np.ascontiguousarray(halved(whole))], (WIDTH, HEIGHT))
    found = FindPeople(settings(HalvingDetector), "cpu", 1)(batch)
    assert found.colours.tolist() == colours_in(whole[::2, ::2].copy(), found.boxes, (WIDTH, HEIGHT)).tolist()


def test_boxes_that_do_not_count_and_batches_without_pictures_have_none() -> None:
    none = FindPeople(settings(ColourDetector, min_score=0.95), "cpu", 1)
    batch = PictureBatch(0, 0, [10], [None], [None], [picture(CROWD, 10)], (WIDTH, HEIGHT))
    for found in (none(batch), none(PictureBatch(0, 1))):
        assert (found.boxes.shape, found.scores.shape, found.colours.shape) == ((0, 4), (0,), (0, NUMBERS))
