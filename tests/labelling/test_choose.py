"""Which tracklets are chosen, and what the chosen manifest says of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.errors import ManifestError, OutputError, UsageError
from par_model.evaluation.measures import answer
from par_model.labelling.choose import Chosen, run_choose
from par_model.labelling.choose import choose as choose_of
from par_model.labelling.options import ChooseOptions
from par_model.labelling.pool import Pool, Said
from par_model.manifest.write import write_manifest
from tests.labelling.results import PERSON, manifest_row, write_run
from tests.report.results import SCHEMA


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_run(tmp_path_factory.mktemp("run"))


def choose(run: tuple[Path, Path], output: Path, **asked: Any) -> tuple[Chosen, list[dict[str, Any]]]:
    out, manifest = run
    options = {"manifest": str(manifest), "predictions": str(out), "output": str(output)} | asked
    chosen = run_choose(ChooseOptions(**options))
    rows = pq.read_table(output).to_pylist()
    return chosen, sorted(rows, key=lambda row: row["chosen_rank"])


def test_mixed_takes_turns_and_nobody_twice(run: tuple[Path, Path], tmp_path: Path) -> None:
    chosen, rows = choose(run, tmp_path / "c.parquet", count=12)
    in_turn = ["uncertain", "uncertain", "diverse", "uncertain", "uncertain", "stratified"]
    assert [row["chosen_by"] for row in rows] == in_turn * 2
    assert [row["chosen_rank"] for row in rows] == list(range(1, 13))
    assert len({row["person_id"] for row in rows}) == 12
    assert (chosen.count, chosen.people, chosen.cameras, chosen.pool) == (12, 12, 2, 39)
    assert chosen.by == {"uncertain": 8, "diverse": 2, "stratified": 2}
    assert chosen.left_out == {"failed in the table": 1}
    assert all(row["chosen_why"] for row in rows)
    assert [row for row in rows if row["tracklet_id"] == "t39"] == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 6).map(str)), st.sampled_from("ab")), min_size=1, max_size=30
    ),
    st.sampled_from(["uncertain", "stratified", "random"]),
    st.integers(1, 12),
    st.integers(1, 3),
)
def test_as_many_are_chosen_as_people_allow_and_of_nobody_more(
    tracklets: list[tuple[str | None, str]], by: Any, count: int, per_person: int
) -> None:
    rows = list(range(len(tracklets)))
    scores = np.random.default_rng(0).random((len(rows), SCHEMA.num_classes))
    labelled = Counter({"0": 2})
    pool = Pool(
        rows=rows,
        ids=[f"t{i}" for i in rows],
        people=[person for person, _ in tracklets],
        cameras=[camera for _, camera in tracklets],
        hours=[None] * len(rows),
        labelled=labelled,
        said=Said(SCHEMA, answer(scores, SCHEMA, [0.5] * SCHEMA.num_classes)),
    )
    options = ChooseOptions("m", "o", predictions="p", by=by, count=count, per_person=per_person)
    chosen = [choice.at for choice in choose_of(pool, options)]
    of_person = Counter(pool.people)
    nameless = of_person.pop(None, 0)
    possible = nameless + sum(min(n, max(0, per_person - labelled[str(who)])) for who, n in of_person.items())
    assert len(chosen) == len(set(chosen)) == min(count, possible)
    for person, times in Counter(pool.people[at] for at in chosen).items():
        assert person is None or times + labelled[person] <= per_person


def test_the_uncertain_are_those_near_another_answer_each_answer_in_turn(
    run: tuple[Path, Path], tmp_path: Path
) -> None:
    """Three colours, backpacks of both kinds, and hats that nobody wears."""
    _, rows = choose(run, tmp_path / "c.parquet", count=12, by="uncertain", per_person=2)
    of_backpack = [row["tracklet_id"] for row in rows if row["chosen_why"].startswith("backpack")]
    assert set(of_backpack) <= {f"t0{i}" for i in range(8)}
    assert Counter(name > "t04" for name in of_backpack) == {True: 2, False: 2}
    assert Counter(row["chosen_why"].split()[0] for row in rows) == {"top_color": 6, "backpack": 4, "hat": 2}


def test_the_uncertain_are_those_that_nobody_hides(tmp_path: Path) -> None:
    """t06 stands before t02, and t07 before t03, whose backpack is nearer to the threshold than most."""
    out, _ = write_run(tmp_path)
    rows = []
    for i in range(8):
        box = {"x": 0.0, "y": 4.0 if i > 5 else 0.0, "w": 10.0, "h": 20.0}
        where = {"image_uris": None, "video_uri": "v.mp4", "frame_indices": [i - 4 if i > 5 else i], "boxes": [box]}
        rows.append(manifest_row(i) | where)
    write_manifest(str(tmp_path / "m.parquet"), rows, further=[PERSON])
    for by in ("uncertain", "mixed"):
        _, chosen = choose((out, tmp_path / "m.parquet"), tmp_path / "c.parquet", count=8, by=by, per_person=2)
        uncertain = [row["tracklet_id"] for row in chosen if row["chosen_by"] == "uncertain"]
        if by == "uncertain":
            assert set(uncertain[6:]) == {"t02", "t03"}
        assert not {"t02", "t03"} & set(uncertain[:4])


def test_the_diverse_are_of_all_eight_directions(run: tuple[Path, Path], tmp_path: Path) -> None:
    _, rows = choose(run, tmp_path / "c.parquet", count=8, by="diverse", per_person=2)
    assert sorted(int(row["tracklet_id"][1:]) % 8 for row in rows) == list(range(8))


def test_rows_come_as_they_are_and_addresses_mean_the_same_elsewhere(run: tuple[Path, Path], tmp_path: Path) -> None:
    _, rows = choose(run, tmp_path / "elsewhere" / "c.parquet", count=5, by="random")
    folder = run[1].parent
    for row in rows:
        wanted = manifest_row(int(row["tracklet_id"][1:]))
        wanted["image_uris"] = [f"{folder}/a.png", f"{folder}/b.png"]
        assert {name: row[name] for name in wanted} == wanted
        assert (row["chosen_by"], row["chosen_why"]) == ("random", "by lot")


def test_the_same_seed_chooses_the_same_and_another_one_does_not(run: tuple[Path, Path], tmp_path: Path) -> None:
    for by in ("mixed", "random", "stratified", "diverse"):
        ids = [
            [row["tracklet_id"] for row in choose(run, tmp_path / "c.parquet", count=10, by=by, seed=seed)[1]]
            for seed in (0, 0, 1)
        ]
        assert ids[0] == ids[1] != ids[2], by
    chosen, _ = choose(run, tmp_path / "c.parquet", count=10, seed=2**40)
    assert chosen.count == 10


def test_what_is_labelled_is_not_chosen_again_nor_its_person(run: tuple[Path, Path], tmp_path: Path) -> None:
    rows = [manifest_row(i) for i in range(40)]
    for i in (0, 2, 4):
        rows[i]["labels"] = [-1, -1, -1, 1, -1]
    rows[7]["labels"] = [-1] * SCHEMA.num_classes
    manifest = tmp_path / "m.parquet"
    write_manifest(str(manifest), rows, further=[PERSON], label_schema=SCHEMA)
    chosen, found = choose((run[0], manifest), tmp_path / "c.parquet", count=40, by="stratified")
    assert {row["person_id"] for row in found} == {f"p{n}" for n in range(3, 20)}
    assert chosen.left_out == {"labelled already": 3, "failed in the table": 1}
    assert pq.read_schema(tmp_path / "c.parquet").metadata[b"par.schema"].decode() == SCHEMA.to_toml()
    _, found = choose((run[0], manifest), tmp_path / "c.parquet", count=40, by="random", per_person=2)
    assert len(found) == 36
    with pytest.raises(ManifestError, match="no tracklet is left to choose"):
        choose((run[0], manifest), tmp_path / "c.parquet", split="test")


def test_a_choice_among_the_chosen_has_its_own_reasons(run: tuple[Path, Path], tmp_path: Path) -> None:
    choose(run, tmp_path / "c.parquet", count=12)
    _, rows = choose((run[0], tmp_path / "c.parquet"), tmp_path / "d.parquet", count=3, by="random")
    assert [(row["chosen_rank"], row["chosen_by"]) for row in rows] == [(1, "random"), (2, "random"), (3, "random")]


def test_random_and_stratified_need_no_table(run: tuple[Path, Path], tmp_path: Path) -> None:
    for by in ("random", "stratified"):
        chosen, _ = choose(run, tmp_path / "c.parquet", predictions=None, by=by, count=3)
        assert (chosen.count, chosen.pool) == (3, 40)
    with pytest.raises(UsageError, match="--by mixed needs --predictions OUT"):
        choose(run, tmp_path / "c.parquet", predictions=None)


def test_a_table_without_embeddings_is_refused_with_what_to_do(tmp_path: Path) -> None:
    run = write_run(tmp_path, embeddings=False)
    for by in ("mixed", "diverse"):
        with pytest.raises(OutputError, match=r"no column embedding.*: run `parjob infer --embedding`") as caught:
            choose(run, tmp_path / "c.parquet", by=by)
        assert "--by uncertain" in str(caught.value)
    assert choose(run, tmp_path / "c.parquet", by="uncertain", count=3)[0].count == 3


def test_a_table_that_answers_nothing_leaves_nothing_uncertain(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    record = json.loads((run[0] / "run.json").read_text())
    record["schema"]["untrained"] = list(SCHEMA.score_fields)
    (run[0] / "run.json").write_text(json.dumps(record))
    with pytest.raises(OutputError, match="answers no attribute, since its weights were never trained for any"):
        choose(run, tmp_path / "c.parquet", by="uncertain")
    assert choose(run, tmp_path / "c.parquet", count=4)[0].by == {"diverse": 2, "stratified": 2}


def test_a_row_with_a_value_that_would_be_lost_is_no_matter_unless_it_is_chosen(tmp_path: Path) -> None:
    rows = [manifest_row(i) | {"split": "val" if i == 3 else "train"} for i in range(6)]
    streams = pa.array([2**40 if i == 3 else 0 for i in range(6)])
    pq.write_table(pa.Table.from_pylist(rows).append_column("video_stream", streams), tmp_path / "m.parquet")
    run = tmp_path, tmp_path / "m.parquet"
    asked: dict[str, Any] = {"predictions": None, "by": "random", "per_person": 2}
    assert choose(run, tmp_path / "c.parquet", split="train", **asked)[0].count == 5
    with pytest.raises(ManifestError, match=r"row 3: video_stream: does not fit int32.*; nothing was written"):
        choose(run, tmp_path / "c.parquet", **asked)
    assert pq.read_table(tmp_path / "c.parquet").num_rows == 5


def test_the_files_of_the_table_are_neither_replaced_nor_joined(run: tuple[Path, Path]) -> None:
    before = {path: path.read_bytes() for path in run[0].rglob("*") if path.is_file()}
    for name, problem in (
        ("run.json", "is the table's record, which would be lost"),
        ("attributes/chosen.parquet", "lies among the table's files"),
        ("attributes/part-00000.parquet", "lies among the table's files"),
    ):
        with pytest.raises(UsageError, match=problem):
            choose(run, run[0] / name, count=3)
    assert {path: path.read_bytes() for path in run[0].rglob("*") if path.is_file()} == before


def test_the_manifest_is_not_replaced_by_the_choice(run: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is the manifest itself"):
        choose(run, run[1])
    folder = tmp_path / "folder"
    write_manifest(str(folder / "m.parquet"), [manifest_row(i) for i in range(40)], further=[PERSON])
    with pytest.raises(UsageError, match="is inside the manifest's folder"):
        choose((run[0], folder), folder / "c.parquet")
    assert [path.name for path in folder.iterdir()] == ["m.parquet"]


def test_the_manifest_is_not_replaced_under_another_spelling(run: tuple[Path, Path]) -> None:
    write_manifest("memory://choose/m.parquet", [manifest_row(i) for i in range(40)], further=[PERSON])
    options = ChooseOptions("memory://choose/m.parquet", "memory://choose//m.parquet", by="random", count=3)
    with pytest.raises(UsageError, match="is the manifest itself"):
        run_choose(options)
