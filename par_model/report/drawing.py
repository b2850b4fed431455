"""Boxes and ids drawn on frames, and several frames on one sheet."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from par_model.wording import one_line

Box = tuple[float, float, float, float]

Colour = tuple[int, int, int]

_WIDTH = 640  # of a drawn frame, in pixels, at most
_HEIGHT = 480
_CLIP_WIDTH = 960  # of a drawn frame of a clip
_LINE_WIDTH = 2
_BLACK = (0, 0, 0)
_WHITE = (255, 255, 255)
_OWN = (255, 200, 0)
_OTHER = (120, 220, 255)
_GOLDEN = 0.618034  # steps of a hue by which neighbours never look alike
_DARK = 100  # of 255: on a colour of less light, text is white
_DIGITS = 20  # a longer number is none that a track was given
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
    image = _resized(pixels, max(1, round(width * scale)), max(1, round(height * scale)))
    pen = ImageDraw.Draw(image)
    for other in others:
        if other.box is not None:
            pen.rectangle(_scaled(other.box, scale), outline=_OTHER, width=_LINE_WIDTH)
    box = mark.box or (0.0, 0.0, float(width), float(height))
    corners = _scaled(box, scale)
    _outline(pen, corners, _OWN)
    _label(pen, corners, mark.tracklet_id, _OWN, image.size)
    x, y, w, h = box
    return Drawn(image, x >= width or y >= height or x + w <= 0 or y + h <= 0)


def draw_tracks(pixels: NDArray[np.uint8], marks: Sequence[Mark]) -> NDArray[np.uint8]:
    """A frame of a clip, RGB uint8 [H, W, 3], at most 960 wide and with even sides, with boxes of tracks, each in a
    colour of its own, and the ends of their ids."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _CLIP_WIDTH / width)
    image = _resized(pixels, *(max(2, round(side * scale) // 2 * 2) for side in (width, height)))
    pen = ImageDraw.Draw(image)
    boxes = [(mark, _scaled(mark.box, scale)) for mark in marks if mark.box is not None]
    for mark, corners in boxes:
        _outline(pen, corners, colour_of(mark.tracklet_id))
    for mark, corners in boxes:
        _label(pen, corners, _end(mark.tracklet_id), colour_of(mark.tracklet_id), image.size)
    return np.asarray(image)


def colour_of(tracklet_id: str) -> Colour:
    """The same for the same id, and unlike those of the numbers next to the one that the id ends in."""
    end = _end(tracklet_id)
    number = int(end) if end.isdecimal() and len(end) < _DIGITS else crc32(tracklet_id.encode())
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


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


def _resized(pixels: NDArray[np.uint8], width: int, height: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)


def _end(tracklet_id: str) -> str:
    return tracklet_id.rpartition("-")[2]


def _scaled(box: Box, scale: float) -> Box:
    """Corners in a scaled picture, kept within what can be drawn."""
    x, y, w, h = box
    left, top, right, bottom = (min(max(v * scale, -9999.0), 9999.0) for v in (x, y, x + w, y + h))
    return left, top, max(left, right - 1), max(top, bottom - 1)


def _outline(pen: ImageDraw.ImageDraw, corners: Box, colour: Colour) -> None:
    """A box with a dark edge on either side, so that it shows on any picture."""
    left, top, right, bottom = corners
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_BLACK, width=_LINE_WIDTH + 2)
    pen.rectangle(corners, outline=colour, width=_LINE_WIDTH)


def _label(pen: ImageDraw.ImageDraw, corners: Box, text: str, colour: Colour, size: tuple[int, int]) -> None:
    """A name above its box, or as near as the picture allows."""
    font = _font(14)
    left, top, right, bottom = pen.textbbox((0, 0), _short(text), font=font)
    width, height = right - left + 8, bottom - top + 8
    x = min(max(corners[0], 0.0), max(0.0, size[0] - width))
    y = min(max(corners[1] - height - 2, 0.0), max(0.0, size[1] - height))
    pen.rectangle((x, y, x + width, y + height), fill=colour, outline=_BLACK)
    red, green, blue = colour
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    pen.text((x + 4 - left, y + 4 - top), _short(text), fill=_WHITE if light < _DARK else _BLACK, font=font)


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
