"""What a manifest holds, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model import times
from par_model.manifest.read import Manifest
from par_model.manifest.schema import DEFECT, ROW

_EXAMPLES = 3
_SUMMED = ("tracklet_id", "video_uri", "image_uris", "frame_indices", "camera_id", "split", "labels")


@dataclass(frozen=True)
class LabelCounts:
    """Tracklets by their label of one class."""

    name: str
    positive: int
    negative: int
    not_annotated: int


@dataclass(frozen=True)
class Summary:
    """frames: boxes of video tracklets; images: stills. cameras, splits: tracklets of each, None for those without.

    labelled: tracklets with a label of 0 or 1.
    """

    rows: int
    files: int
    tracklets: int
    videos: int
    frames: int
    images: int
    cameras: dict[str | None, int]
    splits: dict[str | None, int]
    labelled: int
    labels: list[LabelCounts]
    columns: dict[str, str]
    examples: list[dict[str, Any]]


def summarise(manifest: Manifest) -> Summary:
    """Read the manifest once. Memory grows with the number of videos and cameras only."""
    videos: set[str] = set()
    cameras: Counter[str | None] = Counter()
    splits: Counter[str | None] = Counter()
    ids = frames = images = 0
    labels = _LabelSums(manifest)
    for batch in manifest.iter_batches(_SUMMED):
        ids += pc.sum(pc.not_equal(batch.column("tracklet_id"), "")).as_py() or 0
        videos.update(batch.column("video_uri").drop_null().unique().to_pylist())
        frames += _values(batch.column("frame_indices"))
        images += _values(batch.column("image_uris"))
        for counter, name in ((cameras, "camera_id"), (splits, "split")):
            counter.update({pair["values"]: pair["counts"] for pair in batch.column(name).value_counts().to_pylist()})
        labels.add(batch.column("labels"))
    return Summary(
        rows=manifest.num_rows,
        files=len(manifest.files),
        tracklets=ids,
        videos=len(videos),
        frames=frames,
        images=images,
        cameras=dict(cameras.most_common()),
        splits=dict(splits.most_common()),
        labelled=labels.rows,
        labels=labels.counts(),
        columns={name: str(manifest.schema.field(name).type) for name in _readable(manifest)},
        examples=_examples(manifest),
    )


class _LabelSums:
    """Label counts by class, over the rows whose labels are as long as the schema, or as the first labelled row."""

    def __init__(self, manifest: Manifest) -> None:
        schema = manifest.label_schema
        self.names = schema.score_fields if schema is not None else None
        self.rows = 0
        self.sums: NDArray[np.int64] | None = None  # [3, C]: label 1, 0, -1

    def add(self, labels: pa.Array) -> None:
        lengths = pc.list_value_length(labels)
        if self.sums is None:
            known = lengths.drop_null()
            if not len(known):
                return
            classes = len(self.names) if self.names is not None else known[0].as_py()
            self.sums = np.zeros((3, classes), np.int64)
        classes = self.sums.shape[1]
        fitting = labels.filter(pc.fill_null(pc.equal(lengths, classes), False))
        values = fitting.flatten().fill_null(-1).to_numpy().reshape(len(fitting), classes)
        self.rows += int((values != -1).any(axis=1).sum())
        self.sums += np.stack([(values == label).sum(axis=0) for label in (1, 0, -1)])

    def counts(self) -> list[LabelCounts]:
        if self.sums is None:
            return []
        names = self.names or [f"class {i}" for i in range(self.sums.shape[1])]
        return [LabelCounts(name, *column) for name, column in zip(names, self.sums.T.tolist(), strict=True)]


def _values(lists: pa.Array) -> int:
    return pc.sum(pc.list_value_length(lists)).as_py() or 0


def _readable(manifest: Manifest) -> list[str]:
    return [name for name in manifest.column_names if name in manifest.schema.names]


def _examples(manifest: Manifest) -> list[dict[str, Any]]:
    for batch in manifest.iter_batches(_readable(manifest), rows_per_batch=_EXAMPLES):
        rows = times.to_pylist(batch.slice(0, _EXAMPLES))
        return [{"row": row.pop(ROW)} | {k: v for k, v in row.items() if k != DEFECT} for row in rows]
    return []
