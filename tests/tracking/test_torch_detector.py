"""What detectors that run by torch have in common."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from par_model.tracking.detections import Detections
from par_model.tracking.torch_detector import TorchDetector

PICTURES = [np.full((4, 6, 3), level, np.uint8) for level in (10, 20, 30)]


class Counting(TorchDetector):
    """Finds one box, as high as how many pictures it saw at a time."""

    def __init__(self) -> None:
        super().__init__("cpu", None)

    def _detect(self, pictures: Sequence[NDArray[np.uint8]], height: int, width: int) -> list[Detections]:
        assert torch.is_inference_mode_enabled()
        box = [[0, 0, width / 6, len(pictures) * height / 4]]
        scores = [[picture[0, 0, 0] / 100] for picture in pictures]
        return [Detections.in_picture(box, score, height=height, width=width) for score in scores]


def test_on_the_cpu_pictures_go_one_by_one_in_their_order() -> None:
    found = Counting().detect(PICTURES)
    assert [one.boxes.tolist() for one in found] == [[[0, 0, 1, 1]]] * 3
    assert [round(float(one.scores[0]), 3) for one in found] == [0.1, 0.2, 0.3]
    assert Counting().detect([]) == []


def test_elsewhere_they_go_together() -> None:
    detector = Counting()
    detector.device = torch.device("meta")
    assert [one.boxes.tolist() for one in detector.detect(PICTURES)] == [[[0, 0, 1, 3]]] * 3
    assert detector.detect([]) == []


def test_boxes_refer_to_the_size_that_pictures_had_before_they_were_scaled() -> None:
    assert [one.boxes.tolist() for one in Counting().detect(PICTURES[:1], (60, 8))] == [[[0, 0, 10, 2]]]


def test_threads_are_those_that_are_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        TorchDetector.__init__(Counting(), "cpu", 1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
