"""Colours follow a stream's parameters where they change on the way."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from tests.video.footage import FULL, LIMITED, flat, h264, levels
from tests.video.test_colours import GREEN, RED, near, of_255, shown

Part = tuple[int, int, dict[str, int]]  # matrix, range, flags

SILENT_LIMITED: Part = (5, LIMITED, {})
STATED_LIMITED: Part = (5, LIMITED, {"color_range": LIMITED, "colorspace": 6})
STATED_FULL: Part = (5, FULL, {"color_range": FULL, "colorspace": 6})
FULL_HD_COLOURS: Part = (1, FULL, {"color_range": FULL, "colorspace": 1})
PARTS = {"silent": SILENT_LIMITED, "limited": STATED_LIMITED, "full": STATED_FULL, "709": FULL_HD_COLOURS}


def part(named: str, folder: Path) -> bytes:
    matrix, colour_range, flags = PARTS[named]
    pix_fmt = "yuvj420p" if colour_range == FULL else "yuv420p"
    frames = [flat(levels(of_255(colour), matrix, colour_range, 8), pix_fmt) for colour in (RED, GREEN) * 3]
    return h264(frames, folder, **flags)


@pytest.mark.parametrize(("first", "second"), [pair for pair in product(PARTS, PARTS) if pair[0] != pair[1]])
def test_colours_follow_a_change_of_range_or_matrix_and_back(first: str, second: str, tmp_path: Path) -> None:
    path = tmp_path / "changing.h264"
    path.write_bytes(part(first, tmp_path) + part(second, tmp_path) + part(first, tmp_path))
    found = shown(str(path), range(18))
    assert isinstance(found, list), found
    for number, colour in enumerate(found):
        assert near(colour, (RED, GREEN)[number % 2]), (number, colour)
