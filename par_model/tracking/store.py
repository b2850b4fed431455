"""What is found so far: batches of detections in files of pieces, in the manifest's side folder until it is written.

    _track/detections/found-000003-<job>-<run>     a piece for each video that has batches in it

A file is written every few seconds, or when much waits, so that a job that is killed loses those seconds. Its trailer
says which batches of which videos it holds; so what is missing is known from the trailers, and a video's detections are
read without those of the others. Which batches there are follows from the video alone: one that was found twice is
there twice, and the first counts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from par_model import storage
from par_model.runs.pieces import Pieces, piece_writer, read_piece
from par_model.tracking.batches import FOUND_SCHEMA, FoundBatch, table_to_found

_NAME = re.compile(r"found-(\d{6,})-([0-9a-f]+)-[0-9a-f]+")
_FLUSH_SECONDS = 5.0
_FLUSH_BYTES = 32 * 2**20
_READERS = 16


@dataclass(frozen=True)
class PieceAt:
    """Where some of a video's batches lie."""

    uri: str
    start: int
    stop: int


@dataclass
class VideoState:
    """What is known of a video. prefix: all batches before this one are there; beyond: those after it that are.

    batches: how many it has, once its end is known. failed: whether it cannot be read to its end. pieces: of files.
    """

    prefix: int = 0
    beyond: set[int] = field(default_factory=set)
    batches: int | None = None
    failed: bool = False
    pieces: list[PieceAt] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is to be found."""
        return self.failed or (self.batches is not None and self.prefix >= self.batches)

    def note(self, numbers: Sequence[int], ends: int | None, failed: bool) -> None:
        """Some batches are there, and maybe the end."""
        self.failed = self.failed or failed
        if ends is not None:
            self.batches = ends
        self.beyond.update(number for number in numbers if number >= self.prefix)
        while self.prefix in self.beyond:
            self.beyond.remove(self.prefix)
            self.prefix += 1


class DetectionStore:
    """The detections of a job below ``folder``. videos: how many there are. before: asked before each write.

    Raises OutputError where a file below the folder is none of this kind, StorageError.
    """

    def __init__(self, folder: str, job_id: str, run_id: str, videos: int, before: storage.Before) -> None:
        self._folder, self._job_id, self._run_id, self._before = folder, job_id, run_id, before
        self.states = [VideoState() for _ in range(videos)]
        self._waiting: list[pa.Table] = []
        self._waiting_bytes = 0
        self._written = time.monotonic()
        found = [info for info in storage.list_files(folder) if self._is_own(info.uri)]
        with ThreadPoolExecutor(_READERS) as pool:
            trailers = list(pool.map(lambda info: Pieces(info.uri, info.size).facts(), found))
        for info, facts in zip(found, trailers, strict=True):
            self._note(info.uri, facts)
        self._number = 1 + max((int(_number(info.uri)) for info in found), default=0)

    @property
    def holds_any(self) -> bool:
        """Whether an earlier run of the job left anything."""
        return any(state.pieces for state in self.states)

    def add(self, found: pa.Table) -> bool:
        """Keep batches (FOUND_SCHEMA); they are on disk within seconds. Whether they are now, and ``states`` know of
        them."""
        self._waiting.append(found)
        self._waiting_bytes += found.nbytes
        is_time = self._waiting_bytes >= _FLUSH_BYTES or time.monotonic() - self._written >= _FLUSH_SECONDS
        if is_time:
            self.flush()
        return is_time

    def flush(self) -> None:
        """Write what waits."""
        self._written = time.monotonic()
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).combine_chunks()
        uri = storage.join(self._folder, f"found-{self._number:06d}-{self._job_id}-{self._run_id}")
        numbers = table["video"].to_numpy()
        with piece_writer(uri, self._before) as file:
            facts: list[dict[str, Any]] = []
            for video in np.unique(numbers).tolist():
                rows = table.take(pa.array(np.flatnonzero(numbers == video)))
                file.add(rows)
                facts.append(_facts(video, rows))
            file.facts["videos"] = facts
            bounds = list(file.bounds)
        self._note(uri, {"videos": facts, "bounds": bounds})
        self._waiting, self._waiting_bytes = [], 0
        self._number += 1

    def _note(self, uri: str, facts: dict[str, Any]) -> None:
        bounds = facts["bounds"]
        for at, of_video in enumerate(facts["videos"]):
            state = self.states[of_video["video"]]
            state.note(of_video["batches"], of_video["ends"], of_video["failed"])
            state.pieces.append(PieceAt(uri, bounds[at], bounds[at + 1]))

    def _is_own(self, uri: str) -> bool:
        match = _NAME.fullmatch(storage.name(uri))
        return match is not None and match[2] == self._job_id


def _facts(video: int, rows: pa.Table) -> dict[str, Any]:
    ends = rows.filter(rows["is_end"])
    failed = bool(len(ends)) and ends["error"].null_count < len(ends)
    whole = rows.filter(pa.compute.invert(rows["is_end"]))
    return {
        "video": video,
        "batches": sorted(set(whole["batch"].to_pylist())),
        "ends": None if failed or not len(ends) else ends["batch"][0].as_py(),
        "failed": failed,
    }


def _number(uri: str) -> str:
    match = _NAME.fullmatch(storage.name(uri))
    assert match is not None  # of own files
    return match[1]


def batches_of(pieces: Sequence[PieceAt]) -> Iterator[FoundBatch]:
    """A video's batches in order, each once, the end last."""
    tables = [pa.Table.from_batches([read_piece(p.uri, p.start, p.stop, FOUND_SCHEMA)]) for p in pieces]
    if not tables:
        return
    table = pa.concat_tables(tables)
    numbers, is_end = table["batch"].to_numpy(), table["is_end"].to_numpy(zero_copy_only=False)
    failed = table["error"].is_valid().to_numpy(zero_copy_only=False)
    # Of two that are the same, the one that was written first; a failure is behind all others.
    order = np.lexsort((np.arange(len(numbers)), numbers, is_end, failed))
    last: tuple[int, bool] | None = None
    for at in order.tolist():
        key = int(numbers[at]), bool(is_end[at])
        if key != last:
            yield from table_to_found(table.slice(at, 1))
        last = key
