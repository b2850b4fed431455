"""What the outputs of a network file mean."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.errors import WeightsError
from par_model.tracking.network_answer import NetworkAnswer, NetworkOutput, answer_of

SSD = NetworkOutput("detection_out", (1, 1, 200, 7), False)


@pytest.mark.parametrize(
    ("outputs", "answer"),
    [
        ([SSD], NetworkAnswer(is_ssd=True)),
        ([NetworkOutput("", (None, 1, None, 7), False)], NetworkAnswer(is_ssd=True)),
        # torchvision's, RT-DETR's and D-FINE's own export, the newer ones of the Open Model Zoo, one class only.
        (
            [
                NetworkOutput("boxes", (None, 4), False),
                NetworkOutput("labels", (None,), True),
                NetworkOutput("scores", (None,), False),
            ],
            NetworkAnswer(False, 0, 2, 1),
        ),
        (
            [
                NetworkOutput("labels", (1, 300), True),
                NetworkOutput("boxes", (1, 300, 4), False),
                NetworkOutput("scores", (1, 300), False),
            ],
            NetworkAnswer(False, 1, 2, 0),
        ),
        (
            [NetworkOutput("boxes", (100, 5), False), NetworkOutput("labels", (100,), True)],
            NetworkAnswer(False, 0, None, 1),
        ),
        ([NetworkOutput("boxes", (1, None, 5), False)], NetworkAnswer(False, 0, None, None)),
        ([NetworkOutput("b", (50, 4), False), NetworkOutput("s", (50,), False)], NetworkAnswer(False, 0, 1, None)),
    ],
)
def test_outputs_are_known_by_type_and_shape(outputs: list[NetworkOutput], answer: NetworkAnswer) -> None:
    assert answer_of(outputs, "d.onnx") == answer


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ([NetworkOutput("output0", (1, 84, 8400), False)], r"its outputs are output0 \[1, 84, 8400\]: expected one of"),
        (
            [NetworkOutput("logits", (1, 300, 80), False), NetworkOutput("pred_boxes", (1, 300, 4), False)],
            r"logits \[1, 300, 80\], pred_boxes \[1, 300, 4\]",
        ),
        ([NetworkOutput("boxes", (None, 4), False)], r"boxes \[\?, 4\]"),
        ([NetworkOutput("", (1, 1000), False)], "an unnamed one"),
        ([SSD, NetworkOutput("more", (1, 2), False)], "detection_out"),
        ([], "its outputs are"),
    ],
)
def test_other_outputs_are_refused_and_listed(outputs: list[NetworkOutput], says: str) -> None:
    with pytest.raises(WeightsError, match=says):
        answer_of(outputs, "d.onnx")


def test_rows_of_ssd_end_at_the_first_negative_image_number() -> None:
    rows = np.zeros((1, 1, 5, 7), np.float32)
    rows[0, 0, 0] = [0, 1, 0.75, 0.25, 0.5, 0.5, 1]
    rows[0, 0, 1] = [0, 3, 0.5, -0.25, 0, 0.5, 1.5]
    rows[0, 0, 2, 0] = -1  # what follows are zeros, which look like image 0
    found = NetworkAnswer(is_ssd=True).read([rows], height=20, width=40)
    assert found.boxes.tolist() == [[0.25, 0.5, 0.5, 1], [-0.25, 0, 0.5, 1.5]]
    assert found.scores.tolist() == [0.75, 0.5]
    assert found.classes is not None
    assert found.classes.tolist() == [1, 3]
    full = np.tile(rows[:, :, :1], (1, 1, 3, 1))
    assert len(NetworkAnswer(is_ssd=True).read([full], height=20, width=40).scores) == 3


def test_boxes_in_pixels_of_the_networks_input_become_shares() -> None:
    boxes = np.array([[[10, 5, 30, 20], [0, 0, 40, 10]]], np.float32)
    scores, labels = np.array([[0.5, 0.25]], np.float32), np.array([[0, 17]], np.int64)
    found = NetworkAnswer(False, 0, 1, 2).read([boxes, scores, labels], height=20, width=40)
    assert found.boxes.tolist() == [[0.25, 0.25, 0.75, 1], [0, 0, 1, 0.5]]
    assert found.scores.tolist() == [0.5, 0.25]
    assert found.classes is not None
    assert found.classes.tolist() == [0, 17]
    fifth = np.array([[10, 5, 30, 20, 0.75]], np.float32)
    found = NetworkAnswer(False, 0, None, None).read([fifth], height=20, width=40)
    assert (found.scores.tolist(), found.classes) == ([0.75], None)
    assert len(NetworkAnswer(False, 0, None, None).read([fifth[:0]], height=20, width=40).scores) == 0


def test_shares_where_pixels_are_meant_are_an_error() -> None:
    boxes, scores = np.array([[0.1, 0.2, 0.5, 0.9]], np.float32), np.array([0.5], np.float32)
    with pytest.raises(ValueError, match=r"boxes up to 0\.90: shares of the picture, where pixels .* 20 x 40"):
        NetworkAnswer(False, 0, 1, None).read([boxes, scores], height=20, width=40)


def test_lists_of_different_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 boxes, but not as many"):
        NetworkAnswer(False, 0, 1, None).read(
            [np.ones((1, 4), np.float32) * 9, np.ones(2, np.float32)], height=20, width=40
        )
