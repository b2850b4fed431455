"""What finding and following people costs in attributes: those of true tracklets, with the renderer's boxes and with
tracked ones.

A true tracklet gets the answer of the tracked one that lies on most of its boxes. In a frame a tracked box lies on one
person only, the one that it overlaps most in the best pairing of all, so a track that two people share is the answer
for both only if it spends half of the frames of each on them. A track may well be the answer for several true
tracklets, since it is one for as long as it follows one person. A true tracklet without half of its boxes found under
one name predicts nothing.

The renderer begins a new tracklet whenever a person stops or goes on, since gait and direction are then others. No
tracker knows of that, and people who label tracks do not cut them there. So all of it is done twice: with the true
tracklets as the renderer cuts them, and with one for each person, where gait and direction are not labelled for those
who changed theirs. The second says what finding and following people costs; the first also what asking a long tracklet
for the gait of a part of it costs.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

from benchmarks.demo_weights import parjob
from benchmarks.street_detector import SAME, boxes_of
from par_model.attributes import load_schema
from par_model.evaluation.measures import Measured, answer, measure
from par_model.manifest.write import write_manifest
from par_model.model.shipped import DEMO, weights_uri
from par_model.model.weights import read_header

Table = dict[str, dict[str, Any]]
"""Rows of an attribute table, by tracklet."""


def matches(true: Path, tracked: Path) -> dict[str, str | None]:
    """For each true tracklet the tracked one that lies on most of its boxes, if it lies on half of them."""
    truth, found = boxes_of(true, "tracklet_id"), boxes_of(tracked, "tracklet_id")
    votes: dict[str, Counter[str]] = {}
    lengths: Counter[str] = Counter()
    for video, frames in truth.items():
        for frame, here in frames.items():
            there = found.get(video, {}).get(frame, {})
            lengths.update(here.keys())
            overlap = box_iou(*(torch.tensor(list(b.values())).reshape(-1, 4) for b in (here, there))).numpy()
            overlap[overlap < SAME] = 0
            names = list(here), list(there)
            for row, column in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
                if overlap[row, column]:
                    votes.setdefault(names[0][row], Counter())[names[1][column]] += 1
    best = {name: counts.most_common(1)[0] for name, counts in votes.items()}
    return {
        name: best[name][0] if name in best and 2 * best[name][1] >= length else None
        for name, length in lengths.items()
    }


def one_each(true: Path) -> Path:
    """The same manifest with one tracklet for each person in a video: what a tracker would give that errs nowhere.
    Groups that differ between somebody's tracklets are not annotated."""
    schema = load_schema("street")
    people: dict[tuple[str, str], list[dict[str, Any]]] = {}
    columns = ["tracklet_id", "video_uri", "frame_indices", "boxes", "person_id", "labels"]
    for row in pq.read_table(true, columns=columns).to_pylist():
        people.setdefault((row["video_uri"], row["person_id"]), []).append(row)
    rows = []
    for legs in people.values():
        boxes = sorted(
            (frame, *box.values())
            for leg in legs
            for frame, box in zip(leg["frame_indices"], leg["boxes"], strict=True)
        )
        labels = np.array([leg["labels"] for leg in legs])
        for _, span in schema.spans():
            if (labels[:, span] != labels[0, span]).any():
                labels[:, span] = -1
        rows.append(
            legs[0]
            | {
                "frame_indices": [frame for frame, *_ in boxes],
                "boxes": [dict(zip("xywh", box, strict=True)) for _, *box in boxes],
                "labels": labels[0].tolist(),
            }
        )
    path = true.with_name("one-each.parquet")
    write_manifest(str(path), rows, label_schema=schema)
    return path


def recognised(manifest: Path, output: Path) -> Table:
    """The attribute table of a manifest, by tracklet."""
    shutil.rmtree(output, ignore_errors=True)
    parjob("infer", "--manifest", manifest, "--weights", DEMO, "--output", output, "--no-ray")
    return {row["tracklet_id"]: row for row in pq.read_table(output / "attributes").to_pylist()}


def attributes(true: Path, tracked: Path, answers: Table, work: Path) -> tuple[list[Measured], str]:
    """What is measured of attributes with true tracklets and with tracked ones, of which ``answers`` is the table; and
    how many true ones have a match."""
    schema, header = load_schema("street"), read_header(weights_uri(DEMO))
    rows = pq.read_table(true, columns=["tracklet_id", "labels"]).to_pylist()
    names = [row["tracklet_id"] for row in rows]
    labels = np.array([row["labels"] for row in rows], np.int8)
    whose = matches(true, tracked)

    def measured(table_of: Table, of: list[str | None]) -> Measured:
        """Of a tracklet without a match, or that failed, nothing."""
        given = [table_of[name]["scores"] if name is not None else None for name in of]
        nothing = [0.0] * labels.shape[1]
        scores = np.array([list(one.values()) if one is not None else nothing for one in given], np.float32)
        known = np.array([one is not None for one in given])
        found = answer(scores, schema, header.thresholds)
        return measure(labels, replace(found, decided=found.decided & known[:, None], answered=known), schema)

    both = [measured(recognised(true, work / "table"), list(names)), measured(answers, [whose[name] for name in names])]
    return both, f"{sum(name is not None for name in whose.values())} of {len(names)}"


def attribute_rows(true: Path, tracked: Path, work: Path) -> tuple[list[list[str]], list[float]]:
    """Macro F1 over classes of all and of each group; and how much less it is with tracked tracklets, both ways."""
    answers = recognised(tracked, work / "table")
    (cut, matched_cut), (whole, matched_whole) = (
        attributes(manifest, tracked, answers, work) for manifest in (true, one_each(true))
    )
    four = [*cut, *whole]
    body = [["all", *(f"{one['means']['macro_f1']:.3f}" for one in four)]]
    body += [[name, *(f"{one['groups'][name]['macro_f1']:.3f}" for one in four)] for name in cut[0]["groups"]]
    body.append(["true tracklets with a match", "", matched_cut, "", matched_whole])
    return body, [a["means"]["macro_f1"] - b["means"]["macro_f1"] for a, b in (cut, whole)]
