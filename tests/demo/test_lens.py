"""Blur spreads light and keeps its sum."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.demo.lens import smear, soften


def test_smear_spreads_and_keeps_the_sum() -> None:
    rgba = np.zeros((1, 11, 4), np.float32)
    rgba[0, 5] = 1.0
    out = smear(rgba, 3.0)
    assert out[0, :, 0] == pytest.approx([0, 0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0, 0, 0, 0])
    out = smear(rgba, 2.0)
    assert out[0, 3:8, 3] == pytest.approx([0, 0.25, 0.5, 0.25, 0])
    assert smear(rgba, 0.4) is rgba


def test_soften_spreads_to_the_neighbours_and_keeps_the_sum() -> None:
    spot = np.zeros((3, 3, 1), np.float32)
    spot[1, 1] = 1.0
    out = soften(spot, 0.5)[..., 0]  # 0.5 squared over 2 goes to each side
    assert out[1] == pytest.approx([0.125 * 0.75, 0.75 * 0.75, 0.125 * 0.75])
    assert out[0, 0] == pytest.approx(0.125**2)
    assert out.sum() == pytest.approx(1.0)
    flat = np.full((4, 5, 3), 7.0, np.float32)
    assert soften(flat, 0.55) == pytest.approx(flat)
