"""The weights that ship, on a street that they have not seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from par_model.attributes import AttributeSchema, load_schema
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.evaluation.measures import answer, constant_answers, measure
from par_model.manifest.read import Manifest
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.model.shipped import DEMO, weights_uri
from par_model.model.stage import RecogniseStage
from par_model.model.weights import WeightsHeader, read_header
from par_model.sampling import Sampling
from par_model.types import Crops, Prediction, Tracklet
from par_model.video.stage import DecodeStage

UNSEEN = StreetConfig(seed=3003, first_camera=4, cameras=2, seconds=14, fps=2, min_boxes=3)
FLOOR = 0.93


@pytest.fixture(scope="module")
def header() -> WeightsHeader:
    return read_header(weights_uri(DEMO))


@pytest.fixture(scope="module")
def schema() -> AttributeSchema:
    return load_schema("street")


def test_they_are_small_and_trained(header: WeightsHeader, schema: AttributeSchema) -> None:
    assert header.num_bytes <= 8_000_000
    assert header.schema == schema
    assert header.training["state"] == "trained"
    assert header.training["options"]["tune"] == "full"
    assert all(header.trained)
    assert header.config.frames == 10
    binary = [span.start for group, span in schema.spans() if group.kind == "binary"]
    thresholds = np.array(header.thresholds)[binary]
    assert len(set(thresholds)) > 1
    assert ((thresholds > 0.05) & (thresholds < 0.95)).all()


def test_they_know_a_street_that_they_have_not_seen(
    header: WeightsHeader, schema: AttributeSchema, tmp_path: Path
) -> None:
    """Over what a third of a tracklet's frames show, far above what any constant answer gets, and in every group."""
    manifest = Manifest.open(str(render_street(UNSEEN, tmp_path, workers=1)))
    decode = DecodeStage(header.preprocess, Sampling("uniform", header.config.frames))
    recognise = RecogniseStage(weights_uri(DEMO), device="cpu")
    labels, scores = [], []
    for row, prediction in _predictions(manifest, decode, recognise):
        shown = 3 * np.array(row["visible"]) >= len(row["frame_indices"])
        labels.append(np.where(shown, row["labels"], -1))
        scores.append(prediction.scores)
    assert len(labels) > 30
    labels_BC, answers = np.array(labels, np.int8), answer(np.array(scores), schema, header.thresholds)
    found, constant = (measure(labels_BC, a, schema) for a in (answers, constant_answers(labels_BC, schema)))
    assert constant["means"]["macro_f1"] < FLOOR / 2
    assert found["means"]["macro_f1"] > FLOOR
    for name in ("top_color", "bottom_color", "direction", "gait"):
        assert found["groups"][name]["accuracy"] > constant["groups"][name]["accuracy"] + 0.1, name


def _predictions(
    manifest: Manifest, decode: DecodeStage, recognise: RecogniseStage
) -> Iterator[tuple[dict[str, list[int]], Prediction]]:
    for batch in manifest.iter_batches([*TRACKLET_COLUMNS, "labels", "visible"]):
        crops = list(decode([t for t in tracklets(batch) if isinstance(t, Tracklet)]))
        assert all(isinstance(crop, Crops) for crop in crops)
        rows = {row["tracklet_id"]: row for row in batch.to_pylist()}
        for prediction in recognise([crop for crop in crops if isinstance(crop, Crops)]):
            assert isinstance(prediction, Prediction)
            yield rows[prediction.tracklet_id], prediction
    decode.close()
