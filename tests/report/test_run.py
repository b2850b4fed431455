"""What the report asks of a finished run."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from par_model.errors import OutputError
from par_model.report.run import FinishedRun
from tests.report.results import failed_row, ok_row, write_result


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    rows = [ok_row(f"ok{i:02}", "red" if i % 3 else "blue", hat=0.9 if i < 5 else 0.1) for i in range(30)]
    rows += [failed_row(f"bad{i}", "video-timeout" if i else "video-not-found", "x" * 400) for i in range(5)]
    rows[0] |= {"camera_id": None}
    return FinishedRun(str(write_result(tmp_path_factory.mktemp("run"), rows)))


def test_answers_cameras_and_failures_are_counted(run: FinishedRun) -> None:
    colour, backpack, hat = run.groups
    assert run.distribution(colour) == {"red": 20, "blue": 10, "green": 0}
    assert (run.distribution(backpack), run.distribution(hat)) == ({"no": 30, "yes": 0}, {"no": 25, "yes": 5})
    assert run.cameras() == [("1", 29, 0), ("2", 5, 5), ("none", 1, 0)]
    timeout, missing = run.failures()
    assert (timeout["code"], timeout["count"], len(timeout["examples"])) == ("video-timeout", 4, 3)
    assert (missing["code"], missing["count"], missing["examples"]) == ("video-not-found", 1, [("bad0", "x" * 300)])


def test_the_gallery_has_at_most_a_fifth_of_failures_and_half_of_labelled_ones(run: FinishedRun) -> None:
    assert len(run.sample(100, None)) == 35
    labelled = pa.table({"tracklet_id": [f"ok{i:02}" for i in range(20)]})
    ids = run.sample(10, labelled)["tracklet_id"].to_pylist()
    assert ids == sorted(ids) == run.sample(10, labelled)["tracklet_id"].to_pylist()
    assert sum(name.startswith("bad") for name in ids) == 2
    assert sum(name.startswith("ok") and int(name[2:]) < 20 for name in ids) == 5
    assert len(ids) == 10


def test_answers_are_texts_of_all_or_of_some_that_were_recognised(run: FinishedRun) -> None:
    assert len(run.answers()) == 35
    some = run.answers_of(["ok00", "bad0", "never"]).to_pylist()
    assert [(row["tracklet_id"], row["top_color"], row["hat"]) for row in some] == [("ok00", "blue", "true")]
    assert some[0]["hat_score"] == pytest.approx(0.9)
    assert not run.has_embedding


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"run\.json"):
        FinishedRun(str(tmp_path))
