"""What a table says, beside what is annotated: confusion of exclusive groups, and the mistakes of single tracklets.

Dimension letters: B tracklets, G classes of one group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model.attributes import AttributeGroup, load_schema
from par_model.errors import ParError, SchemaError
from par_model.manifest.labels import Labels, read_labels
from par_model.manifest.read import Manifest

NOTHING = "nothing"


@dataclass(frozen=True, eq=False)
class Truth:
    """The labelled tracklets that the evaluation scored. labels: as ``read_labels``; groups: the table's."""

    labels: Labels
    groups: tuple[AttributeGroup, ...]

    @property
    def ids(self) -> pa.Table:
        """Their tracklet_id."""
        return pa.table({"tracklet_id": pa.array(self.labels.ids, pa.string())})

    def right_answers(self, ids: Sequence[str]) -> dict[str, list[list[int] | None]]:
        """For each tracklet that is labelled, group by group the answers that are right (see ``right_values``)."""
        wanted = set(ids)
        found = {}
        for row, tracklet_id in enumerate(self.labels.ids):
            if tracklet_id in wanted:
                found[tracklet_id] = [
                    right_values(self.labels.values[row, span], group.kind == "binary")
                    for group, span in zip(self.groups, spans(self.groups), strict=True)
                ]
        return found

    def confusion(self, answers: pa.Table) -> dict[str, NDArray[np.int64]]:
        """For each exclusive group int64 [values, values + 1]: the annotated class by what the table says, the last
        column for what failed or is missing. answers: ``Result.answers``. A row with two annotated classes counts
        under both; one with none under none."""
        ids = pa.array(self.labels.ids, pa.string())
        at = pc.index_in(ids, answers["tracklet_id"].combine_chunks())
        found = {}
        for group, span in zip(self.groups, spans(self.groups), strict=True):
            if group.kind == "exclusive":
                said = answers[group.column].combine_chunks().take(at)
                said_B = pc.index_in(said, pa.array(group.values)).fill_null(len(group.values)).to_numpy()
                found[group.name] = count_confusion(self.labels.values[:, span], said_B)
        return found


def spans(groups: Sequence[AttributeGroup]) -> list[slice]:
    """Each group's columns among the labels."""
    ends = np.cumsum([len(group.values) for group in groups]).tolist()
    return [slice(end - len(group.values), end) for group, end in zip(groups, ends, strict=True)]


def right_values(labels_G: NDArray[np.int8], binary: bool) -> list[int] | None:
    """Positions among the group's answers that its labels call right; None where they do not tell."""
    if binary:
        return None if labels_G[0] < 0 else [int(labels_G[0])]
    return np.flatnonzero(labels_G > 0).tolist() or None


def count_confusion(labels_BG: NDArray[np.int8], said_B: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [G, G + 1] of labels [B, G] and the position [B] of what was said, G for nothing."""
    classes = labels_BG.shape[1]
    counts = np.zeros((classes, classes + 1), np.int64)
    rows, truth = np.nonzero(labels_BG > 0)
    np.add.at(counts, (truth, said_B[rows]), 1)
    return counts


def read_truth(metrics: dict[str, Any], manifest: Manifest, groups: tuple[AttributeGroup, ...]) -> Truth:
    """The labels that ``metrics`` are about. Raises ParError where they cannot be had."""
    given = metrics.get("schema_uri")
    schema = load_schema(given) if given else manifest.label_schema or load_schema(str(metrics["schema"]))
    if [(g.column, g.values) for g in schema.groups] != [(g.column, g.values) for g in groups]:
        raise SchemaError(f"the labels of {manifest.uri} follow another schema than the table")
    labels = read_labels(manifest, schema, labelled_by=schema)
    split = metrics["split"]
    kept = labels.where(np.array([split is None or s == split for s in labels.splits], bool) & labels.annotated)
    if len(kept) != metrics["counts"]["labelled"]:
        raise ParError(
            f"{manifest.uri} has {len(kept)} labelled tracklets, the evaluation scored {metrics['counts']['labelled']}"
        )
    return Truth(kept, groups)
