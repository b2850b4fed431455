"""One job holds an output, whatever the order of the steps of those that want it, and knows when it does no more."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest

from par_model import storage
from par_model.errors import OutputError
from par_model.runs import lock
from par_model.runs.lock import Held, OutputLock
from par_model.runs.lock_file import LockFile, Seen, lock_file
from tests.runs.orders import in_every_order, step
from tests.s3_proxy import NothingMayGo, Proxy, Request

HERE = {"host": "a", "boot": "b", "processes": "c"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second of the lock's takes a sixtieth of one."""
    for name in ("_BEAT_SECONDS", "_SURE_SECONDS", "_STALE_SECONDS", "_POLL_SECONDS", "_SETTLE_SECONDS"):
        monkeypatch.setattr(lock, name, getattr(lock, name) / 60)


def plant(uri: str, **holder: Any) -> None:
    data = json.dumps({"token": "x", "pid": 1, "heartbeat": time.time(), **holder}).encode()
    if storage.is_local(uri):
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
        Path(uri).write_bytes(data)  # and do not wait for the disk
    else:
        storage.write_bytes(uri, data)


def dead_here() -> dict[str, Any]:
    """The holder that a process of this machine was which is there no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return lock._here() | {"pid": process.pid, "started": "1"}


@pytest.fixture(params=["local", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.getfixturevalue('s3')()}/out/_lock" if request.param == "s3" else str(tmp_path / "out" / "_lock")


def test_the_second_of_two_jobs_is_refused_and_may_go_on_after_the_first(uri: str) -> None:
    with OutputLock(uri) as held:
        held.verify()
        with pytest.raises(OutputError, match=rf"another job \(process {os.getpid()} on "), OutputLock(uri):
            pass
        held.verify()
    with OutputLock(uri):
        assert storage.exists(uri)
    assert storage.list_files(storage.parent(uri)) == []


def test_the_lock_of_a_killed_holder_is_free_at_once(tmp_path: Path) -> None:
    uri = str(tmp_path / "_lock")
    code = f"""
from par_model.runs.lock import OutputLock
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


@pytest.mark.usefixtures("quick")
def test_a_holder_elsewhere_that_gives_no_sign_of_life_is_dead_after_a_minute(
    uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the clocks of the two machines say."""
    plant(uri, host="elsewhere", heartbeat=time.time() + 86400)
    with pytest.raises(OutputError, match="process 1 on elsewhere"), OutputLock(uri, patient=False):
        pass
    began = time.monotonic()
    with OutputLock(uri):
        assert 0.9 <= time.monotonic() - began < 3
    assert "process 1 on elsewhere holds" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_a_holder_elsewhere_that_lives_is_found_out_by_its_next_sign_of_life(tmp_path: Path) -> None:
    """Also where its clock is a day behind."""
    uri = str(tmp_path / "_lock")
    held = Held(uri, HERE | {"token": "x", "pid": 1})
    assert held.take(None)
    seen = Seen(Path(uri).read_bytes())
    assert lock_file(uri).swap(seen, json.dumps(json.loads(seen.data) | {"heartbeat": 0}).encode())

    def beat() -> None:
        time.sleep(0.2)
        held.beat()

    thread = threading.Thread(target=beat)
    thread.start()
    with pytest.raises(OutputError, match="process 1 on a"), OutputLock(uri):
        pass
    thread.join()


@pytest.mark.parametrize(("age", "free"), [(10, False), (70, True)])
def test_what_another_container_of_this_machine_holds_is_told_by_its_age(
    age: float, free: bool, tmp_path: Path
) -> None:
    """Its process cannot be seen from here, whatever its number, but its clock is ours."""
    uri = str(tmp_path / "_lock")
    plant(uri, **dead_here() | {"processes": "pid:[1]", "heartbeat": time.time() - age})
    if free:
        with OutputLock(uri, patient=False):
            pass
    else:
        with pytest.raises(OutputError, match="another job"), OutputLock(uri, patient=False):
            pass


def test_a_torn_lock_is_free(tmp_path: Path) -> None:
    (tmp_path / "_lock").write_text('{"tok')
    with OutputLock(str(tmp_path / "_lock")) as held:
        held.verify()
    assert not (tmp_path / "_lock").exists()


class Stepped:
    """A lock's file each of whose requests is a step."""

    def __init__(self, file: LockFile, names: Sequence[str] = ("read", "swap", "remove", "prove")) -> None:
        self._file, self._names = file, names

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._file, name)

        def stepped(*given: Any) -> Any:
            if name in self._names:
                step()
            return method(*given)

        return stepped


@pytest.fixture
def stepped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "lock_file", lambda uri, **more: Stepped(lock_file(uri, **more)))


