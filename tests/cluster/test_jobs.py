"""The scripts of jobs/, as `ray submit` runs them: copied alone into a home folder, arguments joined by spaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.archive import write_archive

JOBS = Path(__file__).parents[2] / "jobs"


def on_the_head(home: Path, script: str, *arguments: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """Ray's own way: the script alone in the home folder, a shell that splits the arguments anew."""
    shutil.copy(JOBS / script, home)
    line = " ".join(["python", f"~/{script}", *map(str, arguments)])
    environment = os.environ | {"HOME": str(home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {name: str(value) for name, value in settings.items()}
    return subprocess.run(["bash", "-c", line], cwd=home, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("command", ["infer", "train", "evaluate", "track"])
def test_help_is_that_of_the_command(command: str, home: Path) -> None:
    alone = on_the_head(home, f"{command}.py", "--help", COLUMNS="100")
    assert alone.returncode == 0, alone.stderr
    parjob = [sys.executable, "-c", "from par_model.cli import main; main()", command, "--help"]
    shown = subprocess.check_output(parjob, text=True, env=os.environ | {"COLUMNS": "100"})
    assert alone.stdout.splitlines()[0].split()[:2] == ["Usage:", f"{command}.py"]
    assert alone.stdout.splitlines()[1:] == shown.splitlines()[1:]


def test_arguments_and_settings_reach_the_job(home: Path, tiny_weights: Path, tmp_path: Path) -> None:
    """A glob is the job's to resolve, and what has spaces is a setting."""
    write_archive(tmp_path / "archive")
    (tmp_path / "archive" / "manifest.parquet").rename(tmp_path / "archive" / "part-0.parquet")
    done = on_the_head(
        home,
        "infer.py",
        *("--manifest", f"file://{tmp_path}/archive/part-*.parquet", "--limit", 4, "--no-ray"),
        PARJOB_INFER_OUTPUT=tmp_path / "a table",
        PARJOB_INFER_WEIGHTS=tiny_weights,
    )
    assert done.returncode == 0, done.stderr
    assert len(pq.read_table(tmp_path / "a table" / "attributes")) == 4


def test_what_the_job_says_is_its_exit_code(home: Path) -> None:
    done = on_the_head(home, "infer.py", "--limit", -1, "--no-ray")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
