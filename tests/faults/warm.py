"""Jobs that begin where their imports end: forks of a process that has imported what a job without Ray needs.

Imports are most of the time of a job as small as those of tests. Each job is a process of its own all the same, with
its own arguments and environment, which anything may be done to. The process that is forked has begun nothing: it has
one thread, which is checked, and so no lock that another thread would hold.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# NumPy's OpenBLAS and pyarrow's jemalloc would start theirs when they are imported.
_NO_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


class Forked:
    """A job that runs, with what the tests use of ``subprocess.Popen``."""

    def __init__(self, warm: Warm, pid: int, out: Path, err: Path) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._warm, self._out, self._err = warm, out, err

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 300.0) -> tuple[str, str]:
        """Wait for its end, and give its stdout and stderr. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while self.returncode is None:
            self.returncode = self._warm.ask(self.pid)
            if self.returncode is None:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"process {self.pid} runs after {timeout:g} s: {self._err.read_text()}")
                time.sleep(0.02)
        return self._out.read_text(), self._err.read_text()


class Warm:
    """The process that is forked. folder: for what jobs say. environment: as of jobs, for what is read at import."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._started = 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.faults.warm import serve; serve()"],
            env=dict(environment) | _NO_THREADS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, words: Sequence[str], environment: Mapping[str, str], first: str) -> Forked:
        """``parjob`` with these words. first: code that the process begins with."""
        self._started += 1
        out, err = (self._folder / f"{self._started}.{name}" for name in ("out", "err"))
        pid = self.ask([list(words), dict(environment), first, str(out), str(err)])
        assert pid is not None
        return Forked(self, pid, out, err)

    def ask(self, what: object) -> int | None:
        """Start a job, for its process; or look for the end of one, for its exit code, None while it runs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(what)}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that is forked has ended, with what it says on stderr"
        answer: int | None = json.loads(line)
        return answer

    def end(self) -> None:
        self._process.communicate()


def serve() -> None:
    """Answer ``Warm.ask`` until it goes away. In a job, do what the job is asked for, and exit with its code."""
    import duckdb  # noqa: F401
    import pandas  # noqa: F401
    import safetensors.torch  # noqa: F401

    import par_model.cli.infer
    import par_model.cli.main
    import par_model.inference.job
    import par_model.inference.local  # noqa: F401

    gc.freeze()
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, f"imports have started threads, so that this process cannot be forked: {threads}"
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            pid, status = os.waitpid(asked, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = os.fork()
            if answer == 0:
                _become(*asked)
        print(json.dumps(answer), flush=True)


def _become(words: list[str], environment: dict[str, str], first: str, out: str, err: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        os.dup2(os.open(path, flags | os.O_CREAT), descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which what runs in the background has ignored
    exec(first, {})
    from par_model.cli import main

    main(words)
