"""Small manifests to read, check and break."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from par_model.attributes import load_schema
from par_model.manifest.check import check
from par_model.manifest.read import Manifest
from par_model.manifest.schema import COLUMNS
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.types import Failure, Tracklet

NOON = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def box(x: float, y: float, w: float, h: float) -> dict[str, float]:
    return {"x": x, "y": y, "w": w, "h": h}


def on_video(tracklet_id: str | None, **changes: Any) -> dict[str, Any]:
    """A sound row of two frames of a video, with changes."""
    row = {
        "tracklet_id": tracklet_id,
        "video_uri": "/footage/a.mp4",
        "frame_indices": [3, 7],
        "boxes": [box(1.5, 2.0, 30.0, 60.25), box(4.0, 2.0, 30.0, 60.0)],
        "camera_id": "north",
        "start_time": NOON,
        "split": "train",
    }
    return row | changes


def on_images(tracklet_id: str, *uris: str | None, **changes: Any) -> dict[str, Any]:
    """A sound row of still crops, with changes."""
    return {"tracklet_id": tracklet_id, "image_uris": list(uris)} | changes


def write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema = COLUMNS, **columns: Any) -> str:
    """A manifest file of rows, with further columns; returns its path."""
    table = pa.Table.from_pylist(rows, schema=schema)
    for name, values in columns.items():
        table = table.append_column(name, values if isinstance(values, pa.Array) else pa.array(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return str(path)


def defects(uri: str, schema: str | None = None) -> list[tuple[int, str | None, str]]:
    """Row, id and code of each defect."""
    found = check(Manifest.open(uri), load_schema(schema) if schema else None)
    return [(d.row, d.tracklet_id, d.code.value) for d in found]


def converted(uri: str) -> list[Tracklet | Failure]:
    """What the rows become."""
    return [t for batch in Manifest.open(uri).iter_batches(TRACKLET_COLUMNS) for t in tracklets(batch)]
