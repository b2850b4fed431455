"""The pipeline that one writes today for this job: Ray Data, decord opened for each tracklet, the same network."""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from par_model.model.weights import read_header

FRAMES = 6
BATCH = 8


def run(manifest: str, weights: str, pipe: Any) -> None:
    """Sends the seconds that it takes, start and all, and the number of rows."""
    import ray

    started = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    output = f"{Path(manifest).parent}/usual"
    preprocess = read_header(weights).preprocess
    (
        # Blocks so small that the model starts early; both stages as actors, for a task would be fused with the model.
        # Half a CPU each leaves one for reading and writing.
        ray.data.read_parquet(manifest, override_num_blocks=16)
        .map(Decode, fn_constructor_args=((preprocess.width, preprocess.height),), concurrency=1, num_cpus=0.5)
        .map_batches(Model, fn_constructor_args=(weights,), batch_size=BATCH, concurrency=1, num_cpus=0.5)
        .write_parquet(output)
    )
    pipe.send({"seconds": time.perf_counter() - started, "rows": pq.read_table(output).num_rows})


class Decode:
    """Crops of one row's tracklet, resized to ``size`` (width, height)."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        import decord
        from PIL import Image

        video = decord.VideoReader(row["video_uri"])
        length = len(row["frame_indices"])
        chosen = [int((i + 0.5) * length / FRAMES) for i in range(FRAMES)]
        pictures = video.get_batch([int(row["frame_indices"][i]) for i in chosen]).asnumpy()
        crops = []
        for picture, i in zip(pictures, chosen, strict=True):
            box = row["boxes"][i]
            corners = (box["x"], box["y"], box["x"] + box["w"], box["y"] + box["h"])
            crops.append(
                np.asarray(Image.fromarray(picture).crop(corners).resize(self._size, Image.Resampling.BICUBIC))
            )
        return {"tracklet_id": row["tracklet_id"], "pixels": np.stack(crops)}


class Model:
    """The recogniser on batches."""

    def __init__(self, weights: str) -> None:
        from par_model.model.stage import RecogniseStage

        self._stage = RecogniseStage(weights, device="cpu", batch_size=BATCH)
        self._rows = count()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        from par_model.types import Crops, Prediction

        frames = np.arange(FRAMES, dtype=np.int32)
        crops = [
            Crops(next(self._rows), str(name), FRAMES, frames, pixels)
            for name, pixels in zip(batch["tracklet_id"], batch["pixels"], strict=True)
        ]
        scores = [found.scores for found in self._stage(crops) if isinstance(found, Prediction)]
        return {"tracklet_id": batch["tracklet_id"], "scores": np.stack(scores)}
