"""Colours follow a stream's parameters where they change on the way."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from tests.video.footage import FULL, LIMITED, flat, h264, levels, write_joined
from tests.video.test_colours import GREEN, RED, near, of_255, shown

Part = tuple[int, int, dict[str, int]]  # matrix, range, flags

SILENT_LIMITED: Part = (5, LIMITED, {})
STATED_LIMITED: Part = (5, LIMITED, {"color_range": LIMITED, "colorspace": 6})
STATED_FULL: Part = (5, FULL, {"color_range": FULL, "colorspace": 6})
FULL_HD_COLOURS: Part = (1, FULL, {"color_range": FULL, "colorspace": 1})
PARTS = {"silent": SILENT_LIMITED, "limited": STATED_LIMITED, "full": STATED_FULL, "709": FULL_HD_COLOURS}


def part(named: str, folder: Path, count: int = 6) -> bytes:
    matrix, colour_range, flags = PARTS[named]
    pix_fmt = "yuvj420p" if colour_range == FULL else "yuv420p"
    frames = [flat(levels(of_255(colour), matrix, colour_range, 8), pix_fmt) for colour in (RED, GREEN) * (count // 2)]
    return h264(frames, folder, **flags)


@pytest.mark.parametrize(("first", "second"), [pair for pair in product(PARTS, PARTS) if pair[0] != pair[1]])
def test_colours_follow_a_change_of_range_or_matrix_and_back(first: str, second: str, tmp_path: Path) -> None:
    parts = [part(name, tmp_path) for name in (first, second, first)]
    found = shown(write_joined(tmp_path / "changing.h264", parts), range(18))
    assert isinstance(found, list), found
    for number, colour in enumerate(found):
        assert near(colour, (RED, GREEN)[number % 2]), (number, colour)


@pytest.mark.parametrize(("first", "second"), [("709", "silent"), ("silent", "709"), ("full", "limited")])
@pytest.mark.parametrize("name", ["changing.mkv", "changing.ts"])
def test_colours_are_the_same_after_a_seek(name: str, first: str, second: str, tmp_path: Path) -> None:
    uri = write_joined(tmp_path / name, [part(first, tmp_path, 60), part(second, tmp_path, 200)])
    for frames in ([255], [3, 200], [30]):
        found = shown(uri, frames)
        assert isinstance(found, list), found
        for number, colour in zip(frames, found, strict=True):
            assert near(colour, (RED, GREEN)[number % 2]), (number, colour)
