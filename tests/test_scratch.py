"""Temporary folders go with their process, or with the next one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from par_model.scratch import scratch_folder

HOLD = """
import sys, time
from par_model.scratch import scratch_folder
with scratch_folder("test") as folder:
    open(folder + "/rows.arrow", "w").close()
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def age(folder: Path) -> None:
    """As if it had been made an hour ago."""
    then = time.time() - 3600
    os.utime(folder / ".lock", (then, then))


def test_a_folder_is_there_until_the_end_of_its_block_and_no_longer(root: Path) -> None:
    with scratch_folder("test") as folder:
        assert Path(folder).parent == root
        Path(folder, "some").write_text("text")
    assert list(root.iterdir()) == []


def test_what_a_killed_process_left_goes_with_the_next_folder(root: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        age(left)
        with scratch_folder("test"):
            assert (left / "rows.arrow").exists()  # its owner lives
        process.kill()
        process.wait()
    with scratch_folder("test"):
        assert not left.exists()


def test_a_folder_that_may_be_just_being_made_stays(root: Path) -> None:
    young = root / "parjob-test-young"
    young.mkdir()
    (young / ".lock").touch()
    with scratch_folder("test"):
        assert young.exists()
    age(young)
    with scratch_folder("test"):
        assert not young.exists()


def test_folders_of_others_stay(root: Path) -> None:
    for name in ("parjob-demo", "something"):
        (root / name).mkdir()
    (root / "something" / ".lock").touch()
    age(root / "something")
    with scratch_folder("test"):
        assert (root / "parjob-demo").exists()  # it has no lock
        assert (root / "something").exists()
