"""The gallery's tracklets as the page's script reads them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import UTC
from math import isfinite
from typing import Any

import numpy as np

from par_model.attributes import AttributeGroup
from par_model.errors import OutputError
from par_model.report.thumbnails import Strip

BLOCK = 96  # strips in one block, which the browser parses when it shows one of them


def gallery_rows(
    rows: list[dict[str, Any]],
    groups: Sequence[AttributeGroup],
    strips: dict[str, Strip],
    right: dict[str, list[list[int] | None]],
) -> list[dict[str, Any]]:
    """One object a tracklet; what is not known is left out.

    id, camera, time; error and message of a failed one; v: per group the position of its answer, or null; s: per class
    its score in thousandths; y: per group the positions of the right answers, or null; n: frames before sampling;
    f: the frames shown; miss: why none are; e: the embedding, as int8 in base64.
    """
    return [_row(row, groups, strips.get(row["tracklet_id"]), right.get(row["tracklet_id"])) for row in rows]


def _row(
    row: dict[str, Any], groups: Sequence[AttributeGroup], strip: Strip | None, right: list[list[int] | None] | None
) -> dict[str, Any]:
    time = row.get("start_time")
    found = {
        "id": row["tracklet_id"],
        "camera": row.get("camera_id"),
        "time": None if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "error": row["error"],
        "message": row["message"],
        "n": row["num_frames"],
        "y": right,
    }
    if row["error"] is None:
        found["v"] = [_position(group, row[group.column], row["tracklet_id"]) for group in groups]
        found["s"] = [_thousandths(row, name) for group in groups for name in group.score_fields]
    if strip is not None:
        found |= {"f": list(strip.frames), "miss": strip.missing}
    if row.get("embedding"):
        found["e"] = _bytes(row["embedding"])
    return {name: value for name, value in found.items() if value is not None}


def _position(group: AttributeGroup, value: Any, tracklet_id: str) -> int | None:
    if value is None:
        return None
    if group.kind == "binary":
        return int(value)
    if value not in group.values:
        raise OutputError(f"tracklet {tracklet_id!r} has {value!r} for {group.name}, which run.json does not know")
    return group.values.index(value)


def _thousandths(row: dict[str, Any], name: str) -> int:
    score = (row["scores"] or {}).get(name)
    if score is None or not isfinite(score):
        raise OutputError(
            f"tracklet {row['tracklet_id']!r} is recognised, but its score of {name} is {score}: the table was changed "
            f"after `parjob infer` wrote it"
        )
    return round(1000 * float(score))


def _bytes(embedding: list[float]) -> str:
    values = np.asarray(embedding, np.float32)
    largest = float(np.abs(values).max()) or 1.0
    return base64.b64encode(np.rint(values / largest * 127).astype(np.int8).tobytes()).decode()


def thumbnail_blocks(ids: Sequence[str], strips: dict[str, Strip]) -> Iterator[list[str]]:
    """The strips of BLOCK tracklets at a time in base64, an empty text where there is none."""
    for start in range(0, len(ids), BLOCK):
        yield [_base64(strips.get(tracklet_id)) for tracklet_id in ids[start : start + BLOCK]]


def _base64(strip: Strip | None) -> str:
    return "" if strip is None or strip.webp is None else base64.b64encode(strip.webp).decode()
