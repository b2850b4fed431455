import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from par_model.errors import OutputError
from par_model.table.lock import OutputLock


def test_the_second_of_two_jobs_is_refused_and_may_go_on_after_the_first(tmp_path: Path) -> None:
    uri = str(tmp_path / "_lock")
    with OutputLock(uri), pytest.raises(OutputError, match="another job"), OutputLock(uri):
        pass
    with OutputLock(uri):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_killed_holder_is_free_at_once(tmp_path: Path) -> None:
    uri = str(tmp_path / "_lock")
    code = f"""
from par_model.table.lock import OutputLock
with OutputLock({uri!r}):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(OutputError, match=f"process {holder.pid} "), OutputLock(uri):
            pass
        holder.kill()
        holder.wait()
        assert Path(uri).exists()
        with OutputLock(uri):
            pass


@pytest.mark.parametrize(("age", "free"), [(10, False), (70, True)])
def test_a_holder_on_another_host_is_believed_for_a_minute(tmp_path: Path, age: float, free: bool) -> None:
    lock = tmp_path / "_lock"
    lock.write_text(json.dumps({"token": "x", "host": "elsewhere", "pid": 1, "heartbeat": time.time() - age}))
    if free:
        with OutputLock(str(lock)):
            pass
    else:
        with pytest.raises(OutputError, match="on elsewhere"), OutputLock(str(lock)):
            pass


def test_a_torn_lock_is_free(tmp_path: Path) -> None:
    (tmp_path / "_lock").write_text('{"tok')
    with OutputLock(str(tmp_path / "_lock")):
        pass


@pytest.mark.parametrize(("age", "stays"), [(0, True), (3600, False)])
def test_only_what_a_dead_holder_left_is_swept(age: float, stays: bool, tmp_path: Path) -> None:
    lock = tmp_path / "_lock"
    lock.write_text(json.dumps({"token": "t", "host": "elsewhere", "heartbeat": time.time() - age}))
    OutputLock(str(lock)).sweep()
    assert lock.exists() is stays