@pytest.mark.usefixtures("stepped")
@pytest.mark.parametrize("left_by", ["nobody", "a dead holder", "one that could not remove it"])
@pytest.mark.parametrize("releases", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_in_every_order_of_their_requests_one_of_two_jobs_is_at_work(
    tmp_path: Path, left_by: str, releases: bool
) -> None:
    one_at_work_in_every_order(str(tmp_path / "out" / "_lock"), left_by, 2, releases)


@pytest.mark.slow
@pytest.mark.usefixtures("stepped")
def test_in_every_order_of_their_requests_one_of_two_jobs_is_at_work_on_s3(s3: Callable[[], str]) -> None:
    one_at_work_in_every_order(f"{s3()}/out/_lock", "a dead holder", 2, releases=False)


@pytest.mark.slow
@pytest.mark.parametrize("left_by", ["nobody", "a dead holder"])
def test_in_every_order_of_their_looks_and_changes_one_of_three_jobs_is_at_work(
    tmp_path: Path, left_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "lock_file", lambda uri, **more: Stepped(lock_file(uri, **more), ("read", "swap")))
    one_at_work_in_every_order(str(tmp_path / "out" / "_lock"), left_by, 3, releases=False)


def one_at_work_in_every_order(uri: str, left_by: str, jobs: int, releases: bool) -> None:
    left = {"a dead holder": dead_here(), "one that could not remove it": dead_here() | {"released": True}}
    at_work: set[int] = set()
    began: list[int] = []
    said: set[str] = set()

    def job(number: int) -> None:
        try:
            with OutputLock(uri) as held:
                began.append(number)
                assert not at_work
                at_work.add(number)
                if jobs == 2:
                    step()
                held.verify()
                assert at_work == {number}
                at_work.remove(number)
                if not releases:
                    held._lost = "kept by the test"
        except OutputError as error:
            said.add(str(error))

    def begin() -> list[Callable[[], None]]:
        began.clear()
        storage.remove(uri)
        if left_by in left:
            plant(uri, **left[left_by])
        return [lambda n=n: job(n) for n in range(jobs)]  # type: ignore[misc]

    def end() -> None:
        assert len(began) >= 1 if releases else len(began) == 1
        assert storage.exists(uri) is not releases

    assert in_every_order(begin, end) >= 90
    assert all(line.startswith("another job (process ") for line in said)


@pytest.mark.usefixtures("stepped")
@pytest.mark.parametrize(
    ("uri", "releases"),
    [("local", False), ("local", True), pytest.param("s3", True, marks=pytest.mark.slow)],
    indirect=["uri"],
)
def test_in_every_order_of_their_requests_a_holder_taken_for_dead_stops_before_its_next_write(
    uri: str, releases: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=1000.0)
    clock.time = clock.monotonic = lambda: clock.now
    monkeypatch.setattr(lock, "time", clock)
    ends: set[str] = set()
    taken: list[int] = []
    holder: list[Held] = []

    def stopped() -> None:
        """The job that was stopped for 61 s, and goes on."""
        try:
            for _ in range(2):
                holder[0].verify()
                step()
                assert not taken
            if releases:
                holder[0].release()
            ends.add("went on")
        except OutputError as error:
            ends.add(str(error).rpartition(", so it ")[2].partition(";")[0])

    def other() -> None:
        try:
            with OutputLock(uri, patient=False) as held:
                taken.append(1)
                step()
                held.verify()
                held._lost = "kept by the test"
                assert json.loads(storage.read_bytes(uri))["token"] == held._owner["token"]
                ends.add("took over")
        except OutputError as error:
            ends.add(str(error).partition(" (")[0])

    def begin() -> list[Callable[[], None]]:
        taken.clear()
        storage.remove(uri)
        holder[:] = [Held(uri, lock._here() | {"token": "x", "processes": "pid:[1]"})]
        assert holder[0].take(None)
        clock.now += 61
        return [stopped, other]

    assert in_every_order(begin, lambda: None) > 5
    assert ends == {"went on", "writes nothing more", "took over", "another job"}


class SteppedSystem:
    """The module os, or fcntl, as lock_file.py sees it: what touches the file is a step."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        if name in ("open", "flock", "pread", "pwrite", "unlink", "stat", "close"):
            step()
        return getattr(self._module, name)


@pytest.mark.slow
def test_in_every_order_of_their_system_calls_one_of_two_changes_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two processes that have seen the same state of a local file: created, taken over, removed and created anew."""
    import fcntl

    from par_model.runs import lock_file as module

    monkeypatch.setattr(module, "os", SteppedSystem(os))
    monkeypatch.setattr(module, "fcntl", SteppedSystem(fcntl))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: step(waits=True)))
    uri = str(tmp_path / "_lock")
    file = lock_file(uri)
    dead = Seen(b"dead".ljust(512))
    done: list[str] = []

    def create(name: str) -> None:
        if file.swap(None, name.encode()) is not None:
            done.append(name)

    def replace(name: str) -> None:
        if file.swap(dead, name.encode()) is not None:
            done.append(name)

    def release() -> None:
        if file.remove(dead):
            done.append("released")

    def content() -> str:
        return Path(uri).read_bytes().decode().strip() if Path(uri).exists() else ""

    def orders(start: bytes, bodies: list[Callable[[], None]], results: set[tuple[str, ...]]) -> None:
        found: set[tuple[str, ...]] = set()

        def begin() -> list[Callable[[], None]]:
            done.clear()
            Path(uri).unlink(missing_ok=True)
            if start:
                Path(uri).write_bytes(start)
            return bodies

        assert in_every_order(begin, lambda: found.add((*sorted(done), content()))) > 50
        assert found == results

    orders(b"", [lambda: create("a"), lambda: create("b")], {("a", "a"), ("b", "b")})
    orders(dead.data, [lambda: replace("a"), lambda: replace("b")], {("a", "a"), ("b", "b")})
    orders(dead.data, [release, lambda: replace("b")], {("released", ""), ("b", "b")})
    orders(dead.data, [release, lambda: create("b")], {("released", ""), ("b", "released", "b")})


