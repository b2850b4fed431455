"""The child process that decodes. It is started by parent.py and speaks with nobody else."""

from __future__ import annotations

import gc
import math
import mmap
import os
import resource
import select
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

import numpy as np
from numpy.typing import NDArray

from par_model.errors import TrackletError
from par_model.heap import keep_freed_memory
from par_model.types import Crops, Failure, RawCrops
from par_model.video.counters import Counters
from par_model.video.decode import decode_group
from par_model.video.passed import PassedFrame
from par_model.video.passing import pass_video
from par_model.video.process.protocol import (
    SHARED_BYTES,
    Answer,
    CropsAt,
    DecodeTask,
    PassedAt,
    PassTask,
    PixelsAt,
    Result,
    Told,
)


def main(arguments: Sequence[str]) -> None:
    """Answer tasks until the other side goes away. arguments: name, descriptor of the socket, of the shared memory."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()  # of pictures, megabytes each
    connection = Connection(int(arguments[1]))
    threading.Thread(target=_end_with_parent, args=(connection.fileno(),), daemon=True).start()
    memory = SharedMemory(connection, mmap.mmap(int(arguments[2]), SHARED_BYTES))
    gc.freeze()  # what is loaded by now stays, and need not be looked at again
    with suppress(EOFError, OSError):
        connection.send(Answer(None, Counters()))
        while True:
            task = connection.recv()
            _limit_memory(task.options.memory_bytes)
            if not _answer(task, connection, memory):
                return
            memory.wait_until_free()
            gc.collect()  # decoders lie in reference cycles, and hold dozens of frames each


def _results(task: DecodeTask | PassTask, counters: Counters) -> Iterator[Result]:
    if isinstance(task, DecodeTask):
        yield from decode_group(task.tracklets, task.preprocess, task.sampling, task.options, counters)
        return
    try:
        yield from pass_video(task.wanted, task.options, counters)
    except TrackletError as error:
        yield Failure(0, "", 0, error.code, error.message)


def _answer(task: DecodeTask | PassTask, connection: Connection, memory: SharedMemory) -> bool:
    """Answer one task. False if the process should end, since what went wrong may have left it unusable."""
    counters, sent = Counters(), Counters()
    error = None
    try:
        for result in _results(task, counters):
            connection.send(Answer(memory.put(result), counters.since(sent)))
            sent = counters.copy()
    except MemoryError:
        error = f"needed more than {task.options.memory_bytes >> 20} MiB of memory"
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return False  # nobody is left to tell
    except Exception as unforeseen:  # noqa: BLE001  # one video must not end the job, whatever is wrong with the code
        if "PARJOB_DEBUG" in os.environ:
            traceback.print_exc()
        error = f"failed with {type(unforeseen).__name__}: {unforeseen}"
    connection.send(Answer(None, counters.since(sent), error))
    return error is None


class SharedMemory:
    """The sending side of the shared memory: a ring in which results lie until the other side has copied them."""

    def __init__(self, connection: Connection, memory: mmap.mmap) -> None:
        self._connection = connection
        self._bytes = np.frombuffer(memory, np.uint8)
        self._held: deque[tuple[int, int]] = deque()  # start and end of what is not yet copied, oldest first

    def put(self, result: Result) -> Told:
        """Put a result's pixels into the memory; wait for room if need be."""
        if isinstance(result, PassedFrame):
            pixels = None if result.picture is None else self._put([result.picture])[0]
            return PassedAt(result.index, result.seconds, pixels, result.damage, result.took)
        if isinstance(result, RawCrops):
            common = (result.row, result.tracklet_id, result.num_frames, result.sampled_frames)
            return CropsAt(*common, self._put(result.images), raw=True)
        if isinstance(result, Crops):
            common = (result.row, result.tracklet_id, result.num_frames, result.sampled_frames)
            return CropsAt(*common, self._put([result.pixels]), raw=False)
        return result

    def _put(self, arrays: Sequence[NDArray[np.uint8]]) -> tuple[PixelsAt, ...]:
        size = sum(array.nbytes for array in arrays)
        offset = self._reserve(size) if size <= SHARED_BYTES // 2 else None
        # What has no room is sent as it is, and acknowledged like the rest.
        if offset is None:
            self._held.append((-1, -1))
        written = []
        for array in arrays:
            written.append(self._write(array, offset))
            offset = None if offset is None else offset + array.nbytes
        return tuple(written)

    def wait_until_free(self) -> None:
        """Wait until the other side has copied everything."""
        while self._held:
            self._free_oldest()

    def _write(self, array: NDArray[np.uint8], offset: int | None) -> PixelsAt:
        if offset is None:
            return PixelsAt(array.shape, data=array.tobytes())
        room = self._bytes[offset : offset + math.prod(array.shape)]
        room.reshape(array.shape)[:] = array
        return PixelsAt(array.shape, offset)

    def _reserve(self, size: int) -> int:
        while self._connection.poll(0):
            self._free_oldest()
        while True:
            offset = self._room(size)
            if offset is not None:
                self._held.append((offset, offset + size))
                return offset
            self._free_oldest()

    def _free_oldest(self) -> None:
        self._connection.recv_bytes()
        self._held.popleft()

    def _room(self, size: int) -> int | None:
        """Where ``size`` bytes are free: after the newest result, or at the start of the memory."""
        held = [block for block in self._held if block[0] >= 0]
        if not held:
            return 0
        oldest, newest = held[0][0], held[-1][1]
        if newest > oldest:
            if newest + size <= SHARED_BYTES:
                return newest
            return 0 if size < oldest else None
        return newest if newest + size < oldest else None


def _end_with_parent(descriptor: int) -> None:
    """End this process, even in the middle of native code, when the other side of the socket is gone."""
    watch = select.poll()
    watch.register(descriptor, 0)  # a hang-up is always reported
    watch.poll()
    os._exit(1)


def _limit_memory(more: int) -> None:
    """Let allocations fail that would take this process ``more`` bytes beyond what it has mapped at first."""
    global _limited
    if _limited == more:
        return
    with suppress(OSError, ValueError), open("/proc/self/statm") as status:
        mapped = int(status.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (mapped + more, hard))
        _limited = more


_limited = 0
