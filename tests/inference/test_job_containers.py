"""One stream in four containers gives one table."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from par_model.inference.job import run_inference
from par_model.inference.local import LocalRunner
from par_model.inference.options import InferOptions
from tests.video.frame_numbers import write_clip

CONTAINERS = ("mp4", "avi", "mkv", "ts")
OPTIONS = {"g": "30", "bf": "2", "sc_threshold": "0"}


def copies(folder: Path) -> list[Path]:
    """The same stream in each container: x264 encodes the same pictures to the same packets."""
    return [write_clip(folder / f"clip.{extension}", 120, options=OPTIONS) for extension in CONTAINERS]


def write_manifest(video: Path, place: Path) -> Path:
    """Twelve tracklets, some short, some late, some of a few frames far apart."""
    draw = np.random.default_rng(5)
    box = pa.struct([(side, pa.float32()) for side in "xywh"])
    rows: dict[str, list[object]] = {"tracklet_id": [], "video_uri": [], "frame_indices": [], "boxes": []}
    for i in range(12):
        count = int(draw.choice([1, 4, 30]))
        frames = np.sort(draw.choice(120, count, replace=False))
        corners = draw.uniform(0, 60, (count, 2))
        rows["tracklet_id"].append(f"t{i}")
        rows["video_uri"].append(str(video))
        rows["frame_indices"].append(frames.tolist())
        rows["boxes"].append([{"x": x, "y": y, "w": 80.0, "h": 40.0} for x, y in corners.tolist()])
    types = [pa.string(), pa.string(), pa.list_(pa.int32()), pa.list_(box)]
    columns = {name: pa.array(values, type_) for (name, values), type_ in zip(rows.items(), types, strict=True)}
    pq.write_table(pa.table(columns), place)
    return place


def test_the_container_does_not_matter(tiny_weights: Path, tmp_path: Path) -> None:
    tables = []
    for video in copies(tmp_path):
        manifest = write_manifest(video, tmp_path / f"{video.suffix[1:]}.parquet")
        output = tmp_path / f"out-{video.suffix[1:]}"
        asked = InferOptions(manifest=str(manifest), weights=str(tiny_weights), output=str(output))
        run_inference(asked, lambda: nullcontext(LocalRunner("cpu")))
        tables.append(pq.read_table(output / "attributes").drop_columns(["video_uri", "run_id"]))
    assert tables[0]["status"].to_pylist() == ["ok"] * 12
    for other in tables[1:]:
        assert other["sampled_frames"].equals(tables[0]["sampled_frames"])
        for field in tables[0]["scores"].type:
            ours, theirs = (t["scores"].combine_chunks().field(field.name).to_numpy() for t in (tables[0], other))
            np.testing.assert_allclose(theirs, ours, atol=1e-6)
    # Scores that the frame does not change would prove nothing.
    first = tables[0]["scores"].combine_chunks().field(0).to_numpy()
    assert np.ptp(first) > 1e-4
