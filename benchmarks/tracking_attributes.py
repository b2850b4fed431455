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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

from benchmarks.demo_weights import parjob
from benchmarks.street_detector import SAME, boxes_of
from par_model.attributes import AttributeSchema, load_schema
from par_model.evaluation.measures import Answers, Measured, answer, measure, right_answers
from par_model.manifest.write import write_manifest
from par_model.model.shipped import DEMO, weights_uri
from par_model.model.weights import read_header

CAUSES = ("most boxes not found", "found, under several names", "one track, shared with others", "one track, their own")
OWN = 0.75  # share of a track's boxes, of those that lie on somebody, from which it is that person's own

Table = dict[str, dict[str, Any]]
"""Rows of an attribute table, by tracklet."""


@dataclass(frozen=True)
class Lying:
    """Which tracked boxes lie on which true ones, one on one in each frame.

    lengths: boxes of each true tracklet. on: for each of those, how many of them each track lies on. whose: for each
    track, how many of its boxes lie on each person.
    """

    lengths: Counter[str]
    on: dict[str, Counter[str]]
    whose: dict[str, Counter[str]]

    def match(self, name: str) -> str | None:
        """The track that lies on most boxes of a true tracklet, if it lies on half of them."""
        best = self.on.get(name, Counter()).most_common(1)
        return best[0][0] if best and 2 * best[0][1] >= self.lengths[name] else None

    def cause(self, name: str, person: str) -> str:
        """What became of a true tracklet, of CAUSES."""
        match = self.match(name)
        if match is None:
            return CAUSES[0] if 2 * self.on.get(name, Counter()).total() < self.lengths[name] else CAUSES[1]
        whose = self.whose[match]
        return CAUSES[2] if whose[person] < OWN * whose.total() else CAUSES[3]


def lying(true: Path, tracked: Path) -> Lying:
    truth, found = boxes_of(true, "tracklet_id"), boxes_of(tracked, "tracklet_id")
    people = persons_of(true)
    made = Lying(Counter(), {}, {})
    for video, frames in truth.items():
        for frame, here in frames.items():
            there = found.get(video, {}).get(frame, {})
            made.lengths.update(here.keys())
            overlap = box_iou(*(torch.tensor(list(b.values())).reshape(-1, 4) for b in (here, there))).numpy()
            overlap[overlap < SAME] = 0
            names = list(here), list(there)
            for row, column in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
                if overlap[row, column]:
                    name, track = names[0][row], names[1][column]
                    made.on.setdefault(name, Counter())[track] += 1
                    made.whose.setdefault(track, Counter())[people[name]] += 1
    return made


def persons_of(true: Path) -> dict[str, str]:
    """Who each true tracklet is, camera and all; where the manifest does not tell, everyone is a tracklet."""
    rows = pq.read_table(true)
    who = rows["person_id" if "person_id" in rows.column_names else "tracklet_id"].to_pylist()
    return {
        name: f"{video} {person}"
        for name, video, person in zip(rows["tracklet_id"].to_pylist(), rows["video_uri"].to_pylist(), who, strict=True)
    }


def matches(true: Path, tracked: Path) -> dict[str, str | None]:
    """For each true tracklet the tracked one that lies on most of its boxes, if it lies on half of them."""
    found = lying(true, tracked)
    return {name: found.match(name) for name in found.lengths}


def one_each(true: Path) -> Path:
    """The same manifest with one tracklet for each person in a video: what a tracker would give that errs nowhere.
    Groups that differ between somebody's tracklets are not annotated."""
    schema = load_schema("street")
    people: dict[tuple[str, str], list[dict[str, Any]]] = {}
    columns = ["tracklet_id", "video_uri", "frame_indices", "boxes", "camera_id", "person_id", "labels"]
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


@dataclass(frozen=True)
class Compared:
    """true, tracked: what is measured of attributes with true tracklets and with tracked ones. apart: the same two of
    the cameras that are not crowded. matched: how many true ones have a match. causes: for each of CAUSES, how many
    tracklets there are, and the shares of the groups' answers that are right with true tracklets and with tracked
    ones."""

    true: Measured
    tracked: Measured
    apart: tuple[Measured, Measured]
    matched: str
    causes: dict[str, list[str]]


