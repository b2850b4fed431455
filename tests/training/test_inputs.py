"""What a worker reads: the same crops in the same order, whoever reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from par_model.training.cache import SHARD_SCHEMA
from par_model.training.inputs import Examples, Reader
from par_model.training.store import CropStore, gather_shards

EXAMPLES = Examples(("t0", "t1"), np.ones((2, 1), np.int8))


def written_store(folder: Path) -> CropStore:
    """Eight crops of each of two tracklets, all of them different."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "tracklet_id": f"t{i}",
            "frames": list(range(8)),
            "crops": [simplejpeg.encode_jpeg(rng.integers(0, 256, (16, 8, 3)).astype(np.uint8)) for _ in range(8)],
        }
        for i in range(2)
    ]
    pq.write_table(pa.Table.from_pylist(rows, SHARD_SCHEMA), folder / "shard")
    gather_shards([str(folder / "shard")], str(folder / "crops.arrow"))
    return CropStore(str(folder / "crops.arrow"))


def test_each_epoch_draws_other_frames_in_time_order(tmp_path: Path) -> None:
    store = written_store(tmp_path)
    reader = Reader(store, EXAMPLES, 3, "random", 0)
    first, again, second = (reader.read(np.array([0, 1]), epoch).pixels for epoch in (1, 1, 2))
    assert first is not None
    assert second is not None
    assert np.array_equal(first, again)
    assert not np.array_equal(first, second)
    whole = store.pixels("t0", np.arange(8))
    indices = [next(i for i in range(8) if np.array_equal(whole[i], crop)) for crop in first[0]]
    assert indices == sorted(indices)
    batches = list(reader.batches([np.array([1]), np.array([], np.int64), np.array([0])], 1))
    assert [batch.ids for batch in batches] == [("t1",), (), ("t0",)]
    assert batches[1].pixels is None
    assert list(reader.batches([], 1)) == []


def test_threads_of_a_reader_change_neither_crops_nor_order(tmp_path: Path) -> None:
    store = written_store(tmp_path)
    parts = [np.array([n % 2]) for n in range(9)]
    one, many = (list(Reader(store, EXAMPLES, 3, "random", 0, threads).batches(parts, 1)) for threads in (1, 4))
    assert [batch.ids for batch in many] == [(f"t{n % 2}",) for n in range(9)]
    for a, b in zip(one, many, strict=True):
        assert np.array_equal(a.pixels, b.pixels)  # type: ignore[arg-type]
