"""A finished run made up for tests of the report: its table, its run.json, a labelled manifest and its evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from par_model.attributes import AttributeSchema
from par_model.evaluation.job import run_evaluation
from par_model.evaluation.options import EvaluateOptions
from par_model.manifest.write import write_manifest
from par_model.table.schema import table_schema

SCHEMA = AttributeSchema.parse(
    """
    name = "small"
    [[groups]]
    name = "top_color"
    kind = "exclusive"
    classes = [{ value = "red", text = "r" }, { value = "blue", text = "b" }, { value = "green", text = "g" }]
    [[groups]]
    name = "backpack"
    kind = "binary"
    text = "a backpack"
    [[groups]]
    name = "hat"
    kind = "binary"
    text = "a hat"
    """,
    "test",
)
COLOURS = ("red", "blue", "green")
_FIELDS = [pa.field("tracklet_id", pa.string()), pa.field("camera_id", pa.string())]


def ok_row(tracklet_id: str, colour: str = "red", *, backpack: float = 0.1, hat: float = 0.1, **more: Any) -> Any:
    """A recognised tracklet: its colour with a score of 0.8, the others with 0.1; the two scores of the rest."""
    scores = {f"top_color_{c}": 0.8 if c == colour else 0.1 for c in COLOURS} | {"backpack": backpack, "hat": hat}
    return {
        "tracklet_id": tracklet_id,
        "camera_id": "1",
        "status": "ok",
        "top_color": colour,
        "top_color_score": 0.8,
        "backpack": backpack > 0.5,
        "backpack_score": backpack,
        "hat": hat > 0.5,
        "hat_score": hat,
        "scores": scores,
        "sampled_frames": [0, 0, 1],
        "num_frames": 2,
    } | more


def failed_row(tracklet_id: str, error: str = "video-not-found", message: str = "cannot read it") -> Any:
    """A failed tracklet."""
    failed = {"status": "failed", "error": error, "message": message, "num_frames": 5}
    return {"tracklet_id": tracklet_id, "camera_id": "2"} | failed


def write_result(folder: Path, rows: list[Any], labels: dict[str, list[int]] | None = None) -> Path:
    """OUT of ``infer`` below ``folder``, with manifest.parquet beside it: each tracklet is two stills, red and blue.

    With ``labels`` (tracklet_id -> red, blue, green, backpack, hat) also the evaluation, in ``scores``. Returns OUT.
    """
    for name, colour in (("a.png", (200, 30, 30)), ("b.png", (30, 30, 200))):
        Image.fromarray(np.full((40, 20, 3), colour, np.uint8)).save(folder / name)
    stills = [str(folder / "a.png"), str(folder / "b.png")]
    known = labels or {}
    write_manifest(
        str(folder / "manifest.parquet"),
        [{"tracklet_id": r["tracklet_id"], "image_uris": stills, "labels": known.get(r["tracklet_id"])} for r in rows],
        label_schema=SCHEMA,
    )
    out = folder / "out"
    (out / "attributes").mkdir(parents=True)
    schema = table_schema(_FIELDS, SCHEMA, embedding="embedding" in rows[0])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out / "attributes" / "part-00000.parquet")
    (out / "run.json").write_text(json.dumps(_summary(folder, rows)))
    if labels:
        manifest = str(folder / "manifest.parquet")
        run_evaluation(EvaluateOptions(manifest, str(out), str(folder / "scores"), resamples=20))
    return out


def _summary(folder: Path, rows: list[Any]) -> dict[str, Any]:
    errors = [row["error"] for row in rows if row["status"] == "failed"]
    busy = {"workers": 1, "busy_seconds": 1.0, "busy_share": 0.5, "tracklets_per_busy_second": 10.0}
    decode = {"frames_decoded": 9, "frames_needed": 7, "videos_opened": 2, "seeks_refuted": 0, "bytes_read": 5}
    return {
        "command": "infer",
        "run_id": "abc",
        "started": "2026-01-02T03:04:05+00:00",
        "seconds": 12.5,
        "options": {"decoder": "pyav", "damaged": "fail", "video_timeout": 900.0},
        "versions": {"par_model": "0"},
        "manifest": {"uri": str(folder / "manifest.parquet")},
        "weights": {"uri": "w", "sha256": "00", "model_id": "0"},
        "schema": {
            "name": "small",
            "untrained": [],
            "groups": {g.name: [c.value for c in g.classes] for g in SCHEMA.groups},
            "toml": SCHEMA.to_toml(),
        },
        "counts": {
            "tracklets": len(rows),
            "status": {"ok": len(rows) - len(errors), "failed": len(errors)},
            "error": {code: errors.count(code) for code in sorted(set(errors))},
        },
        "stages": {
            "startup_seconds": 1.0,
            "tracklets_per_second": 3.5,
            "decode": busy | decode,
            "model": busy,
            "held_back_by": "model",
        },
        "partitions": {},
        "fingerprint": {},
    }
