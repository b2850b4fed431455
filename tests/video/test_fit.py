"""Fitting a crop to the network's size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from par_model.types import Preprocess
from par_model.video.fit import fit_crop


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(300, 120), (40, 17), (1, 1), (500, 30)])
def test_stretch_is_torchvisions_resize_of_a_pil_image(height: int, width: int) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    pixels = noise(height, width)
    expected = np.asarray(transforms.Resize((224, 112))(Image.fromarray(pixels)))
    fitted = fit_crop(pixels, Preprocess(height=224, width=112))
    assert fitted.dtype == np.uint8
    assert np.array_equal(fitted, expected)


def test_a_crop_of_the_right_size_is_untouched() -> None:
    pixels = noise(64, 32)
    for fit in ("stretch", "pad"):
        assert np.array_equal(fit_crop(pixels, Preprocess(height=64, width=32, fit=fit)), pixels)


def test_pad_keeps_the_shape_and_fills_with_the_mean_colour() -> None:
    pixels = np.full((40, 10, 3), (200, 10, 90), np.uint8)
    fitted = fit_crop(pixels, Preprocess(height=20, width=20, fit="pad", mean=(0.5, 0.25, 1.0)))
    assert np.array_equal(fitted[:, 7:12], np.full((20, 5, 3), (200, 10, 90), np.uint8))
    border = np.concatenate([fitted[:, :7], fitted[:, 12:]], axis=1)
    assert np.array_equal(border, np.broadcast_to(np.uint8([128, 64, 255]), border.shape))


def test_pad_enlarges_too() -> None:
    fitted = fit_crop(np.full((5, 10, 3), 77, np.uint8), Preprocess(height=40, width=40, fit="pad", mean=(0, 0, 0)))
    assert (fitted[10:30] == 77).all()
    assert (fitted[:10] == 0).all()
    assert (fitted[30:] == 0).all()


def test_pad_never_loses_a_thin_crop() -> None:
    fitted = fit_crop(np.full((3000, 2, 3), 255, np.uint8), Preprocess(height=32, width=32, fit="pad", mean=(0, 0, 0)))
    assert (fitted == 255).any()
