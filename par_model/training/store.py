"""Cached crops where a training process can reach any of them at once: one Arrow file on the machine's own disk.

Every worker of a machine maps the same file, so crops take memory once, and only as much as the system has to spare.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from numpy.typing import NDArray

from par_model import storage
from par_model.training.cache import SHARD_SCHEMA


def gather_shards(uris: Sequence[str], path: str) -> None:
    """Copy the tracklets of all shards that have crops into one Arrow file. Raises StorageError."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, SHARD_SCHEMA) as writer:
        for uri in uris:
            filesystem, place = storage.arrow_filesystem(uri)
            with storage.guard(uri, "read"):
                table = pq.read_table(place, filesystem=filesystem).cast(SHARD_SCHEMA)
            writer.write_table(table.filter(table["error"].is_null()))


class CropStore:
    """Crops by tracklet, from what ``gather_shards`` wrote. The file may be unlinked once this is open."""

    def __init__(self, path: str) -> None:
        self._map = pa.memory_map(path)
        reader = pa.ipc.open_file(self._map)
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._places = {
            tracklet_id: (batch.column("crops"), row)
            for batch in batches
            for row, tracklet_id in enumerate(batch.column("tracklet_id").to_pylist())
        }

    def num_frames(self, tracklet_id: str) -> int:
        """How many crops of a tracklet there are."""
        column, row = self._places[tracklet_id]
        return len(column[row])

    def pixels(self, tracklet_id: str, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        """uint8 [T, H, W, 3], RGB: the crops at T positions, which may repeat."""
        column, row = self._places[tracklet_id]
        crops = column[row].values
        decoded = {
            int(p): simplejpeg.decode_jpeg(memoryview(crops[int(p)].as_buffer()).cast("B"))
            for p in set(positions.tolist())
        }
        return np.stack([decoded[int(p)] for p in positions])
