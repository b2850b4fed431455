"""What makes two jobs the same job, and two manifests hold the same tracklets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from par_model.errors import OutputError
from par_model.inference.options import InferOptions
from par_model.inference.survey import Surveyed, digest_text
from par_model.manifest.read import Manifest
from par_model.model.weights import WeightsHeader
from par_model.runs.differences import Fingerprint, differing, refuse_differing
from par_model.video.options import BEFORE_RECORDED

_BEFORE_RECORDED: dict[str, Any] = {"embedding_type": "list", "sort_by": []}


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
        "embedding_type": options.embedding_type,
        "zero_shot": options.zero_shot,
        "partition_by": list(options.partition_by),
        "sort_by": list(options.sort_by),
        "limit": options.limit,
        "split": options.split,
    }


def refuse_other(output: str, recorded: Fingerprint, wanted: Fingerprint) -> None:
    """Raise OutputError, naming what differs, unless both are the same job. Precision ``auto`` fits any."""
    recorded, wanted = _comparable(recorded, wanted)
    advice = "give another --output"
    if differing(recorded, wanted) == ["manifest"]:
        advice += ", or --add if the manifest only grew"
    refuse_differing(output, recorded, wanted, advice=advice)


def is_same(recorded: Fingerprint, wanted: Fingerprint) -> bool:
    """Whether both are the same job."""
    return not differing(*_comparable(recorded, wanted))


def _comparable(recorded: Fingerprint, wanted: Fingerprint) -> tuple[Fingerprint, Fingerprint]:
    recorded = _BEFORE_RECORDED | BEFORE_RECORDED | recorded
    return recorded, wanted | ({"precision": recorded.get("precision")} if wanted["precision"] == "auto" else {})


def refuse_unless_grown(output: str, base: Mapping[str, Any], surveyed: Surveyed) -> None:
    """Raise OutputError unless the manifest holds every tracklet of the table, each as it was.

    base: the count and the digest that the table's run recorded. surveyed: with the table's tracklets left out.
    """
    if surveyed.left_out < base["rows"]:
        lacks = f"lacks {base['rows'] - surveyed.left_out} of its {base['rows']} tracklets"
        raise OutputError(f"{output} cannot be added to: the manifest {lacks}; give the old manifest with more rows")
    if digest_text(surveyed.digest_left_out) != base["digest"]:
        raise OutputError(
            f"{output} cannot be added to: the manifest describes some of its tracklets otherwise than when they were "
            f"recognised; keep old rows as they are, or give another --output"
        )
