"""Temporary folders go with their process, or with the next one."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from par_model.scratch import scratch_folder, scratch_path

LOCK = ".parjob-scratch-lock"
PREFIX = f"parjob-scratch-{socket.gethostname()}-"
HOLD = """
import sys, time
from par_model.scratch import scratch_folder
with scratch_folder("test", *sys.argv[1:]) as folder:
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
    os.utime(folder / LOCK, (then, then))


def test_a_folder_is_there_until_the_end_of_its_block_and_no_longer(root: Path) -> None:
    with scratch_folder("test") as folder:
        assert Path(folder).parent == root
        Path(folder, "some").write_text("text")
    assert list(root.iterdir()) == []


def test_others_know_where_a_folder_with_a_name_is_and_may_share_it(root: Path) -> None:
    path = Path(scratch_path("test", "run"))
    assert not path.exists()
    with scratch_folder("test", "run") as folder:
        assert Path(folder) == path
        (path / "crops.arrow").touch()
        age(path)
        with scratch_folder("test", "run"), scratch_folder("other"):
            assert (path / "crops.arrow").exists()
    assert list(root.iterdir()) == []


@pytest.mark.parametrize("name", [[], ["run"]])
def test_what_a_killed_process_left_goes_with_the_next_folder(root: Path, name: list[str]) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, *name], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            left = Path(process.stdout.readline().strip())
            assert all(left == Path(scratch_path("test", known)) for known in name)
            age(left)
            with scratch_folder("test"):
                assert (left / "rows.arrow").exists()  # its owner lives
        finally:
            process.kill()
    with scratch_folder("test"):
        assert not left.exists()


def test_a_folder_that_may_be_just_being_made_stays(root: Path) -> None:
    young = root / f"{PREFIX}test-young"
    young.mkdir()
    (young / LOCK).touch()
    with scratch_folder("test"):
        assert young.exists()
    age(young)
    with scratch_folder("test"):
        assert not young.exists()


def test_folders_of_others_stay(root: Path) -> None:
    """Of other programs, of other machines on the same storage, and those without a lock."""
    for name in ("parjob-demo", "something", "parjob-scratch-elsewhere-sort-1", f"{PREFIX}sort-1"):
        (root / name).mkdir()
    for name in ("something", "parjob-scratch-elsewhere-sort-1"):
        (root / name / LOCK).touch()
        age(root / name)
    (root / f"{PREFIX}sort-2").mkdir()
    os.mkfifo(root / f"{PREFIX}sort-2" / LOCK)  # opening it would wait for a writer
    age(root / f"{PREFIX}sort-2")
    before = sorted(root.iterdir())
    with scratch_folder("test"):
        pass
    assert sorted(root.iterdir()) == before


def test_where_files_cannot_be_locked_the_folder_is_there_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with scratch_folder("test") as folder, scratch_folder("test"):
        assert list(Path(folder).iterdir()) == []  # no lock that others could take for one that was left
