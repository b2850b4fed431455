"""``parjob demo`` as a newcomer runs it, and the queries that it prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.test_infer import parjob

PARJOB = [sys.executable, "-c", "from par_model.cli import main; main()"]


@pytest.mark.slow
def test_demo_makes_a_table_and_its_queries_run_as_printed(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PARJOB, "demo", "--output", "street", "--no-ray"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "know only the rendered street" in done.stderr
    table = pq.read_table(tmp_path / "street" / "table-0" / "attributes")
    manifest = pq.read_table(tmp_path / "street" / "street-0" / "manifest.parquet")
    assert table["tracklet_id"].to_pylist() == manifest["tracklet_id"].to_pylist()
    assert set(table["status"].to_pylist()) == {"ok"}
    assert "\nOn the " in done.stdout
    page = (tmp_path / "street" / "report-0.html").read_text(encoding="utf-8")
    assert all(tracklet_id in page for tracklet_id in table["tracklet_id"].to_pylist())
    assert page.count("data:image") == 1  # in the script, which makes an address of a picture when it is shown
    assert "street/report-0.html" in done.stdout
    queries = done.stdout.split("Three queries to try:")[1].strip().split("\n\n")
    assert len(queries) == 3
    for query in queries:
        answer = subprocess.run(["sh", "-c", query], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert answer.stdout.strip(), query
    again = subprocess.run(
        [*PARJOB, "demo", "--output", "street", "--no-ray"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "nothing to do" in again.stderr


@pytest.mark.parametrize("wrong", [("--seed", "-1"), ("--output", "s3://bucket/x"), ("--output", "")])
def test_what_cannot_be_rendered_is_refused_and_nothing_is_made(
    wrong: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parjob("demo", *wrong) == 2
    assert wrong[0] in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
