"""Another model's table is scored as ours is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.errors import OutputError, SchemaError, StorageError
from par_model.evaluation.predictions import read_predictions

SCHEMA = AttributeSchema(
    "small",
    (
        AttributeGroup("hat", "binary", (AttributeClass("hat", "a hat"),)),
        AttributeGroup("color", "exclusive", tuple(AttributeClass(v, v) for v in ("red", "green"))),
    ),
)
IDS = ["a", "b", "c", "d"]


def write(path: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_answers_without_scores_score_one_or_nothing(tmp_path: Path) -> None:
    uri = write(
        tmp_path / "t.parquet",
        tracklet_id=["d", "b", "a", "other"],
        hat=[True, None, False, True],
        color=["red", "green", None, "red"],
    )
    found = read_predictions(uri, SCHEMA, IDS)
    assert found.answers.decided.astype(int).tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]]
    assert found.answers.scores.tolist() == found.answers.decided.astype(float).tolist()
    assert found.answers.answered.tolist() == [True, True, False, True]
    assert (found.failed, found.missing, found.untrained, found.run_id) == (0, 1, frozenset(), None)


def test_scores_and_failed_rows_count_where_the_table_has_them(tmp_path: Path) -> None:
    uri = write(
        tmp_path / "t.parquet",
        tracklet_id=IDS,
        status=["ok", "failed", "ok", None],
        hat=[True, None, False, True],
        color=["red", None, "green", "red"],
        scores=pa.array([{"hat": 0.75}, None, {"hat": 0.25}, {"hat": 0.5}], pa.struct([("hat", pa.float64())])),
    )
    found = read_predictions(uri, SCHEMA, IDS)
    assert found.answers.scores.tolist() == [[0.75, 1, 0], [0, 0, 0], [0.25, 0, 1], [0, 0, 0]]
    assert (found.failed, found.missing) == (2, 0)


def test_groups_that_a_model_does_not_know_are_left_out_by_name(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", tracklet_id=["a", "b"], hat=[True, False], note=["x", "y"])
    write(tmp_path / "2.parquet", tracklet_id=["c"], hat=[True])
    found = read_predictions(str(tmp_path / "*.parquet"), SCHEMA, IDS)
    assert found.untrained == {"color_red", "color_green"}
    assert found.answers.decided[:, 0].tolist() == [True, False, True, False]
    assert found.missing == 1


@pytest.mark.parametrize(
    ("columns", "kind", "message"),
    [
        ({"hat": [True]}, SchemaError, r"needs a column tracklet_id .* \(hat, color\); its columns: hat"),
        ({"tracklet_id": ["a"], "age": [3]}, SchemaError, "its columns: age, tracklet_id"),
        ({"tracklet_id": ["a"], "color": ["blue"]}, SchemaError, "color: 'blue' is not one of green, red"),
        ({"tracklet_id": ["a"], "hat": [2]}, SchemaError, "hat: 2 is not one of false, true"),
        ({"tracklet_id": ["a", "a"], "hat": [True, True]}, OutputError, "tracklet 'a' twice"),
    ],
)
def test_tables_that_cannot_be_scored(
    columns: dict[str, Any], kind: type[Exception], message: str, tmp_path: Path
) -> None:
    uri = write(tmp_path / "t.parquet", **columns)
    with pytest.raises(kind, match=message) as caught:
        read_predictions(uri, SCHEMA, IDS)
    assert uri in str(caught.value)


def test_places_without_a_table(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no file matches"):
        read_predictions(str(tmp_path / "*.parquet"), SCHEMA, IDS)
    with pytest.raises(StorageError, match=r"none\.parquet"):
        read_predictions(str(tmp_path / "none.parquet"), SCHEMA, IDS)
    with pytest.raises(
        OutputError, match=r"no run\.json; another model's table is given as a Parquet file or a pattern"
    ):
        read_predictions(str(tmp_path), SCHEMA, IDS)
