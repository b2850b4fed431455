"""Manifests of a few rows, planned by many small tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from par_model.inference.planned import Planned
from par_model.inference.planning import Cutting, Desk, plan_by_tasks
from par_model.inference.survey import RowQuestion, Surveyed
from par_model.inference.units import UnitSize
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import Complaint
from par_model.manifest.schema import COLUMNS
from par_model.runs.output import Output
from tests.manifest.examples import on_images, on_video


def in_groups(path: Path, rows: list[dict[str, Any]], group: int = 2, **columns: Any) -> Path:
    """A manifest file of small row groups."""
    table = pa.Table.from_pylist(rows, schema=COLUMNS)
    for name, values in columns.items():
        table = table.append_column(name, values)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group)
    return path


def some_rows(count: int) -> list[dict[str, Any]]:
    rows = [
        on_video(f"t{i}", video_uri=f"/{i * 7 % 5}.mp4", frame_indices=[i, i + 9], boxes=None) for i in range(count)
    ]
    rows[::6] = [on_images(f"t{i}", f"/{i}.jpg", split="val") for i in range(0, count, 6)]
    return rows


def desk(folder: Path, job_id: str = "0a") -> Desk:
    class Asked:
        def verify(self) -> None: ...
        def look_only(self) -> Callable[[], None]:
            return self.verify

    return Desk(Output(str(folder)), Asked(), job_id)  # type: ignore[arg-type]


def accept(surveyed: Surveyed, twice: Complaint | None) -> Cutting:
    return Cutting(6, UnitSize(most=4, enough=2))


def by_tasks(manifest: Manifest, folder: Path, left_out: Any = None, question: RowQuestion | None = None) -> Planned:
    asked = question or RowQuestion.of(manifest, None, manifest.num_rows, ())
    return plan_by_tasks(desk(folder), manifest, asked, left_out, accept, map)
