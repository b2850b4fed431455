"""From a crop of any size to the network's input size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from par_model.sampling import Sampling
from par_model.types import Crops, Preprocess, RawCrops


def fit_crop(pixels: NDArray[np.uint8], preprocess: Preprocess) -> NDArray[np.uint8]:
    """Fit RGB pixels uint8 [h, w, 3] into uint8 [height, width, 3].

    ``stretch`` resizes to the exact size: Pillow's bilinear filter with antialiasing, the pixels that torchvision's
    Resize gives for a PIL image. ``pad`` scales to the largest size of the same shape that fits, centres it, and fills
    the rest with the mean colour. A crop that has the size already comes back with its pixels untouched.
    """
    height, width = pixels.shape[:2]
    if (height, width) == (preprocess.height, preprocess.width):
        return pixels
    if preprocess.fit == "stretch":
        return _resize(pixels, preprocess.height, preprocess.width)
    scale = min(preprocess.height / height, preprocess.width / width)
    inner_height = min(max(round(height * scale), 1), preprocess.height)
    inner_width = min(max(round(width * scale), 1), preprocess.width)
    mean_colour = np.rint(np.clip(preprocess.mean, 0.0, 1.0) * np.float64(255)).astype(np.uint8)
    fitted = np.empty((preprocess.height, preprocess.width, 3), np.uint8)
    fitted[:] = mean_colour
    top, left = (preprocess.height - inner_height) // 2, (preprocess.width - inner_width) // 2
    fitted[top : top + inner_height, left : left + inner_width] = _resize(pixels, inner_height, inner_width)
    return fitted


def fit_raw_crops(raw: RawCrops, preprocess: Preprocess, sampling: Sampling) -> Crops:
    """What the network sees of crops that one has already, sampled as if they were all frames of their tracklet."""
    chosen = sampling.positions(len(raw.images), raw.tracklet_id)
    pixels = np.stack([fit_crop(raw.images[position], preprocess) for position in chosen])
    return Crops(raw.row, raw.tracklet_id, raw.num_frames, raw.sampled_frames[chosen], pixels)


def _resize(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if pixels.shape[:2] == (height, width):
        return pixels
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
