"""``parjob table`` as the shell runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.catalogs.tables import made_rows, write_output
from tests.cli.run import parjob


def test_the_statement_goes_to_stdout_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("zone",))
    assert parjob("table", "ddl", out, "--for", "duckdb", "--name", "people") == 0
    read = capsys.readouterr()
    assert read.err == ""
    with duckdb.connect() as connection:
        connection.execute(read.out)
        assert connection.sql("SELECT count(*), sum(zone) FROM people").fetchall() == [(25, -36)]


def test_a_registration_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("deltalake", reason="the extra delta is not installed")
    out = write_output(tmp_path / "out", made_rows(), ("zone",))
    assert parjob("table", "register", out, "--delta") == 0
    assert capsys.readouterr().out == "delta has run 0123456789ab, as snapshot 0: 4 files added, 0 removed\n"
    assert parjob("table", "register", out, "--delta") == 0
    assert capsys.readouterr().out == "delta has run 0123456789ab already; nothing to do\n"
    assert parjob("table", "register", out, "--delta", "--json") == 0
    told = {"catalog": "delta", "run_id": "0123456789ab", "snapshot": None, "added": 0, "removed": 0}
    assert json.loads(capsys.readouterr().out) == told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "give one of --iceberg CATALOG.NAMESPACE.TABLE and --delta"),
        (["--delta", "--iceberg", "a.b.c"], "give one of --iceberg CATALOG.NAMESPACE.TABLE and --delta"),
        (["--iceberg", "a.b"], "--iceberg a.b: is CATALOG.NAMESPACE.TABLE"),
        (["--iceberg", "a..b"], "--iceberg a..b: is CATALOG.NAMESPACE.TABLE"),
    ],
)
def test_wrong_usage_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "--iceberg" in words:
        pytest.importorskip("pyiceberg", reason="the extra iceberg is not installed")
    assert parjob("table", "register", "out", *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("library", "words", "what"),
    [("deltalake", "--delta", "a Delta table"), ("pyiceberg", "--iceberg=a.b.c", "Iceberg")],
)
def test_a_library_that_is_not_there_is_named(library: str, words: str, what: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules['{library}'] = None\nfrom par_model.cli import main\nmain()"
    command = [sys.executable, "-c", code, "table", "register", str(tmp_path), words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    extra = words[2:].partition("=")[0]
    assert ended.returncode == 2
    get = f"pip install 'par-model[{extra}]'"
    assert ended.stderr == f"parjob: {what} needs the library {library}, which is not installed: {get}\n"
