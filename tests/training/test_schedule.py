"""The learning-rate table of the released code, to the last bit."""

from __future__ import annotations

import json

import pytest

from par_model.training.schedule import learning_rate, smooth_rate
from tests.released_weights import GOLDEN


def test_the_released_table() -> None:
    expected = json.loads((GOLDEN / "lr_schedule.json").read_text(encoding="utf-8"))
    assert [learning_rate(epoch) for epoch in range(1, 31)] == expected


def test_other_lengths_and_peaks_end_on_the_floor() -> None:
    assert learning_rate(4, epochs=4) == 2e-6
    assert learning_rate(4, epochs=10, peak=1e-4) == pytest.approx(1e-5 + 4 * 9e-5 / 5)
    assert learning_rate(5, epochs=10, peak=1e-4) == pytest.approx(2e-6 + 0.5 * 9.8e-5)
    with pytest.raises(ValueError, match="1 to 10"):
        learning_rate(11, epochs=10)


def test_one_epoch_learns_something() -> None:
    assert learning_rate(1, epochs=1) == learning_rate(1)


@pytest.mark.parametrize("peak", [1e-6, 5e-6, 2e-5])
def test_no_rate_is_above_a_small_peak(peak: float) -> None:
    assert max(learning_rate(epoch, epochs=10, peak=peak) for epoch in range(1, 11)) <= peak * (1 + 1e-12)


def test_the_smooth_rate_rises_falls_and_ends_at_zero() -> None:
    rates = [smooth_rate(done, peak=2e-3) for done in (0.0, 0.025, 0.05, 0.525, 1.0)]
    assert rates == pytest.approx([0.0, 1e-3, 2e-3, 1e-3, 0.0], abs=1e-12)
