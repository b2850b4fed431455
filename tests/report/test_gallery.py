"""The gallery's tracklets as the page's script reads them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from par_model.errors import OutputError
from par_model.report.gallery import BLOCK, gallery_rows, thumbnail_blocks
from par_model.report.thumbnails import Strip
from tests.report.results import SCHEMA, failed_row, ok_row


def rows(*given: dict[str, Any], strips: Any = None, right: Any = None) -> list[dict[str, Any]]:
    return gallery_rows(
        [{"error": None, "message": None} | row for row in given], SCHEMA.groups, strips or {}, right or {}
    )


def test_a_recognised_tracklet_has_positions_of_its_answers_and_thousandths() -> None:
    time = datetime(2026, 5, 1, 10, 30, tzinfo=timezone(timedelta(hours=2)))
    (row,) = rows(ok_row("a", "blue", backpack=0.9994, start_time=time), right={"a": [[0], None, [1]]})
    assert row == {
        "id": "a", "camera": "1", "time": "2026-05-01 08:30:00", "n": 2, "v": [1, 1, 0],
        "s": [100, 800, 100, 999, 100], "y": [[0], None, [1]],
    }  # fmt: skip
    assert time.astimezone(UTC).hour == 8


def test_a_failed_tracklet_has_its_error_and_no_answer() -> None:
    strips = {"b": Strip(None, missing="its video is gone")}
    (row,) = rows(failed_row("b"), strips=strips)
    assert row == {
        "id": "b", "camera": "2", "error": "video-not-found", "message": "cannot read it", "n": 5, "f": [],
        "miss": "its video is gone",
    }  # fmt: skip


def test_an_embedding_is_bytes_of_its_largest_value() -> None:
    (row,) = rows(ok_row("a", embedding=[0.5, -1.0, 0.0, 0.25]))
    assert np.frombuffer(base64.b64decode(row["e"]), np.int8).tolist() == [64, -127, 0, 32]
    (zero,) = rows(ok_row("a", embedding=[0.0, 0.0]))
    assert np.frombuffer(base64.b64decode(zero["e"]), np.int8).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"top_color": "pink"}, "tracklet 'a' has 'pink' for top_color, which run.json does not know"),
        ({"scores": None}, "its score of top_color_red is None: the table was changed"),
        ({"scores": dict.fromkeys(SCHEMA.score_fields, float("nan"))}, "its score of top_color_red is nan"),
    ],
)
def test_a_table_that_was_changed_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OutputError) as caught:
        rows(ok_row("a") | changes)
    assert said in str(caught.value)


def test_pictures_come_in_blocks_with_an_empty_text_for_those_that_lack() -> None:
    ids = [f"t{i}" for i in range(BLOCK + 1)]
    first, second = thumbnail_blocks(ids, {"t0": Strip(b"webp"), "t96": Strip(None)})
    assert (len(first), len(second)) == (BLOCK, 1)
    assert (base64.b64decode(first[0]), first[1], second) == (b"webp", "", [""])
