"""Cutting a box out of a picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from par_model.errors import FailureCode, TrackletError


def cut_crop(picture: NDArray[np.uint8], box: NDArray[np.float32] | None, frame: int) -> NDArray[np.uint8]:
    """The part of a picture uint8 [H, W, 3] that a box covers, as a view uint8 [h, w, 3].

    box: left, top, width, height in pixels of the displayed picture; None = the whole picture. Columns floor(x) to
    ceil(x + w) - 1, rows alike, clipped to the picture; computed in float64 on the float32 values.
    frame: the frame's index, for the message alone.

    Raises TrackletError (box-outside-frame) if less than one pixel is left.
    """
    if box is None:
        return picture
    height, width = picture.shape[:2]
    x, y, w, h = (float(value) for value in box)
    left, right = max(math.floor(x), 0), min(math.ceil(x + w), width)
    top, bottom = max(math.floor(y), 0), min(math.ceil(y + h), height)
    if left >= right or top >= bottom:
        raise TrackletError(
            FailureCode.BOX_OUTSIDE_FRAME,
            f"frame {frame}: box x={x:g} y={y:g} w={w:g} h={h:g} lies outside the picture of {width}x{height} pixels",
        )
    return picture[top:bottom, left:right]
