"""Boxes and ids drawn on frames, and several frames on one sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from par_model.wording import one_line

Box = tuple[float, float, float, float]

_WIDTH = 640  # of a drawn frame, in pixels, at most
_HEIGHT = 480
_OWN = (255, 200, 0)
_EDGE = (0, 0, 0)
_OTHER = (120, 220, 255)
_QUALITY = 80

_SHEET_WIDTH = 420
_GAP = 10
_PAPER = (250, 250, 250)
_INK = (20, 24, 29)
_LINE = 20
_SHORTENED = 60


@dataclass(frozen=True)
class Mark:
    """A tracklet's box on one frame: left, top, width, height in pixels of the displayed picture; None = all of it."""

    tracklet_id: str
    box: Box | None


@dataclass(frozen=True, eq=False)
class Drawn:
    """A frame with boxes, scaled to fit 640x480. is_outside: the box covers no pixel of it."""

    image: Image.Image
    is_outside: bool


def draw(pixels: NDArray[np.uint8], mark: Mark, others: Sequence[Mark] = ()) -> Drawn:
    """A frame, RGB uint8 [H, W, 3], with one tracklet's box and id drawn strongly, and those of others thinly."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _WIDTH / width, _HEIGHT / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    pen = ImageDraw.Draw(image)
    for other in others:
        if other.box is not None:
            pen.rectangle(_scaled(other.box, scale), outline=_OTHER, width=2)
    box = mark.box or (0.0, 0.0, float(width), float(height))
    corners = _scaled(box, scale)
    pen.rectangle(_grown(corners, 1), outline=_EDGE, width=4)
    pen.rectangle(corners, outline=_OWN, width=2)
    _label(pen, corners, mark.tracklet_id, size)
    x, y, w, h = box
    return Drawn(image, x >= width or y >= height or x + w <= 0 or y + h <= 0)


def webp(drawn: Drawn) -> bytes:
    """A drawn frame as WebP."""
    data = io.BytesIO()
    drawn.image.save(data, "WEBP", quality=_QUALITY, method=4)
    return data.getvalue()


def contact_sheet(rows: Sequence[tuple[str, Sequence[tuple[str, Drawn | None]]]]) -> bytes:
    """Rows of frames, each with its caption, under their titles, as PNG. A frame of None is left blank."""
    heights = [_LINE + _GAP + _LINE + max(_cell_height(drawn) for _, drawn in cells) for _, cells in rows]
    columns = max(len(cells) for _, cells in rows)
    size = (_GAP + columns * (_SHEET_WIDTH + _GAP), _GAP + sum(heights) + _GAP * len(rows))
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    top = _GAP
    for (title, cells), height in zip(rows, heights, strict=True):
        pen.text((_GAP, top), _short(title), fill=_INK, font=_font(15))
        for i, (caption, drawn) in enumerate(cells):
            left = _GAP + i * (_SHEET_WIDTH + _GAP)
            pen.text((left, top + _LINE), _short(caption), fill=_INK, font=_font(12))
            if drawn is not None:
                sheet.paste(_fitted(drawn), (left, top + 2 * _LINE))
        top += height + _GAP
    data = io.BytesIO()
    sheet.save(data, "PNG", optimize=True)
    return data.getvalue()


def _scaled(box: Box, scale: float) -> Box:
    """Corners in a scaled picture, kept within what can be drawn."""
    x, y, w, h = box
    left, top, right, bottom = (min(max(v * scale, -9999.0), 9999.0) for v in (x, y, x + w, y + h))
    return left, top, max(left, right - 1), max(top, bottom - 1)


def _grown(corners: Box, by: int) -> Box:
    return corners[0] - by, corners[1] - by, corners[2] + by, corners[3] + by


def _label(pen: ImageDraw.ImageDraw, corners: Box, text: str, size: tuple[int, int]) -> None:
    """The id above its box, or as near as the picture allows."""
    font = _font(14)
    left, top, right, bottom = pen.textbbox((0, 0), _short(text), font=font)
    width, height = right - left + 8, bottom - top + 8
    x = min(max(corners[0], 0.0), max(0.0, size[0] - width))
    y = min(max(corners[1] - height - 2, 0.0), max(0.0, size[1] - height))
    pen.rectangle((x, y, x + width, y + height), fill=_OWN, outline=_EDGE)
    pen.text((x + 4 - left, y + 4 - top), _short(text), fill=_EDGE, font=font)


def _cell_height(drawn: Drawn | None) -> int:
    return _LINE if drawn is None else _fitted_size(drawn)[1]


def _fitted_size(drawn: Drawn) -> tuple[int, int]:
    scale = min(1.0, _SHEET_WIDTH / drawn.image.width)
    return max(1, round(drawn.image.width * scale)), max(1, round(drawn.image.height * scale))


def _fitted(drawn: Drawn) -> Image.Image:
    return drawn.image.resize(_fitted_size(drawn), Image.Resampling.LANCZOS)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _short(text: str) -> str:
    return one_line(text, _SHORTENED)
