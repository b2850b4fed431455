"""docs/own-cameras.md, command by command, on another rendered street than the shipped weights know: other cameras, the
light of sodium lamps, and an attribute that they have never seen. Somebody who answers by what was drawn stands in for
the person at the page."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from par_model.attributes import AttributeSchema, load_schema
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.manifest.read import Manifest
from par_model.model.weights import read_header
from tests.blocks import blocks
from tests.cli.run import parjob
from tests.labelling.test_page import element

pytestmark = pytest.mark.slow

PAGE = "docs/own-cameras.md"
SODIUM = (1.25, 0.95, 0.55)
STREET = StreetConfig(
    seed=77, cameras=3, seconds=16, fps=1, min_boxes=2, people_per_minute=80, tint=SODIUM, vest_share=0.3
)
CAMERAS = (201, 205)  # the first of three each, so that the crowded market is not among them
# What the page leaves to its defaults, for a small network and few minutes.
OPTIONS = {
    "PARJOB_INFER_NO_RAY": "1",
    "PARJOB_INFER_FRAMES": "3",
    "PARJOB_TRAIN_NO_RAY": "1",
    "PARJOB_TRAIN_FRAMES": "2",
    "PARJOB_TRAIN_CACHE_FRAMES": "4",
    "PARJOB_TRAIN_EPOCHS": "8",
    "PARJOB_TRAIN_BATCH_SIZE": "8",
    "PARJOB_TRAIN_SCHEDULE": "step",
    "PARJOB_TRAIN_TUNE": "full",
}


def written(folder: Path) -> tuple[AttributeSchema, list[list[str]]]:
    """The page's schema, as own.toml, and its commands."""
    found = blocks(PAGE)
    (folder / "own.toml").write_text(next(block.code for block in found if block.language == "toml"))
    lines = [line for block in found if block.language == "sh" for line in block.code.splitlines()]
    commands = [shlex.split(line) for line in lines]
    assert all(words[0] == "parjob" for words in commands)
    return load_schema(str(folder / "own.toml")), [words[1:] for words in commands]


def render(folder: Path, schema: AttributeSchema) -> dict[str, dict[str, str | None]]:
    """Makes m.parquet, without labels; gives each group's true answer for each tracklet, None where it is hidden."""
    truth: dict[str, dict[str, str | None]] = {}
    (folder / "m.parquet").mkdir()
    for first in CAMERAS:
        config = StreetConfig(**{**vars(STREET), "first_camera": first, "seed": STREET.seed + first})
        table = pq.read_table(render_street(config, folder / str(first), schema=schema, workers=1))
        for row in table.to_pylist():
            truth[row["tracklet_id"]] = dict(answers(schema, row))
        pq.write_table(
            table.drop_columns(["labels", "visible", "split"]).replace_schema_metadata(None),
            folder / "m.parquet" / f"{first}.parquet",
        )
    return truth


def answers(schema: AttributeSchema, row: dict[str, Any]) -> Any:
    for group, span in schema.spans():
        labels, visible = np.array(row["labels"][span]), np.array(row["visible"][span])
        shown = 3 * visible.min() >= len(row["frame_indices"])
        place = int(labels[0]) if group.kind == "binary" else int(labels.argmax())
        yield group.name, group.answers[place] if shown else None


def answer_page(folder: Path, truth: dict[str, dict[str, str | None]]) -> None:
    """What the page's key s would save, had somebody answered all of it."""
    data = element((folder / "label.html").read_text(encoding="utf-8"), "data")
    given = [
        {"tracklet_id": t["id"], "time": "2026-05-01T08:00:00.000Z", "groups": truth[t["id"]]}
        for t in data["tracklets"]
    ]
    file = {"format": "parjob-answers", "version": 1, "author": "eva", "schema": data["schema"], "answers": given}
    (folder / "answers-eva.json").write_text(json.dumps(file))


def recall(table: Path, ids: set[str], truth: dict[str, dict[str, str | None]], group: str) -> float:
    """The mean over a group's answers of how many of those of whom it is true and seen get it: a constant answer has
    one over the number of answers."""
    rows = pq.read_table(table / "attributes", columns=["tracklet_id", group]).to_pylist()
    said = {r["tracklet_id"]: {True: "yes", False: "no"}.get(r[group], r[group]) for r in rows}
    hits: dict[str, list[bool]] = {}
    for i in sorted(ids):
        if (answer := truth[i][group]) is not None:
            hits.setdefault(answer, []).append(said[i] == answer)
    return float(np.mean([np.mean(of) for of in hits.values()]))


def test_six_commands_make_the_numbers_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in OPTIONS.items():
        monkeypatch.setenv(name, value)
    schema, commands = written(tmp_path)
    truth = render(tmp_path, schema)
    assert len(truth) > 120
    for words in commands:
        if words[:2] == ["label", "apply"]:
            answer_page(tmp_path, truth)
        assert parjob(*words) == 0, words
    assert read_header("start.safetensors").untrained == ("vest",)
    labelled = pq.read_table("labelled.parquet", columns=["tracklet_id", "camera_id", "split"]).to_pylist()
    cameras = [{r["camera_id"] for r in labelled if r["split"] == split} for split in ("train", "val", "test")]
    assert sum(map(len, cameras)) == len(set().union(*cameras)) == 6
    ids = {r["tracklet_id"] for r in labelled if r["split"] == "test"}
    known = ("top_color", "backpack")
    before, after = (
        np.mean([recall(tmp_path / t, ids, truth, group) for group in known]) for t in ("guesses", "tested")
    )
    new = recall(tmp_path / "tested", ids, truth, "vest")
    assert after > before
    assert new > 0.6  # of two answers a constant one gets 0.5
    assert Manifest.open("labelled.parquet").label_schema == schema
