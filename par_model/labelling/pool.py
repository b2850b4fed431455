"""The tracklets that a choice is made among: rows of a manifest without labels, with what a table says of them.

Dimension letters: B tracklets, E width of CLIP's embedding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.errors import ManifestError, OutputError
from par_model.evaluation.measures import Answers
from par_model.evaluation.predictions import read_predictions
from par_model.manifest.labels import PERSON
from par_model.manifest.read import Manifest
from par_model.manifest.schema import ROW
from par_model.table.read import finished_run, readable, run_table, schema_of
from par_model.times import with_offset

_HOUR = 3_600_000  # milliseconds
_HOURS = 24
_BATCH_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Said:
    """What a table says of B tracklets. untrained: classes that it does not tell. thresholds: of the classes, by their
    score fields; none where the run was made before these were recorded."""

    schema: AttributeSchema
    answers: Answers
    untrained: frozenset[str] = frozenset()
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def told(self) -> list[tuple[AttributeGroup, slice]]:
        """The groups that the table answers, with their classes among all."""
        spans = self.schema.spans()
        return [(group, span) for group, span in spans if self.untrained.isdisjoint(group.score_fields)]


@dataclass(frozen=True, eq=False)
class Pool:
    """B tracklets without labels, in manifest order.

    rows: positions in the manifest. people, cameras: None where the manifest says nothing. hours: of the day, in UTC,
    at which a tracklet starts. labelled: how many labelled tracklets each person has. said: None without a table.
    left_out: why other rows are not among them -> how many. covered: the share of each that others hide, where it is
    known.
    """

    rows: list[int]
    ids: list[str]
    people: list[str | None]
    cameras: list[str | None]
    hours: list[int | None]
    labelled: Counter[str] = field(default_factory=Counter)
    said: Said | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    covered: Sequence[float] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, keep: Sequence[int], left_out: dict[str, int], said: Said | None) -> Pool:
        """The tracklets at these positions, of which ``said`` is told; ``left_out`` says of the others."""
        return Pool(
            rows=[self.rows[at] for at in keep],
            ids=[self.ids[at] for at in keep],
            people=[self.people[at] for at in keep],
            cameras=[self.cameras[at] for at in keep],
            hours=[self.hours[at] for at in keep],
            labelled=self.labelled,
            said=said,
            left_out=self.left_out | left_out,
        )


def read_pool(manifest: Manifest, *, predictions: str | None, split: str | None) -> Pool:
    """The rows of ``split`` (None: all) that nobody has labelled, and that the table at ``predictions`` recognised.

    Raises ManifestError where there are none, OutputError where the table cannot be read.
    """
    pool = _unlabelled(manifest, split)
    if predictions is not None and len(pool):
        pool = _recognised(pool, predictions)
    if not len(pool):
        why = "; ".join(f"{why}: {count}" for why, count in pool.left_out.items() if count)
        raise ManifestError(f"manifest {manifest.uri}: no tracklet is left to choose ({why})")
    return pool


def read_embeddings(uri: str, ids: Sequence[str]) -> NDArray[np.float32]:
    """float32 [B, E]: the table's embedding of each tracklet. Raises OutputError where it has none."""
    table = run_table(uri, finished_run(uri))
    advice = "run `parjob infer --embedding` into another --output, or choose with --by uncertain"
    if "embedding" not in table.schema.names:
        raise OutputError(f"{uri} has no column embedding, by which tracklets are compared: {advice}")
    with readable(uri):
        rows = table.to_table(columns=["tracklet_id", "embedding"])
    rows = rows.filter(rows["embedding"].is_valid())
    row_of = {name: i for i, name in enumerate(rows["tracklet_id"].to_pylist())}
    without = [name for name in ids if name not in row_of]
    if without:
        raise OutputError(f"{uri} has no embedding of tracklet {without[0]!r}, which it recognised: {advice}")
    chosen = rows["embedding"].take(pa.array([row_of[name] for name in ids], pa.int64())).combine_chunks()
    values = chosen.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
    if len(values) % len(ids) or len(set(chosen.value_lengths().to_pylist())) != 1:
        raise OutputError(f"{uri} has embeddings of several lengths: {advice}")
    embeddings_BE: NDArray[np.float32] = values.reshape(len(ids), -1)
    return embeddings_BE


def _unlabelled(manifest: Manifest, split: str | None) -> Pool:
    names = ["tracklet_id", "camera_id", "start_time", "split", "labels"]
    has_people = PERSON in manifest.schema.names
    if has_people and pa.types.is_nested(kind := manifest.schema.field(PERSON).type):
        raise ManifestError(f"manifest {manifest.uri}: column {PERSON!r} is {kind}: give text or numbers")
    pool = Pool([], [], [], [], [])
    other_split = labelled = 0
    for batch in manifest.iter_batches([*names, PERSON] if has_people else names, _BATCH_ROWS):
        people = with_offset(batch.column(PERSON)).cast(pa.string()).to_pylist() if has_people else [None] * len(batch)
        ids, cameras, splits, rows = (
            batch.column(name).to_pylist() for name in ("tracklet_id", "camera_id", "split", ROW)
        )
        hours = _hours(batch.column("start_time"))
        for at, is_labelled in enumerate(_annotated(batch.column("labels")).tolist()):
            if is_labelled:
                labelled += 1
                pool.labelled.update(person for person in people[at : at + 1] if person is not None)
            elif split is not None and splits[at] != split:
                other_split += 1
            else:
                pool.rows.append(rows[at])
                pool.ids.append(ids[at])
                pool.people.append(people[at])
                pool.cameras.append(cameras[at])
                pool.hours.append(hours[at])
    pool.left_out.update({"labelled already": labelled, "of other splits": other_split})
    return pool


def _hours(times: pa.Array) -> list[int | None]:
    """By division, since Arrow would ask for a time-zone database."""
    return [None if ms is None else ms // _HOUR % _HOURS for ms in times.cast(pa.int64()).to_pylist()]


def _annotated(labels: pa.Array) -> NDArray[np.bool_]:
    """bool [B]: whether a row has a label of 1 or 0."""
    found = np.zeros(len(labels), bool)
    known = labels.flatten().fill_null(-1).to_numpy() >= 0
    found[pc.list_parent_indices(labels).to_numpy()[known]] = True
    return found


def _recognised(pool: Pool, predictions: str) -> Pool:
    record = finished_run(predictions)
    schema = schema_of(record)
    found = read_predictions(predictions, schema, pool.ids)
    keep = np.flatnonzero(found.answers.answered)
    answers = Answers(found.answers.scores[keep], found.answers.decided[keep], found.answers.answered[keep])
    left_out = {"failed in the table": found.failed, "not in the table": found.missing}
    thresholds = record["schema"].get("thresholds", {})
    return pool.where(keep.tolist(), left_out, Said(schema, answers, found.untrained, thresholds))
