"""Boxes and ids on frames: where they are, in which colours, and that they can be told apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from par_model.report.drawing import Mark, colour_of, contact_sheet, draw, draw_tracks

YELLOW, BLUE, BLACK, GREY = (255, 200, 0), (120, 220, 255), (0, 0, 0), (128, 128, 128)


@pytest.mark.parametrize(
    ("sides", "outside"),
    [
        ((10, 40, 20, 30), False),
        ((-5, -5, 20, 30), False),
        ((300, 40, 20, 30), True),
        ((1e30, 40, 20, 30), True),
        ((0, 0, 0.5, 0.5), False),
        (None, False),
    ],
)
def test_any_box_can_be_drawn(sides: tuple[float, float, float, float] | None, outside: bool) -> None:
    drawn = draw(np.zeros((96, 256, 3), np.uint8), Mark("a\nb" * 40, sides), [Mark("other", (100, 50, 20, 30))])
    assert drawn.image.size == (256, 96)
    assert drawn.is_outside is outside
    assert drawn.image.getpixel((100, 60)) == BLUE


def test_large_frames_are_scaled_with_their_boxes() -> None:
    drawn = draw(np.zeros((1080, 1920, 3), np.uint8), Mark("a", (300, 300, 600, 600)))
    assert drawn.image.size == (640, 360)
    assert drawn.image.getpixel((100, 200)) == YELLOW
    assert drawn.image.getpixel((200, 200)) == (0, 0, 0)


def test_a_box_is_two_pixels_of_its_colour_between_two_dark_ones_and_others_are_thin() -> None:
    pixels = np.full((96, 256, 3), 128, np.uint8)
    drawn = draw(pixels, Mark("a", (50, 40, 20, 30)), [Mark("b", (100, 40, 20, 30))]).image
    assert [drawn.getpixel((x, 60)) for x in range(48, 54)] == [GREY, BLACK, YELLOW, YELLOW, BLACK, GREY]
    assert [drawn.getpixel((x, 60)) for x in range(66, 72)] == [GREY, BLACK, YELLOW, YELLOW, BLACK, GREY]
    assert [drawn.getpixel((x, 60)) for x in range(99, 103)] == [GREY, BLUE, BLUE, GREY]
    assert drawn.getpixel((52, 30)) == YELLOW, "the id's field lies above the box"


def test_each_track_has_its_colour_and_the_end_of_its_id() -> None:
    pixels = np.full((95, 255, 3), 128, np.uint8)
    marks = [Mark("v-7", (50, 40, 20, 30)), Mark("v-8", (100, 40, 20, 30)), Mark("v-9", None)]
    drawn = draw_tracks(pixels, marks)
    assert drawn.shape == (94, 254, 3)
    for mark, left in (marks[0], 50), (marks[1], 100):
        assert tuple(drawn[60, left]) == colour_of(mark.tracklet_id)
        field = np.all(drawn[15:40] == colour_of(mark.tracklet_id), axis=2)
        assert left < np.flatnonzero(field.any(axis=0)).mean() < left + 25
    assert draw_tracks(np.zeros((1080, 1920, 3), np.uint8), []).shape == (540, 960, 3)
    assert draw_tracks(np.zeros((1, 1, 3), np.uint8), marks).shape == (2, 2, 3)


@given(number=st.integers(0, 10**12), prefix=st.text(max_size=5))
def test_colours_are_bright_and_those_of_neighbours_differ(number: int, prefix: str) -> None:
    one, other = colour_of(f"{prefix}-{number}"), colour_of(f"{prefix}-{number + 1}")
    assert max(one) == 255
    assert sum(abs(a - b) for a, b in zip(one, other, strict=True)) > 150


def test_a_colour_is_that_of_the_number_at_the_end_or_of_the_whole_id() -> None:
    assert colour_of("cam-0") == colour_of("0") == (255, 38, 38)
    assert colour_of("cam-1") == (38, 101, 255)
    assert colour_of("anna") != colour_of("bert")
    assert colour_of("9" * 5000) != colour_of("9" * 5001)


def test_a_sheet_has_a_row_for_each_tracklet_and_a_blank_for_what_cannot_be_read() -> None:
    drawn = draw(np.full((96, 256, 3), 128, np.uint8), Mark("a", (50, 40, 20, 30)))
    wide = draw(np.full((240, 840, 3), 128, np.uint8), Mark("a", (50, 40, 20, 30)))
    rows = [("one", [("first", drawn), ("last", None)]), ("two", [("first", wide)])]
    sheet = Image.open(io.BytesIO(contact_sheet(rows)))
    assert sheet.size == (10 + 2 * 430, 10 + (50 + 96) + 10 + (50 + 120) + 10)
    assert sheet.getpixel((10 + 200, 10 + 40 + 50)) == GREY
    assert sheet.getpixel((10 + 430 + 200, 10 + 40 + 50)) == (250, 250, 250)
