"""Surveys of many videos, several at a time, each in a child process: a video that crashes or hangs its decoder costs
itself alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Lock

from par_model.errors import FailureCode, TrackletError
from par_model.video.containers.damage import reason_of
from par_model.video.options import MOST_SECONDS, TIMED_FRAMES
from par_model.video.survey import Survey, survey

_MOST_WORKERS = 8
_SECONDS = 900.0


@dataclass(frozen=True)
class Question:
    """What ``survey`` takes."""

    uri: str
    last_frame: int
    stream: int = 0
    decode: bool = False

    @property
    def seconds(self) -> float:
        """How long the answer may take."""
        return min(MOST_SECONDS, _SECONDS * max(1.0, self.last_frame / TIMED_FRAMES))


def surveys(questions: Iterable[Question]) -> Iterator[tuple[Question, Survey | TrackletError]]:
    """Each question with its survey, or with what is wrong with the video, in the order of the questions."""
    helpers = [_Helper() for _ in range(max(1, min(_MOST_WORKERS, os.cpu_count() or 1)))]
    idle: SimpleQueue[_Helper] = SimpleQueue()
    for helper in helpers:
        idle.put(helper)

    def ask(question: Question) -> tuple[Question, Survey | TrackletError]:
        helper = idle.get()
        try:
            return question, helper.ask(question)
        finally:
            idle.put(helper)

    pool = ThreadPoolExecutor(len(helpers))
    try:
        yield from pool.map(ask, questions)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for helper in helpers:
            helper.kill()  # whoever still waits for an answer need not
        pool.shutdown()
        for helper in helpers:
            helper.end()


class _Helper:
    """A child process that answers questions; it is started when it is needed, and again when it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._starting = Lock()
        self._is_over = False

    def ask(self, question: Question) -> Survey | TrackletError:
        connection = self._started()
        if connection is None:
            return TrackletError(FailureCode.VIDEO_CRASHED, f"cannot read {question.uri}: nobody waits for it any more")
        try:
            connection.send(question)
            if connection.poll(question.seconds):
                answer: Survey | TrackletError = connection.recv()
                return answer
        except (EOFError, OSError):
            self.end()
            return TrackletError(FailureCode.VIDEO_CRASHED, f"cannot read {question.uri}: it ends the decoding process")
        self.end()
        message = f"cannot read {question.uri}: no answer within {question.seconds:g} s"
        return TrackletError(FailureCode.VIDEO_TIMEOUT, message)

    def kill(self) -> None:
        """End the process, if there is one, while another thread may start it or wait for it; none is started then."""
        with self._starting:
            self._is_over = True
            process = self._process  # the other thread may forget it meanwhile
        if process is not None:
            process.kill()

    def end(self) -> None:
        """End the process, if there is one, and forget it."""
        if self._process is not None and self._connection is not None:
            self._connection.close()
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def _started(self) -> Connection | None:
        """The pipe to the process; None once it was killed. Raises OSError where the machine starts no other."""
        if self._process is None or self._connection is None or self._process.poll() is not None:
            self.end()
            with self._starting:
                if self._is_over:
                    return None
                self._process, self._connection = _start()
        return self._connection


def _start() -> tuple[subprocess.Popen[bytes], Connection]:
    ours, theirs = Pipe()
    # A fresh interpreter: a fork of a process with threads may stand still, and multiprocessing would run the user's
    # script anew in it.
    start = f"import sys; sys.path[:] = {sys.path!r}; from par_model.video import surveys; surveys.main(sys.argv)"
    try:
        command = [sys.executable, "-c", start, str(theirs.fileno())]
        return subprocess.Popen(command, pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL), ours
    finally:
        theirs.close()


def main(arguments: Sequence[str]) -> None:
    """Answer questions in the child process until the other side goes away. arguments: name, descriptor of the pipe."""
    _answer(Connection(int(arguments[1])))


def _answer(connection: Connection) -> None:
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            question: Question = connection.recv()
            try:
                answer: Survey | TrackletError = survey(
                    question.uri, question.last_frame, question.stream, decode=question.decode
                )
            except TrackletError as error:
                answer = error
            except Exception as error:  # noqa: BLE001  # what one video does must not end the survey of others
                why = f"cannot read {question.uri}: unexpected {type(error).__name__}: {reason_of(error)}"
                answer = TrackletError(FailureCode.VIDEO_CRASHED, why)
            connection.send(answer)
