"""Decoding in a child process, so that a crash, a hang or runaway memory of native code costs one video alone.

    this process (parent.py)                        child process (child.py)
    DecodeTask            -- socket -->             decode_group
    Crops or Failure      <-- socket, pixels in shared memory --
    "pixels copied"       -- socket -->             their memory is free again

The child is a fresh interpreter, neither a fork nor a copy of the main module, so it starts without torch or Ray. It
stays for the next video; one that was killed is replaced. It ends when this process does, however that ends.
"""

from __future__ import annotations

import atexit
import math
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import Pipe

import numpy as np
from numpy.typing import NDArray

from par_model.errors import FailureCode, ParError, TrackletError
from par_model.types import Crops, Failure, RawCrops, Tracklet
from par_model.video.collect import Decoded, failure
from par_model.video.counters import Counters
from par_model.video.options import DecodeOptions
from par_model.video.passed import Pass, PassedFrame, PassEnd
from par_model.video.process.protocol import (
    SHARED_BYTES,
    Answer,
    DecodeTask,
    PassedAt,
    PassTask,
    PixelsAt,
    Result,
    Told,
)

_START_SECONDS = 120.0
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # one core


class ProcessDiedError(Exception):
    """The child process ended without finishing its task. ``str`` says how."""


_idle: list[DecodeProcess] = []


def decode_isolated(task: DecodeTask, counters: Counters) -> Iterator[Decoded]:
    """What ``decode_group`` yields, decoded in a child process within the task's deadline.

    A video that crashes the child gives video-crashed, one that exceeds the deadline video-timeout (stills:
    image-unreadable) for those of its tracklets that were not finished.
    """
    waiting = {(t.row, t.tracklet_id): t for t in task.tracklets}
    process = None
    while True:
        # What an earlier video left behind may be why a used process dies: then judge this one in its own.
        process = _take() if process is None else DecodeProcess()
        is_new = process.tasks == 0
        try:
            for result in process.results(replace(task, tracklets=list(waiting.values())), counters):
                assert isinstance(result, Crops | RawCrops | Failure)
                waiting.pop((result.row, result.tracklet_id), None)
                yield result
            return
        except ProcessDiedError as death:
            if is_new or not waiting:
                yield from _failures(waiting.values(), FailureCode.VIDEO_CRASHED, f"the decoding process {death}")
                return
        except TimeoutError as error:
            yield from _failures(waiting.values(), FailureCode.VIDEO_TIMEOUT, str(error))
            return
        finally:
            _put_back(process)


