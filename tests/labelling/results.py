"""A finished run made up for tests of choosing: its table with embeddings, and a manifest with cameras and people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from par_model.manifest.write import write_manifest
from tests.report.results import COLOURS, failed_row, ok_row, write_result

MORNING = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
PERSON = pa.field("person_id", pa.string())


def embedding(cluster: int) -> list[float]:
    """One of eight directions."""
    return [float(i == cluster) for i in range(8)]


def write_run(folder: Path, *, embeddings: bool = True) -> tuple[Path, Path]:
    """OUT and manifest of 40 tracklets, t00 to t39, of 20 people on two cameras; t39 failed.

    Tracklet 2n and 2n + 1 are of person n; t00 to t07 are the only ones whose backpack is near the threshold of 0.5.
    """
    rng = np.random.default_rng(7)
    rows: list[Any] = []
    for i in range(39):
        backpack = 0.46 + 0.01 * i if i < 8 else float(rng.choice([0.02, 0.97]))
        more = {"embedding": embedding(i % 8)} if embeddings else {}
        rows.append(ok_row(f"t{i:02}", COLOURS[i % 3], backpack=backpack, hat=0.03, **more))
    rows.append(failed_row("t39"))
    out = write_result(folder, rows)
    manifest = folder / "people.parquet"
    write_manifest(str(manifest), [manifest_row(i) for i in range(40)], further=[PERSON])
    return out, manifest


def manifest_row(i: int) -> dict[str, Any]:
    """Of tracklet i: two stills."""
    return {
        "tracklet_id": f"t{i:02}",
        "image_uris": ["a.png", "b.png"],
        "camera_id": "ab"[i % 2],
        "start_time": MORNING + timedelta(hours=i % 3),
        "person_id": f"p{i // 2}",
    }
