"""``parjob label``: what its commands print, and what they refuse."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from par_model import storage
from tests.cli.run import parjob
from tests.labelling.results import write_run
from tests.labelling.test_apply import write_answers


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_run(tmp_path_factory.mktemp("run"))


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_choose_says_how_many_of_what(
    run: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, manifest = run
    output = tmp_path / "c.parquet"
    given = ("label", "choose", "--manifest", manifest, "--predictions", out, "--output", output)
    assert parjob(*given, "--count", 6) == 0
    assert lines(capsys) == [
        "not looked at, failed in the table: 1 tracklet",
        f"{output}: 6 tracklets of 39, 6 people, 2 cameras (4 uncertain, 1 diverse, 1 stratified)",
    ]
    assert parjob(*given, "--count", 30, "--by", "random") == 0
    assert lines(capsys)[1:] == [
        "20 of the 30 asked for: each person is chosen as often as --per-person allows",
        f"{output}: 20 tracklets of 39, 20 people, 2 cameras (20 random)",
    ]
    assert parjob(*given, "--count", 6, "--json") == 0
    assert json.loads(capsys.readouterr().out)["by"] == {"uncertain": 4, "diverse": 1, "stratified": 1}
    assert parjob(*given, "--count", 0) == 2
    assert "--count is 0: must be at least 1" in lines(capsys)[-1]


def test_apply_takes_several_files_and_prints_how_far_people_agree(
    run: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, manifest = run
    hats = {f"t{i:02}": {"hat": "yes" if i < 5 else "no"} for i in range(10)}
    eva = write_answers(tmp_path / "e.json", "eva", hats)
    tom = write_answers(tmp_path / "t.json", "tom", hats | {"t04": {"hat": "no"}})
    output = tmp_path / "l.parquet"
    given = ("label", "apply", "--manifest", manifest, "--answers", eva, tom, "--output", output)
    assert parjob(*given, "--split-shares", "0.5/0.25/0.25", "--split-by", "person") == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "group  tracklets  alike   kappa",
        "hat         10  0.900   0.800  Cohen's, eva and tom",
    ]
    assert printed.err.splitlines() == [
        "answers: eva 10, tom 10",
        "hat: no majority for 1 tracklet, not annotated",
        f"{output}: 40 tracklets, 9 with labels: train 5, val 2, test 2",
    ]
    rows = {row["tracklet_id"]: row["labels"] for row in pq.read_table(output).to_pylist()}
    assert [rows[name] and rows[name][-1] for name in ("t03", "t04", "t05", "t10")] == [1, None, 0, None]
    assert parjob(*given, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["agreements"][0]["kappa"] == pytest.approx(0.8)
    assert document["splits"] == [{"value": None, "tracklets": 9}]


@pytest.mark.parametrize("shares", ["0.7/0.3", "1", "0.7/0.2/0.2", "a/b/c", "-0.5/0.75/0.75", "0/0.5/0.5", "nan/0/1"])
def test_shares_that_are_none(
    shares: str, run: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = write_answers(tmp_path / "e.json", "eva", {"t00": {"hat": "yes"}})
    given = ("--manifest", run[1], "--answers", answers, "--output", tmp_path / "l.parquet")
    assert parjob("label", "apply", *given, f"--split-shares={shares}") == 2
    assert "give three shares that add up to 1" in lines(capsys)[-1]
    assert not (tmp_path / "l.parquet").exists()


def test_one_labeller_is_said_to_be_alone(
    run: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = write_answers(tmp_path / "e.json", "eva", {"t00": {"hat": "yes"}})
    output = tmp_path / "l.parquet"
    assert parjob("label", "apply", "--manifest", run[1], "--answers", answers, "--output", output) == 0
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[1].startswith("nobody's answers overlap")


def test_all_of_it_may_lie_in_an_object_store(
    run: tuple[Path, Path], s3: Callable[[], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, manifest = run
    bucket = s3()
    for path in [manifest, *(path for path in out.rglob("*") if path.is_file())]:
        storage.write_bytes(f"{bucket}/{path.relative_to(out.parent)}", path.read_bytes())
    answers = write_answers(tmp_path / "e.json", "eva", {"t00": {"hat": "yes"}})
    storage.write_bytes(f"{bucket}/e.json", Path(answers).read_bytes())

    def rows(uri: str) -> list[dict[str, object]]:
        return pq.read_table(io.BytesIO(storage.read_bytes(uri))).to_pylist()

    given = ("--manifest", f"{bucket}/people.parquet", "--output")
    assert parjob("label", "choose", *given, f"{bucket}/c.parquet", "--predictions", f"{bucket}/out", "--count", 6) == 0
    there = rows(f"{bucket}/c.parquet")
    assert there[0]["image_uris"] == [f"{bucket}/a.png", f"{bucket}/b.png"]
    here = tmp_path / "c.parquet"
    assert parjob("label", "choose", "--manifest", manifest, "--predictions", out, "--output", here, "--count", 6) == 0
    names = ("tracklet_id", "chosen_rank", "chosen_by", "chosen_why")
    assert [[row[name] for name in names] for row in there] == [
        [row[name] for name in names] for row in rows(str(here))
    ]
    assert parjob("label", "apply", *given, f"{bucket}/l.parquet", "--answers", f"{bucket}/e.json") == 0
    labelled = {row["tracklet_id"]: row["labels"] for row in rows(f"{bucket}/l.parquet")}
    assert labelled["t00"] == [-1, -1, -1, -1, 1]
    assert parjob("label", "choose", *given, f"{bucket}/people.parquet", "--by", "random") == 2
    assert "is the manifest itself" in lines(capsys)[-1]