def test_a_holder_whose_lock_is_removed_by_hand_stops(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutputLock(uri) as held:
        storage.remove(uri)
        held.verify()  # proved a moment ago
        monkeypatch.setattr(lock, "_SURE_SECONDS", 0.0)
        with pytest.raises(OutputError, match=r"the lock of .* was removed while this job"):
            held.verify()
        monkeypatch.undo()
        with pytest.raises(OutputError, match="writes nothing more"):
            held.verify()
    assert not storage.exists(uri)


@pytest.mark.usefixtures("quick")
def test_the_heart_beats_and_processes_of_the_job_prove_the_same_hold(uri: str) -> None:
    def state() -> Any:
        return json.loads(storage.read_bytes(uri))

    with OutputLock(uri) as held:
        first = state()
        deadline = time.monotonic() + 10
        while state()["heartbeat"] == first["heartbeat"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        worker = pickle.loads(pickle.dumps(held.verify))
        for _ in range(3):
            worker()
            held.beat()
        assert state()["token"] == first["token"]
    assert not storage.exists(uri)
    with pytest.raises(OutputError, match="was removed"):
        pickle.loads(pickle.dumps(held.verify))()


def test_workers_look_at_the_lock_and_leave_it_as_it_is(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutputLock(uri) as held:
        witness = pickle.loads(pickle.dumps(held.look_only()))
        before = lock_file(uri).read()
        witness()
        after = lock_file(uri).read()
        assert before is not None
        assert after is not None
        assert (after.data, after.version) == (before.data, before.version)  # it has grown older meanwhile
        plant(uri, token="another's", host="elsewhere")
        witness()  # it has just looked
        monkeypatch.setattr(lock, "_LOOK_SECONDS", 0.0)
        with pytest.raises(OutputError, match="process 1 on elsewhere has taken"):
            witness()
    storage.remove(uri)
    with pytest.raises(OutputError, match="was removed"):
        held.look_only()()


@pytest.mark.usefixtures("quick")
def test_a_job_that_cannot_tell_for_a_minute_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For that long it waits, as storage may come back."""

    def gone(*_: object) -> None:
        raise storage.PlaceError("the network is gone")

    uri = str(tmp_path / "out" / "_lock")
    with OutputLock(uri) as held:
        with monkeypatch.context() as patch:
            patch.setattr(lock_file(uri).__class__, "swap", gone)
            patch.setattr(lock_file(uri).__class__, "read", gone)
            time.sleep(0.6)
            began = time.monotonic()
            with pytest.raises(OutputError, match=r"could not be told whether this job still holds .*network is gone"):
                held.verify()
            assert 0.2 < time.monotonic() - began < 2
        held.verify()
    assert not storage.exists(uri)


HOLDER = """
import sys, time
from par_model import storage
from par_model.errors import OutputError
from par_model.runs.lock import OutputLock
uri, log = sys.argv[1:]
storage.filesystem(uri)
print("ready", flush=True)
sys.stdin.readline()
try:
    with OutputLock(uri) as held:
        print("holds", flush=True)
        held.verify()
        with open(log, "x"):
            sys.stdin.readline()
except OutputError as error:
    print(error, flush=True)
    sys.exit(1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("left_by", ["nobody", "a dead holder"])
def test_of_twenty_pairs_of_processes_that_start_at_once_one_of_each_works(
    uri: str, left_by: str, tmp_path: Path
) -> None:
    """Ten pairs find no lock, and ten a dead holder's; here and on S3."""
    dead = dead_here()
    for pair in range(10):
        place = f"{storage.parent(uri)}/{pair}/_lock"
        if left_by == "a dead holder":
            plant(place, **dead)
        command = [sys.executable, "-c", HOLDER, place, str(tmp_path / f"work-{pair}")]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
            for process in (one, two):
                assert process.stdout.readline() == "ready\n"  # type: ignore[union-attr]
            for process in (one, two):
                process.stdin.write("\n")  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
            said = [process.stdout.readline() for process in (one, two)]  # type: ignore[union-attr]
            for process in (one, two):
                process.communicate("\n")
        winner = said.index("holds\n")
        assert f"another job (process {(one, two)[winner].pid} on " in said[1 - winner]
        assert sorted((one.returncode, two.returncode)) == [0, 1]
        assert not storage.exists(place)


@pytest.fixture
def behind(s3: Callable[[], str], s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Gives the URI of a lock that is reached through a proxy of a class."""
    with ExitStack() as stack:

        def reach(kind: type[Proxy]) -> str:
            uri = f"{s3()}/out/_lock"
            monkeypatch.setenv("AWS_ENDPOINT_URL", stack.enter_context(kind(s3_endpoint)).endpoint)
            fsspec.get_filesystem_class("s3").clear_instance_cache()
            return uri

        yield reach


class Heedless(Proxy):
    """A store that does not know conditional requests."""

    def meddle(self, request: Request) -> bool:
        del request.headers["If-Match"], request.headers["If-None-Match"]
        return False


class Refusing(Proxy):
    """A store that answers them with 501."""

    def meddle(self, request: Request) -> bool:
        if "If-Match" in request.headers or "If-None-Match" in request.headers:
            request.answer(501, b"<Error><Code>NotImplemented</Code><Message>A header you provided</Message></Error>")
            return True
        return False


class HeedlessOfRemovals(Proxy):
    """A store that knows conditions of writes, and ignores those of removals."""

    def meddle(self, request: Request) -> bool:
        if request.command == "DELETE":
            del request.headers["If-Match"]
        return False


class Forgetful(Proxy):
    """Every first conditional request arrives, and its answer does not."""

    lost = 0

    def meddle(self, request: Request) -> bool:
        if not {"If-Match", "If-None-Match"} & set(request.headers) or self.lost % 2:
            self.lost += bool({"If-Match", "If-None-Match"} & set(request.headers))
            return False
        self.lost += 1
        request.pass_on()
        request.reset()
        return True


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", [Heedless, pytest.param(Refusing, marks=pytest.mark.slow)])
def test_a_store_without_conditional_requests_is_found_out_and_read_back(
    kind: type[Proxy], behind: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = behind(kind)
    with OutputLock(uri) as held:
        assert "files cannot be created exclusively (S3: If-None-Match" in capsys.readouterr().err
        held.beat()
        pickle.loads(pickle.dumps(held)).beat()
        held.verify()
        with pytest.raises(OutputError, match="another job"), OutputLock(uri):
            pass
        plant(uri, token="another's", host="elsewhere")  # at the same moment
        with pytest.raises(OutputError, match="process 1 on elsewhere has taken"):
            pickle.loads(pickle.dumps(held)).verify()
    assert json.loads(storage.read_bytes(uri))["token"] == "another's"


@pytest.mark.usefixtures("quick")
def test_who_was_overwritten_in_such_a_store_is_refused(behind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = behind(Heedless)
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: plant(uri, host="elsewhere"))
    with pytest.raises(OutputError, match=r"another job \(process 1 on elsewhere\)"), OutputLock(uri):
        pass


def test_a_lock_whose_answers_are_lost_is_held_all_the_same(behind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """What was written is read back before an error counts, for the repetition of what has arrived is refused."""
    uri = behind(Forgetful)
    with OutputLock(uri) as held:
        held.beat()
        held.beat()
        held.verify()
    assert not storage.exists(uri)
    assert capsys.readouterr().err == ""


def test_a_lock_that_may_not_be_removed_is_free_when_its_holder_has_given_it_up(behind: Any) -> None:
    uri = behind(NothingMayGo)
    for _ in range(2):
        with OutputLock(uri), pytest.raises(OutputError, match="another job"), OutputLock(uri):
            pass
    assert json.loads(storage.read_bytes(uri))["released"] is True


@pytest.mark.parametrize("kind", [Proxy, HeedlessOfRemovals])
def test_who_lost_the_lock_and_does_not_know_it_leaves_the_lock_alone(kind: type[Proxy], behind: Any) -> None:
    uri = behind(kind)
    with OutputLock(uri):
        plant(uri, token="another's", host="elsewhere")
    assert json.loads(storage.read_bytes(uri))["token"] == "another's"
    with OutputLock(f"{uri}-2"):
        pass
    assert not storage.exists(f"{uri}-2")
