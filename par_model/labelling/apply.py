"""Answers of several people put into a manifest: labels, splits, and who said what.

Dimension letters: B tracklets, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model import storage
from par_model.attributes import AttributeSchema, load_schema
from par_model.errors import ManifestError, SchemaError, UsageError
from par_model.labelling.answers import (
    COLUMN,
    FIELD,
    LabelAnswer,
    common_schema,
    from_column,
    labels_of,
    read_answers,
    to_column,
)
from par_model.labelling.kappa import GroupAgreement, agreements
from par_model.labelling.merge import Voices, gather_voices, majority
from par_model.labelling.options import ApplyOptions
from par_model.labelling.splits import Divided, divide
from par_model.manifest.labels import Labels, read_labels
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.manifest.rewrite import refuse_own_place, whole_batches, write_whole
from par_model.manifest.schema import COLUMNS, ROW, SPLITS
from par_model.wording import listed

_LABELS, _SPLIT = COLUMNS.field("labels"), COLUMNS.field("split")
_SHOWN = 3  # tracklets that a refusal names


@dataclass(frozen=True)
class Applied:
    """What was written.

    rows: of the manifest. labelled: with a label of 1 or 0. authors: how many answers each gave, those of the manifest
    among them. agreements: a group each. undecided: group -> tracklets on which no answer has more than half. changed:
    labels of 1 or 0 that the manifest had and that are others now. splits: labelled tracklets of each, None for none.
    lone: labelled tracklets without a person_id, each of which was divided as a person of its own.
    """

    output: str
    rows: int
    labelled: int
    authors: dict[str, int]
    agreements: list[GroupAgreement]
    undecided: dict[str, int]
    changed: int
    splits: dict[str | None, int]
    lone: int


def run_apply(options: ApplyOptions) -> Applied:
    """Merge, divide, and write the labelled manifest. Raises ParError; then nothing was written."""
    files = [read_answers(uri) for uri in options.answers]
    manifest = Manifest.open(options.manifest)
    refuse_ambiguous(manifest, None)
    refuse_own_place(manifest, options.output)
    if storage.canonical(options.output) in map(storage.canonical, options.answers):
        raise UsageError(f"--output {options.output} is a file of answers, which would be lost")
    schema = _schema(options, manifest, common_schema(files))
    before = _labels_before(manifest, schema, is_given=options.schema is not None)
    known = set(before.ids)
    for file in files:
        _refuse_strangers(file.uri, file.answers, known, options.manifest)
    voices = gather_voices([*_kept(manifest, schema), *(said for file in files for said in file.answers)])
    values_BC, undecided = _merged(before, voices, schema)
    splits = _splits(options, manifest, before, values_BC)
    _write(manifest, options.output, schema, values_BC, splits, voices)
    has_label = np.count_nonzero(values_BC >= 0, axis=1) > 0
    known_before = (before.values >= 0) & (values_BC != before.values)
    return Applied(
        output=options.output,
        rows=len(before),
        labelled=int(has_label.sum()),
        authors=dict(Counter(said.author for said in _all(voices)).most_common()),
        agreements=agreements(voices, schema),
        undecided=undecided,
        changed=int(known_before.sum()),
        splits=_counts(split for split, counts in zip(splits, has_label, strict=True) if counts),
        lone=_lone(options, before, has_label),
    )


def _schema(options: ApplyOptions, manifest: Manifest, of_answers: AttributeSchema) -> AttributeSchema:
    given = load_schema(options.schema) if options.schema is not None else None
    for other, whose in ((given, f"--schema {options.schema}"), (manifest.label_schema, f"manifest {manifest.uri}")):
        if other is not None and other != of_answers:
            raise SchemaError(
                f"{whose}: has another schema ({other.name}) than the answers ({of_answers.name}): label with the same"
            )
    return of_answers


def _labels_before(manifest: Manifest, schema: AttributeSchema, *, is_given: bool) -> Labels:
    labels = read_labels(manifest, schema, labelled_by=schema)
    if manifest.label_schema is None and not is_given and labels.annotated.any():
        raise ManifestError(
            f"manifest {manifest.uri}: has labels and does not say of which schema: if they follow that of the "
            f"answers, say so with --schema ({schema.name}); else leave out the column labels"
        )
    return labels


def _refuse_strangers(uri: str, answers: tuple[LabelAnswer, ...], known: set[str], manifest: str) -> None:
    strange = list(dict.fromkeys(said.tracklet_id for said in answers if said.tracklet_id not in known))
    if strange:
        shown = listed(map(repr, strange), _SHOWN)
        raise ManifestError(
            f"answers {uri}: manifest {manifest} has no tracklet {shown}: give the manifest that was labelled, "
            "or the one that it was chosen from"
        )


def _kept(manifest: Manifest, schema: AttributeSchema) -> Iterator[LabelAnswer]:
    """The answers that the manifest keeps from before."""
    if COLUMN in manifest.column_names:
        for batch in whole_batches(manifest, ["tracklet_id", COLUMN]):
            ids = batch.column("tracklet_id").to_pylist()
            yield from from_column(ids, batch.column(COLUMN), schema, f"manifest {manifest.uri}")


def _merged(before: Labels, voices: Voices, schema: AttributeSchema) -> tuple[NDArray[np.int8], dict[str, int]]:
    """Labels int8 [B, C], and group -> tracklets without a majority. What nobody was asked stays as it was."""
    values_BC = before.values.copy()
    undecided: Counter[str] = Counter()
    for at, tracklet_id in enumerate(before.ids):
        of_groups = voices.get(tracklet_id)
        if of_groups is None:
            continue
        for group, span in schema.spans():
            if group.name in of_groups:
                said = [of.answer for of in of_groups[group.name].values()]
                values_BC[at, span] = labels_of(group, winner := majority(said))
                undecided[group.name] += winner is None and 2 * said.count(None) <= len(said)
    return values_BC, dict(+undecided)


def _splits(options: ApplyOptions, manifest: Manifest, before: Labels, values_BC: NDArray[np.int8]) -> list[str | None]:
    if options.split_shares is None:
        return before.splits
    cameras = [name for batch in whole_batches(manifest, ["camera_id"]) for name in batch.column(0).to_pylist()]
    tracklets = []
    for at, tracklet_id in enumerate(before.ids):
        person, camera = before.people[at], cameras[at]
        by_person = person is not None and "person" in options.split_by
        keys = [("person", str(person)) if by_person else ("tracklet", tracklet_id)]
        if camera is not None and "camera" in options.split_by:
            keys.append(("camera", camera))
        tracklets.append(Divided(tuple(keys), before.splits[at], bool((values_BC[at] >= 0).any())))
    return divide(tracklets, options.split_shares, options.seed, options.manifest)


def _lone(options: ApplyOptions, before: Labels, has_label: NDArray[np.bool_]) -> int:
    if options.split_shares is None or "person" not in options.split_by:
        return 0
    return sum(counts and person is None for counts, person in zip(has_label.tolist(), before.people, strict=True))


def _counts(splits: Iterable[str | None]) -> dict[str | None, int]:
    counts = Counter(splits)
    return {split: counts[split] for split in dict.fromkeys([*SPLITS, *counts]) if counts[split]}


def _write(
    manifest: Manifest,
    output: str,
    schema: AttributeSchema,
    values_BC: NDArray[np.int8],
    splits: list[str | None],
    voices: Voices,
) -> None:
    changed = (_SPLIT, _LABELS, FIELD)
    names = [name for name in manifest.column_names if name not in {field.name for field in changed}]
    columns = pa.schema([*(manifest.schema.field(name) for name in names), *changed])

    def batches() -> Iterator[pa.Table]:
        for batch in whole_batches(manifest, names):
            rows = batch.column(ROW).to_pylist()
            labels = [values_BC[row].tolist() if (values_BC[row] >= 0).any() else None for row in rows]
            said = [list(_all({name: voices.get(name, {})})) for name in batch.column("tracklet_id").to_pylist()]
            found = pa.Table.from_batches([batch]).select(names)
            found = found.append_column(_SPLIT, pa.array([splits[row] for row in rows], _SPLIT.type))
            found = found.append_column(_LABELS, pa.array(labels, _LABELS.type))
            yield found.append_column(FIELD, to_column(said))

    write_whole(output, columns, batches(), schema)


def _all(voices: Voices) -> Iterator[LabelAnswer]:
    """Every answer that counts, of each tracklet by group and author."""
    for of_groups in voices.values():
        for of_authors in of_groups.values():
            yield from of_authors.values()
