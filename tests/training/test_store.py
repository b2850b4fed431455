"""Cached crops as a worker reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from par_model.training.cache import SHARD_SCHEMA
from par_model.training.store import CropStore, gather_shards


def crop(level: int) -> bytes:
    return bytes(simplejpeg.encode_jpeg(np.full((16, 8, 3), level, np.uint8)))


def shard(path: Path, *rows: dict[str, object]) -> str:
    pq.write_table(pa.Table.from_pylist([{"error": None, "message": None} | row for row in rows], SHARD_SCHEMA), path)
    return str(path)


def test_crops_of_all_shards_are_at_hand_by_id_and_failures_are_none(tmp_path: Path) -> None:
    one = shard(
        tmp_path / "a",
        {"tracklet_id": "a", "frames": [3, 5], "crops": [crop(10), crop(200)]},
        {"tracklet_id": "bad", "error": "video-timeout", "message": "too slow", "frames": [], "crops": []},
    )
    other = shard(tmp_path / "b", {"tracklet_id": "b", "frames": [1], "crops": [crop(90)]})
    gather_shards([one, other], str(tmp_path / "copy" / "crops.arrow"))
    store = CropStore(str(tmp_path / "copy" / "crops.arrow"))
    (tmp_path / "copy" / "crops.arrow").unlink()
    assert (store.num_frames("a"), store.num_frames("b")) == (2, 1)
    pixels = store.pixels("a", np.array([1, 0, 1]))
    assert (pixels.shape, pixels.dtype) == ((3, 16, 8, 3), np.uint8)
    assert np.abs(pixels[:, 0, 0, 0].astype(int) - [200, 10, 200]).max() <= 2
    assert abs(int(store.pixels("b", np.array([0]))[0, 5, 5, 1]) - 90) <= 2
