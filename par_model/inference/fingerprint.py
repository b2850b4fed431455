"""What makes two jobs the same job, and two manifests hold the same tracklets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from par_model.errors import OutputError
from par_model.inference.options import InferOptions
from par_model.manifest.digest import row_digests
from par_model.manifest.read import Manifest
from par_model.manifest.selection import Selection
from par_model.manifest.tracklets import TRACKLET_COLUMNS
from par_model.model.weights import WeightsHeader
from par_model.runs.differences import Fingerprint, differing, refuse_differing
from par_model.video.options import BEFORE_RECORDED


def fingerprint_of(options: InferOptions, header: WeightsHeader, manifest: Manifest, frames: int) -> Fingerprint:
    """Everything that changes results, and nothing that does not (pool and batch sizes, addresses, timeouts).

    ``precision`` may still be ``auto``; it is settled when the device is known.
    """
    return {
        "manifest": manifest.content_fingerprint(),
        "weights": header.sha256,
        "schema": header.schema.name,
        "frames": frames,
        "sampling": options.sampling,
        **({"decode_budget": options.decode_budget} if options.sampling == "cheap" else {}),
        "seed": options.seed,
        "precision": options.precision,
        **options.decode.results(),
        "embedding": options.embedding,
        "zero_shot": options.zero_shot,
        "partition_by": list(options.partition_by),
        "limit": options.limit,
        "split": options.split,
    }


def refuse_other(output: str, recorded: Fingerprint, wanted: Fingerprint) -> None:
    """Raise OutputError, naming what differs, unless both are the same job. Precision ``auto`` fits any."""
    recorded = BEFORE_RECORDED | recorded
    if wanted["precision"] == "auto":
        wanted = wanted | {"precision": recorded.get("precision")}
    advice = "give another --output"
    if differing(recorded, wanted) == ["manifest"]:
        advice += ", or --add if the manifest only grew"
    refuse_differing(output, recorded, wanted, advice=advice)


def rows_digest(manifest: Manifest, selection: Selection, only: pa.Array | None = None) -> dict[str, Any]:
    """Count and digest of the selected rows' content, whatever their order and files.

    only: tracklet_ids to look at, None for all. The digest is the sum of the rows' own, so that it can be compared
    with that of the same rows inside a larger manifest.
    """
    columns = list(dict.fromkeys([*TRACKLET_COLUMNS, *manifest.pass_through]))

    def batches() -> Iterator[pa.RecordBatch]:
        for rows in selection.batches(manifest, columns):
            kept = rows if only is None else rows.filter(pc.is_in(rows["tracklet_id"], only))
            yield from kept.to_batches()

    count, total = 0, np.zeros(2, np.uint64)
    for digests in row_digests(batches()):
        count += len(digests)
        total += digests.sum(axis=0, dtype=np.uint64)
    return {"rows": count, "digest": "".join(f"{half:016x}" for half in total.tolist())}


def refuse_unless_grown(
    output: str, base: Mapping[str, Any], manifest: Manifest, selection: Selection, table_ids: pa.Array
) -> None:
    """Raise OutputError unless the manifest holds every tracklet of the table, each as it was.

    base: the digest that the table's run recorded.
    """
    found = rows_digest(manifest, selection, only=table_ids)
    if found["rows"] < base["rows"]:
        lacks = f"lacks {base['rows'] - found['rows']} of its {base['rows']} tracklets"
        raise OutputError(f"{output} cannot be added to: the manifest {lacks}; give the old manifest with more rows")
    if found["digest"] != base["digest"]:
        raise OutputError(
            f"{output} cannot be added to: the manifest describes some of its tracklets otherwise than when they were "
            f"recognised; keep old rows as they are, or give another --output"
        )
