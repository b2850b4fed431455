import numpy as np
import pyarrow as pa
import pytest

from par_model.attributes import AttributeSchema
from par_model.runs.outcome import OUTCOME_SCHEMA
from par_model.table.results import Reading, table_results
from par_model.table.schema import table_schema

SCHEMA = AttributeSchema.parse(
    """
    name = "small"
    [[groups]]
    name = "hat"
    kind = "binary"
    text = "a hat"
    [[groups]]
    name = "top_color"
    kind = "exclusive"
    classes = [{ value = "black", text = "b" }, { value = "Dark-Red", text = "r" }, { value = "white", text = "w" }]
    """,
    "test",
)
PASSED = [pa.field("tracklet_id", pa.string()), pa.field("camera_id", pa.string())]
PASSED_SCHEMA = pa.schema(PASSED)


def rows(outcomes: list[dict], *, thresholds=(0.5,) * 4, trained=(True,) * 4, embedding=False, width=None) -> pa.Table:
    schema = table_schema(PASSED, SCHEMA, embedding=embedding, embedding_width=width)
    ids = [f"t{i}" for i in range(len(outcomes))]
    passed = pa.table({"tracklet_id": ids, "camera_id": ["c"] * len(ids)}, schema=PASSED_SCHEMA)
    full = [
        dict.fromkeys(OUTCOME_SCHEMA.names) | {"_row": i, "tracklet_id": ids[i], "num_frames": 3} | outcome
        for i, outcome in enumerate(outcomes)
    ]
    table = pa.Table.from_pylist(full, schema=OUTCOME_SCHEMA).append_column("run_id", pa.array(["r"] * len(ids)))
    return table_results(passed, table, Reading(SCHEMA, thresholds, trained, "abcdef012345"), schema)


def ok(*scores: float, **others) -> dict:
    return {"scores": list(scores), "sampled_frames": [0, 1, 2]} | others


def failed(code: str = "video-not-found") -> dict:
    return {"error": code, "message": "why"}


def test_columns_in_their_order_and_types() -> None:
    table = rows([ok(0.9, 0.1, 0.2, 0.3)])
    assert table.schema.names == [
        "tracklet_id", "camera_id", "status", "error", "message", "hat", "hat_score", "top_color", "top_color_score",
        "scores", "sampled_frames", "num_frames", "model_id", "run_id",
    ]  # fmt: skip
    assert [str(f.type) for f in table.schema][5:] == [
        "bool", "float", "string", "float",
        "struct<hat: float, top_color_black: float, top_color_dark_red: float, top_color_white: float>",
        "list<item: int32>", "int32", "string", "string",
    ]  # fmt: skip


def test_values_of_a_recognised_tracklet() -> None:
    row = rows([ok(0.75, 0.1, 0.8, 0.3)]).to_pylist()[0]
    scores = np.array([0.75, 0.1, 0.8, 0.3], np.float32).tolist()
    assert row == {
        "tracklet_id": "t0", "camera_id": "c", "status": "ok", "error": None, "message": None,
        "hat": True, "hat_score": scores[0], "top_color": "Dark-Red", "top_color_score": scores[2],
        "scores": dict(zip(SCHEMA.score_fields, scores, strict=True)),
        "sampled_frames": [0, 1, 2], "num_frames": 3, "model_id": "abcdef012345", "run_id": "r",
    }  # fmt: skip


def test_failed_row_has_null_groups_scores_and_frames_but_its_count_and_ids() -> None:
    row = rows([failed(), ok(0.1, 0.2, 0.3, 0.4)]).to_pylist()[0]
    assert row["status"] == "failed"
    assert row["error"] == "video-not-found"
    assert row["message"] == "why"
    for name in ("hat", "hat_score", "top_color", "top_color_score", "scores", "sampled_frames"):
        assert row[name] is None
    assert (row["num_frames"], row["model_id"], row["run_id"]) == (3, "abcdef012345", "r")


def test_all_rows_failed_keep_the_schema() -> None:
    assert rows([failed(), failed()]).schema == rows([ok(0.1, 0.2, 0.3, 0.4)]).schema


def test_binary_is_true_only_above_its_own_threshold() -> None:
    table = rows([ok(0.5, 0, 0, 1), ok(0.75, 0, 0, 1), ok(0.8, 0, 0, 1)], thresholds=(0.75, 0.5, 0.5, 0.5))
    assert table["hat"].to_pylist() == [False, False, True]


def test_exclusive_names_the_highest_whatever_the_thresholds_and_the_first_of_equals() -> None:
    table = rows([ok(0, 0.1, 0.2, 0.05), ok(0, 0.4, 0.1, 0.4)], thresholds=(0.5, 0.01, 0.9, 0.9))
    assert table["top_color"].to_pylist() == ["Dark-Red", "black"]
    assert table["top_color_score"].to_pylist() == pytest.approx([0.2, 0.4])


def test_a_group_with_an_untrained_class_is_null_and_its_neighbours_are_not() -> None:
    row = rows([ok(0.9, 0.1, 0.8, 0.3)], trained=(True, True, False, True)).to_pylist()[0]
    assert (row["top_color"], row["top_color_score"]) == (None, None)
    assert row["hat"] is True


def test_embedding_column_only_when_asked_for() -> None:
    table = rows([ok(0, 0, 0, 1, embedding=[0.6, 0.8]), failed()], embedding=True)
    assert table.schema.names[-1] == "embedding"
    assert str(table.schema.field("embedding").type) == "list<element: float not null>"
    assert table["embedding"].to_pylist() == [pytest.approx([0.6, 0.8]), None]


def test_reading_refuses_lengths_that_differ_from_the_schema() -> None:
    with pytest.raises(ValueError, match="3 thresholds and 4 trained flags for 4 classes"):
        Reading(SCHEMA, (0.5,) * 3, (True,) * 4, "m")


@pytest.mark.parametrize(
    ("width", "kind"), [(None, "list<element: float not null>"), (2, "fixed_size_list<element: float not null>[2]")]
)
def test_embeddings_are_lists_of_what_is_never_null_and_failed_rows_have_none(width: int | None, kind: str) -> None:
    vectors = [None, [0.6, 0.8], None, [1.0, 0.0], [0.0, -1.0], None]
    outcomes = [failed() if one is None else ok(0.9, 0.1, 0.2, 0.3, embedding=one) for one in vectors]
    table = rows(outcomes, embedding=True, width=width)
    assert str(table.schema.field("embedding").type) == kind
    assert table["embedding"].to_pylist() == pa.array(vectors, pa.list_(pa.float32())).to_pylist()
    table.validate(full=True)
    assert rows([failed(), failed()], embedding=True, width=width)["embedding"].to_pylist() == [None, None]