def compare(true: Path, tracked: Path, answers: Table, crowded: str, work: Path) -> Compared:
    """answers: the attribute table of the tracked ones. crowded: the camera_id of the camera that is."""
    schema, header = load_schema("street"), read_header(weights_uri(DEMO))
    rows = pq.read_table(true, columns=["tracklet_id", "labels", "camera_id"]).to_pylist()
    names = [row["tracklet_id"] for row in rows]
    is_apart = np.array([row["camera_id"] != crowded for row in rows])
    assert 0 < is_apart.sum() < len(rows), f"no camera, or no other one, is called {crowded}"
    labels = np.array([row["labels"] for row in rows], np.int8)
    found, people = lying(true, tracked), persons_of(true)
    whose = [found.match(name) for name in names]
    cause = np.array([found.cause(name, people[name]) for name in names])

    def said(table_of: Table, of: Sequence[str | None]) -> Answers:
        """Of a tracklet without a match, or that failed, nothing."""
        given = [table_of[name]["scores"] if name is not None else None for name in of]
        nothing = [0.0] * labels.shape[1]
        scores = np.array([list(one.values()) if one is not None else nothing for one in given], np.float32)
        known = np.array([one is not None for one in given])
        decided = answer(scores, schema, header.thresholds)
        return replace(decided, decided=decided.decided & known[:, None], answered=known)

    both = [said(recognised(true, work / "table"), names), said(answers, whose)]
    shares = [right_shares(labels, one, schema, cause) for one in both]
    apart = [Answers(one.scores[is_apart], one.decided[is_apart], one.answered[is_apart]) for one in both]
    true_apart, tracked_apart = (measure(labels[is_apart], one, schema) for one in apart)
    return Compared(
        *(measure(labels, one, schema) for one in both),
        (true_apart, tracked_apart),
        f"{sum(name is not None for name in whose)} of {len(names)}",
        {one: [str((cause == one).sum()), *(share.get(one, "") for share in shares)] for one in CAUSES},
    )


def right_shares(
    labels: NDArray[np.int8], answers: Answers, schema: AttributeSchema, cause: NDArray[np.str_]
) -> dict[str, str]:
    """By cause [B], of which share of the groups that are labelled the answer is right."""
    both = [
        right_answers(group, labels[:, span], answers.decided[:, span], answers.answered)
        for group, span in schema.spans()
    ]
    counted, right = (np.stack(one, axis=1) for one in zip(*both, strict=True))
    return {
        one: f"{(right & counted)[cause == one].sum() / counted[cause == one].sum():.3f}"
        for one in CAUSES
        if counted[cause == one].any()
    }


def attribute_tables(
    true: Path, tracked: Path, crowded: str, work: Path
) -> tuple[list[list[str]], list[list[str]], list[float]]:
    """Macro F1 over classes of all, of those where it is not crowded, and of each group; what became of the true
    tracklets; and how much less macro F1 is with tracked tracklets, both ways. crowded: the camera that is."""
    answers = recognised(tracked, work / "table")
    cut, whole = (compare(manifest, tracked, answers, crowded, work) for manifest in (true, one_each(true)))
    four = [cut.true, cut.tracked, whole.true, whole.tracked]
    body = [["all", *(f"{one['means']['macro_f1']:.3f}" for one in four)]]
    body.append(["not crowded", *(f"{one['means']['macro_f1']:.3f}" for one in (*cut.apart, *whole.apart))])
    body += [[name, *(f"{one['groups'][name]['macro_f1']:.3f}" for one in four)] for name in cut.true["groups"]]
    body.append(["true tracklets with a match", "", cut.matched, "", whole.matched])
    causes = [[cause, *cut.causes[cause], *whole.causes[cause]] for cause in CAUSES]
    less = [one.true["means"]["macro_f1"] - one.tracked["means"]["macro_f1"] for one in (cut, whole)]
    return body, causes, less