Take = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""What is kept of a picture, uint8 [H, W, 3]: a copy, of its own size or smaller."""


def pass_isolated(
    wanted: Pass, options: DecodeOptions, counters: Counters, take: Take = np.copy
) -> Generator[PassedFrame | PassEnd, None, None]:
    """What ``pass_video`` yields, decoded in a child process. Pictures stay valid, as ``take`` makes them. Raises
    TrackletError too where the child crashes (video-crashed), or where it does not come to the next picture in time
    (video-timeout)."""
    process = None
    end: PassEnd | None = None
    while end is None:
        # As above: what dies in a used process is tried once more in its own, from where it was.
        process = _take() if process is None else DecodeProcess()
        is_new = process.tasks == 0
        failure: Failure | None = None
        try:
            for result in process.results(PassTask(wanted, options), counters, take):
                if isinstance(result, PassedFrame):
                    wanted = replace(wanted, skip=result.index // wanted.every + 1)
                    yield result
                elif isinstance(result, PassEnd):
                    end = result
                elif isinstance(result, Failure):
                    failure = result  # the last that it says
            assert end is not None or failure is not None
        except ProcessDiedError as death:
            if is_new and end is None:
                message = f"cannot read {wanted.uri}: the decoding process {death}"
                raise TrackletError(FailureCode.VIDEO_CRASHED, message) from None
        except TimeoutError as error:
            if end is None:
                raise TrackletError(FailureCode.VIDEO_TIMEOUT, f"cannot read {wanted.uri}: {error}") from None
        finally:
            _put_back(process)
        if failure is not None:
            raise TrackletError(failure.code, failure.message)
    yield end  # told last, when the child is free for the next video


def start_process() -> None:
    """Have a child process ready, so that the first task need not wait for one."""
    _put_back(_take())


def close_processes() -> None:
    """End the child processes that are idle. New ones start when they are needed."""
    while _idle:
        _idle.pop().kill()


atexit.register(close_processes)


def _take() -> DecodeProcess:
    while _idle:
        process = _idle.pop()
        if process.is_usable():
            return process
        process.kill()
    return DecodeProcess()


def _put_back(process: DecodeProcess) -> None:
    if process.is_idle:
        _idle.append(process)
    else:
        process.kill()


def _failures(tracklets: Iterable[Tracklet], code: FailureCode, message: str) -> Iterator[Failure]:
    for tracklet in tracklets:
        stills = tracklet.video_uri is None
        what = "its images" if stills else tracklet.video_uri
        error = TrackletError(FailureCode.IMAGE_UNREADABLE if stills else code, f"cannot read {what}: {message}")
        yield failure(tracklet, error)


class DecodeProcess:
    """One child process, and the memory that it shares with this one.

    tasks: how many it was given. is_idle: whether it waits for the next one.
    """

    def __init__(self) -> None:
        self.tasks = 0
        self.is_idle = False
        self._owner = os.getpid()
        self._environment = dict(os.environ)
        self._connection, theirs = Pipe()
        file = _shared_file()
        try:
            self._memory = np.frombuffer(mmap.mmap(file, SHARED_BYTES), np.uint8)
            paths = f"import sys; sys.path[:] = {sys.path!r}"
            start = f"{paths}; from par_model.video.process import child; child.main(sys.argv)"
            self._process = subprocess.Popen(
                [sys.executable, "-c", start, str(theirs.fileno()), str(file)],
                pass_fds=(theirs.fileno(), file),
                stdin=subprocess.DEVNULL,
                env=self._environment | ENVIRONMENT,
                process_group=0,  # Ctrl-C in a terminal is for this process; the child ends with it
            )
        finally:
            os.close(file)
            theirs.close()
        try:
            self._receive(_START_SECONDS, "start")
        except (ProcessDiedError, TimeoutError) as error:
            self.kill()
            raise ParError(f"the process that decodes did not start: {error}") from error
        self.is_idle = True

    def is_usable(self) -> bool:
        """Whether the child lives, is this process's own, and knows its environment as it is now (credentials!)."""
        is_ours = self._owner == os.getpid() and self._environment == dict(os.environ)
        return is_ours and self._process.poll() is None

    def kill(self) -> None:
        """End the child at once."""
        self.is_idle = False
        self._connection.close()
        if self._owner == os.getpid():
            self._process.kill()
            self._process.wait()

    def results(self, task: DecodeTask | PassTask, counters: Counters, take: Take = np.copy) -> Iterator[Result]:
        """Give the child a task and yield its results. Only time spent waiting for it counts against the deadline.
        take: copies their pixels out of the shared memory.

        Raises ProcessDiedError, TimeoutError; the process is idle again only if neither was raised and all were taken.
        """
        self.is_idle = False
        self.tasks += 1
        limit = task.deadline
        seconds_left = limit
        with suppress(OSError):  # the answer tells whether the child died
            self._connection.send(task)
        while True:
            started = time.monotonic()
            answer = self._receive(seconds_left, f"finish within {limit:g} s (--video-timeout)")
            seconds_left = limit if task.is_timed_by_answer else seconds_left - (time.monotonic() - started)
            counters.add(answer.counters)
            if answer.error is not None:
                raise ProcessDiedError(answer.error)
            if answer.result is None:
                break
            yield self._fetch(answer.result, take)
        self.is_idle = True

    def _receive(self, seconds: float, purpose: str) -> Answer:
        try:
            if self._connection.poll(max(0.0, seconds)):
                answer = self._connection.recv()
                assert isinstance(answer, Answer)
                return answer
        except (EOFError, OSError):
            raise ProcessDiedError(self._cause_of_death()) from None
        raise TimeoutError(f"reading did not {purpose}")

    def _fetch(self, result: Told, take: Take) -> Result:
        """Copy a result out of the shared memory, and free its bytes there."""
        if isinstance(result, Failure | PassEnd):
            return result
        if isinstance(result, PassedAt):
            told = result.index, result.seconds
            if result.pixels is None:
                return PassedFrame(*told, None, result.damage, result.took)
            (picture,), (height, width, _) = self._taken([result.pixels], take), result.pixels.shape
            return PassedFrame(*told, picture, result.damage, result.took, (width, height))
        arrays = self._taken(result.pixels, take)
        common = (result.row, result.tracklet_id, result.num_frames, result.sampled_frames)
        return RawCrops(*common, tuple(arrays)) if result.raw else Crops(*common, arrays[0])

    def _taken(self, pixels: Sequence[PixelsAt], take: Take) -> list[NDArray[np.uint8]]:
        arrays = [take(self._array(at)) for at in pixels]
        with suppress(OSError):  # the next answer tells whether the child died
            self._connection.send_bytes(b"copied")
        return arrays

    def _array(self, at: PixelsAt) -> NDArray[np.uint8]:
        if at.data is not None:
            return np.frombuffer(at.data, np.uint8).reshape(at.shape)
        size = math.prod(at.shape)
        return self._memory[at.offset : at.offset + size].reshape(at.shape)

    def _cause_of_death(self) -> str:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if code >= 0:
            return f"ended with exit code {code}"
        with suppress(ValueError):
            return f"was ended by signal {signal.Signals(-code).name}"
        return f"was ended by signal {-code}"


def _shared_file() -> int:
    """A descriptor of a file of SHARED_BYTES that has no name, so that nothing has to be cleaned up."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("parjob-crops")
    else:
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    os.ftruncate(file, SHARED_BYTES)
    return file
