"""Decoding once: the crops that training reads for many epochs, as Parquet shards of JPEG on the output's storage.

    FOLDER/<fingerprint>/shard-00000.parquet    one row a tracklet: its crops, or why it has none

A shard appears whole or not at all, holds neighbours of the same videos, and is written by whichever worker gets it; so
a cache that was interrupted goes on with the shards that are not there. What could not be decoded is tried again by
each run that begins, for footage may have come back. The fingerprint covers everything that changes a pixel. Quality 95
without chroma subsampling moves a pixel by about one level of 255.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import simplejpeg
from numpy.typing import NDArray

from par_model import storage
from par_model.manifest.read import Manifest
from par_model.manifest.schema import DEFECT, ROW
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.sampling import Sampling
from par_model.types import Crops, Failure, Preprocess
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage

_SHARD_TRACKLETS = 128
_QUALITY = 95

SHARD_SCHEMA = pa.schema(
    [
        ("tracklet_id", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("frames", pa.list_(pa.int32())),
        ("crops", pa.list_(pa.binary())),  # JPEG, as many as frames, at the network's size
    ]
)


@dataclass(frozen=True, eq=False)
class Shard:
    """One shard to write. rows: TRACKLET_COLUMNS, ``_row``, ``_defect``; may be sent to another machine.

    sampling: which frames are kept; repeats are kept once. again: what the shard has of other rows is kept. before: as
    of ``storage.atomic_writer``.
    """

    uri: str
    rows: pa.Table
    preprocess: Preprocess
    sampling: Sampling
    decode: DecodeOptions
    again: bool = False
    before: storage.Before | None = None

    def write(self) -> int:
        """Decode and write; the number of tracklets. Raises StorageError. What one tracklet does is its row's error."""
        stage = DecodeStage(self.preprocess, self.sampling, self.decode)
        try:
            rows = [_row(item) for item in stage(t for batch in self.rows.to_batches() for t in tracklets(batch))]
        finally:
            stage.close()
        table = pa.Table.from_pylist(rows, schema=SHARD_SCHEMA)
        if self.again:
            there = _read(self.uri).cast(SHARD_SCHEMA)
            table = pa.concat_tables([there.filter(there["error"].is_null()), table])
        with storage.atomic_writer(self.uri, self.before) as file:
            pq.write_table(table, file, compression="none")  # JPEG does not get smaller
        return len(rows)


def plan_shards(
    manifest: Manifest,
    rows: NDArray[np.int64],
    folder: str,
    *,
    content: str,
    preprocess: Preprocess,
    sampling: Sampling,
    decode: DecodeOptions,
) -> list[Shard]:
    """All shards of the tracklets in ``rows`` of a manifest. content: the manifest's fingerprint."""
    known = {
        "manifest": content,
        "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
        "preprocess": [preprocess.height, preprocess.width, preprocess.fit, list(preprocess.mean)],
        "frames": [sampling.policy, sampling.frames, *([sampling.decode_budget] if sampling.policy == "cheap" else [])],
        "decode": decode.results(),
        "shard": [_SHARD_TRACKLETS, _QUALITY],
    }
    fingerprint = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
    wanted = pa.array(rows)
    batches = [
        batch.filter(pc.is_in(batch.column(ROW), wanted)) for batch in manifest.iter_batches(list(TRACKLET_COLUMNS))
    ]
    table = pa.Table.from_batches(batches).select([*TRACKLET_COLUMNS, ROW, DEFECT])
    table = table.sort_by([("video_uri", "ascending"), ("video_stream", "ascending"), (ROW, "ascending")])
    return [
        Shard(
            uri=storage.join(folder, fingerprint, f"shard-{number:05d}.parquet"),
            rows=table.slice(start, _SHARD_TRACKLETS).combine_chunks(),
            preprocess=preprocess,
            sampling=sampling,
            decode=decode,
        )
        for number, start in enumerate(range(0, len(table), _SHARD_TRACKLETS))
    ]


def missing_shards(shards: Sequence[Shard]) -> list[Shard]:
    """What is left to write: shards that are not there (one listing a folder) or cannot be read, and of the others the
    rows that failed, to be tried again."""
    there = {file.uri for folder in {storage.parent(s.uri) for s in shards} for file in storage.list_files(folder)}
    found = []
    for shard in shards:
        try:
            table = _read(shard.uri, ["tracklet_id", "error"]) if shard.uri in there else None
        except pa.ArrowInvalid:
            table = None
        if table is None:
            found.append(shard)
        elif table["error"].null_count < len(table):
            good = table.filter(table["error"].is_null())["tracklet_id"]
            failed = pc.invert(pc.is_in(shard.rows["tracklet_id"], good))
            found.append(replace(shard, rows=shard.rows.filter(failed), again=True))
    return found


def failures(shards: Sequence[Shard]) -> dict[str, str]:
    """tracklet_id -> "code: message" of every tracklet that has no crops."""
    found: dict[str, str] = {}
    for shard in shards:
        table = _read(shard.uri, ["tracklet_id", "error", "message"])
        bad = table.filter(table["error"].is_valid())
        for row in bad.to_pylist():
            found[row["tracklet_id"]] = f"{row['error']}: {row['message']}"
    return found


def _read(uri: str, columns: list[str] | None = None) -> pa.Table:
    filesystem, path = storage.arrow_filesystem(uri)
    with storage.guard(uri, "read"):
        return pq.read_table(path, columns=columns, filesystem=filesystem)


def _row(item: Crops | Failure) -> dict[str, object]:
    if isinstance(item, Failure):
        return {"tracklet_id": item.tracklet_id, "error": item.code.value, "message": item.message}
    frames, first = np.unique(item.sampled_frames, return_index=True)
    return {"tracklet_id": item.tracklet_id, "frames": frames, "crops": [_jpeg(item.pixels[i]) for i in first]}


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=_QUALITY, colorspace="RGB", colorsubsampling="444"
    )
    return encoded
