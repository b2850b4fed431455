"""Scoring a finished run of ``infer``, or another model's table: joined with a manifest's labels, by ``tracklet_id``.

metrics.json, in which a number that cannot be told is null:

    manifest, predictions, run_id (of predictions; null for another model's table), schema, schema_uri (of --schema),
                split, threshold
    counts      labelled, failed, missing: a tracklet that failed or is missing predicts nothing, and counts
    left_out    names of classes: untrained, undecided (of a group with an untrained class, which the table leaves null)
                and never_annotated are in no number at all; without_a_positive have no F1 and no AUROC
    paper       accuracy, precision, recall, f1 at ``threshold``, and ``groups`` with the same four
    means       of classes: macro_f1, precision, recall, mA, auroc, average_precision, ece; of groups: group_accuracy
    groups      by name: kind, labelled, accuracy (exclusive: by the class that the table names), macro_f1
    classes     by score field: labelled, positives, positive_rate, precision, recall, f1, f1_always, mA, auroc,
                average_precision, ece, reliability (ten bins: low, high, count, mean_score, positive_rate)
    constant    paper, means, groups, classes of what is commonest
    intervals   level, resamples, seed; [low, high] of paper, means (macro_f1, mA), groups (accuracy), classes (f1)

All but ``paper`` take what the table says: a binary class by the weights' threshold, of an exclusive group one class.

Dimension letters: B tracklets, C classes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from par_model import storage
from par_model.attributes import AttributeSchema, load_schema, shipped_schemas
from par_model.errors import ManifestError
from par_model.evaluation import bootstrap
from par_model.evaluation.measures import commonest, constant_answers, measure
from par_model.evaluation.options import EvaluateOptions
from par_model.evaluation.paper import PaperMetrics, paper_metrics
from par_model.evaluation.predictions import Predictions, read_predictions
from par_model.manifest.labels import Labels, read_labels, schema_of_labels
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.runs.output import Output

_SCORED_SPLIT = "test"


@dataclass(frozen=True, eq=False)
class Scored:
    """What is scored: the labelled rows, what is predicted of them row for row, and their split, None for all."""

    manifest: Manifest
    schema: AttributeSchema
    labels: Labels
    predictions: Predictions
    split: str | None


def read_scored(options: EvaluateOptions) -> Scored:
    """Read labels and predictions. Raises ParError."""
    manifest = Manifest.open(options.manifest)
    refuse_ambiguous(manifest, None)
    schema = _schema(options, manifest)
    labels, split = _scored(options, read_labels(manifest, schema, labelled_by=schema))
    return Scored(manifest, schema, labels, read_predictions(options.predictions, schema, labels.ids), split)


def run_evaluation(options: EvaluateOptions, scored: Scored | None = None) -> dict[str, Any]:
    """Score, write OUT/metrics.json, and return what it holds. scored: what ``read_scored`` gave. Raises ParError."""
    scored = scored or read_scored(options)
    schema, predictions, split = scored.schema, scored.predictions, scored.split
    metrics = {
        "manifest": storage.absolute(options.manifest),
        "predictions": storage.absolute(options.predictions),
        "run_id": predictions.run_id,
        "schema": schema.name,
        "schema_uri": _schema_uri(options),
        "split": split,
        "threshold": options.threshold,
    } | score(scored.labels.values, predictions, schema, options)
    text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
    output = Output(options.output)
    with output.lock() as held:  # OUT may be the folder of a run that is done again
        output.write(held, "metrics.json", text.encode())
    return metrics


def score(
    labels_BC: NDArray[np.int8], predictions: Predictions, schema: AttributeSchema, options: EvaluateOptions
) -> dict[str, Any]:
    """All numbers. Classes of groups with an untrained class, which the table leaves null, and classes without labels
    are in none of them, and listed by name."""
    labels_BC = labels_BC.copy()
    undecided = []
    for group, span in schema.spans():
        if not predictions.untrained.isdisjoint(group.score_fields):
            labels_BC[:, span] = -1
            undecided += [name for name in group.score_fields if name not in predictions.untrained]
    untrained = [name for name in schema.score_fields if name in predictions.untrained]
    answers, constant = predictions.answers, constant_answers(labels_BC, schema)
    annotated = np.count_nonzero(labels_BC >= 0, axis=0)
    found = measure(labels_BC, answers, schema)
    return {
        "counts": {"labelled": len(labels_BC), "failed": predictions.failed, "missing": predictions.missing},
        "left_out": {
            "untrained": untrained,
            "undecided": undecided,
            "never_annotated": [
                name
                for i, name in enumerate(schema.score_fields)
                if not annotated[i] and name not in (*untrained, *undecided)
            ],
            "without_a_positive": [name for name, c in found["classes"].items() if not c["positives"]],
        },
        "paper": _paper(paper_metrics(labels_BC, answers.scores, schema, threshold=options.threshold)),
        **found,
        "constant": {
            "paper": _paper(paper_metrics(labels_BC, commonest(constant), schema, threshold=options.threshold)),
            **measure(labels_BC, constant, schema),
        },
        "intervals": {"level": bootstrap.LEVEL, "resamples": options.resamples, "seed": options.seed}
        | bootstrap.intervals(
            labels_BC,
            answers,
            schema,
            threshold=options.threshold,
            resamples=options.resamples,
            seed=options.seed,
        ),
    }


def _paper(found: PaperMetrics) -> dict[str, Any]:
    return asdict(found.mean) | {"groups": {name: asdict(measures) for name, measures in found.groups.items()}}


def _schema(options: EvaluateOptions, manifest: Manifest) -> AttributeSchema:
    return schema_of_labels(manifest, None if options.schema is None else load_schema(options.schema))


def _schema_uri(options: EvaluateOptions) -> str | None:
    """What names the schema that was given, from any folder; None for the manifest's own."""
    given = options.schema
    return given if given is None or given in shipped_schemas() else storage.absolute(given)


def _scored(options: EvaluateOptions, labels: Labels) -> tuple[Labels, str | None]:
    """The labelled rows that are scored, and their split: the one asked for, else test if there is one, else all."""
    split = options.split
    if split is None and _SCORED_SPLIT in labels.splits:
        split = _SCORED_SPLIT
    in_split = np.array([split is None or s == split for s in labels.splits], bool)
    if not in_split.any():
        there = ", ".join(sorted({str(s) for s in labels.splits if s is not None})) or "none"
        raise ManifestError(f"{options.manifest} has no row of split {split!r}; its splits: {there}")
    chosen = labels.where(in_split & labels.annotated)
    if not len(chosen):
        of = f" in split {split!r}" if split else ""
        raise ManifestError(f"{options.manifest} has no labels{of}: nothing to score")
    return chosen, split
