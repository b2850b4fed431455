"""The page of disputed labels: which, in which order, with which crops, beside what people say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from par_model.labelling.answers import FIELD
from par_model.manifest.write import write_manifest
from tests.cli.run import parjob
from tests.labelling.test_apply import apply, write_answers
from tests.report.results import COLOURS, SCHEMA, ok_row, write_result
from tests.report.test_drawn_tracks import pictures
from tests.report.test_page import policy_hashes


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """OUT of 30 tracklets that the model is sure of, and labelled.parquet, whose labels agree but for t05 and t06."""
    rows = [ok_row(f"t{i:02}<b>", COLOURS[i % 3], backpack=0.9 if i % 2 else 0.1) for i in range(30)]
    rows[6] |= {"scores": rows[6]["scores"] | {"backpack": 0.05}}
    out = write_result(tmp_path, rows)
    said: dict[str, dict[str, str | None]] = {
        f"t{i:02}<b>": {"top_color": COLOURS[i % 3], "backpack": "yes" if i % 2 else "no", "hat": "no"}
        for i in range(30)
    }
    said["t05<b>"]["top_color"] = "red"
    said["t06<b>"]["backpack"] = "yes"
    eva = write_answers(tmp_path / "e.json", "eva", said)
    tom = write_answers(tmp_path / "t.json", "tom", {"t06<b>": {"backpack": "yes"}, "t07<b>": {"backpack": "yes"}})
    apply(str(tmp_path / "manifest.parquet"), tmp_path / "labelled.parquet", eva, tom)
    return out


def audit(run: Path, *more: Any, manifest: str = "labelled.parquet") -> int:
    return parjob(
        *("evaluate", "--manifest", run.parent / manifest, "--predictions", run, "--output", run.parent / "scores"),
        *("--resamples", 10, *more),
    )


def test_the_page_shows_both_labels_the_surest_first(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page_file = run.parent / "audit.html"
    assert audit(run, "--audit", page_file) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"{page_file}: 2 labels disputed, 2 of them likely wrong"
    page = page_file.read_text(encoding="utf-8")
    cards = re.findall(r"<h3>(t\d\d&lt;b&gt;) <span", page)
    assert cards == ["t06&lt;b&gt;", "t05&lt;b&gt;"]
    text = re.sub(r"<[^>]+>", " ", page.partition('id="labels"')[2])
    words = " ".join(text.split())
    assert "backpack labelled yes (5 %), the model says no (95 %)" in words
    assert "top color labelled red (10 %), the model says green (80 %)" in words
    assert "eva yes, 2026-11-28 12:00 UTC" in words
    assert "tom yes, 2026-11-28 12:00 UTC" in words
    assert len(pictures(page)) == 2
    allowed, own = policy_hashes(page)
    assert allowed == own
    assert not re.search(r"https?://", page)
    assert "t05<b>" not in page


def test_people_stand_beside_the_model(run: Path) -> None:
    page_file = run.parent / "audit.html"
    assert audit(run, "--audit", page_file, "--audit-limit", 1) == 0
    page = page_file.read_text(encoding="utf-8")
    row = next(part for part in page.split("<tr>") if ">backpack</a>" in part)
    cells = [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r'<td class="num">(.*?)</td>', row)]
    assert cells == ["30", "1", "96.7\u202f%", "100.0\u202f%", "\u2013"]
    assert "The <b>1</b> of 2 that are disputed most" in page
    assert len(pictures(page)) == 1


def test_a_manifest_that_does_not_say_who_labelled_has_a_note(run: Path) -> None:
    rows = pq.read_table(run.parent / "labelled.parquet").to_pylist()
    write_manifest(str(run.parent / "plain.parquet"), rows, label_schema=SCHEMA)
    assert audit(run, "--audit", run.parent / "audit.html", manifest="plain.parquet") == 0
    page = (run.parent / "audit.html").read_text(encoding="utf-8")
    assert "nothing is known of how far people agree" in page
    assert FIELD.name not in pq.read_schema(run.parent / "plain.parquet").names


def test_pictures_that_are_gone_are_said_so_and_other_files_are_kept(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        (run.parent / name).unlink()
    assert audit(run, "--audit", run.parent / "audit.html") == 0
    page = (run.parent / "audit.html").read_text(encoding="utf-8")
    assert page.count('<p class="lost">image-not-found') == 2
    assert pictures(page) == []
    (run.parent / "scores" / "metrics.json").unlink()
    notes = run.parent / "notes.txt"
    notes.write_text("mine")
    assert audit(run, "--audit", notes) == 2
    assert "--audit" in capsys.readouterr().err
    assert notes.read_text() == "mine"
    assert audit(run, "--audit", run / "attributes" / "audit.html") == 2
    assert "--audit" in (said := capsys.readouterr().err)
    assert "lies among the table's files" in said
    assert audit(run, "--audit", run.parent / "audit.html", "--audit-limit", 0) == 2
    assert audit(run, "--audit-limit", 5) == 2
    assert "--audit-limit is of the page that --audit FILE.html writes" in capsys.readouterr().err
    assert not (run.parent / "scores" / "metrics.json").exists(), "refused before it is scored"
