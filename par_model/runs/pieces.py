"""Files of pieces: tables one after the other, each read by itself, and behind them what they are.

    pieces          an Arrow record batch each, without its schema; a piece without rows takes no byte
    trailer         JSON: where the pieces begin and end, and what the writer adds
    8 bytes         length of the trailer, little-endian
    8 bytes         PARPIECE

A file appears whole or not at all, so that it says itself that it is complete: one object for the data and for the
record of who wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa

from par_model import storage
from par_model.errors import OutputError

_MAGIC = b"PARPIECE"
_END = 8 + len(_MAGIC)
_TAIL_BYTES = 64 * 2**10  # fetched at once: most trailers are shorter


@dataclass
class PieceWriter:
    """facts: what the trailer says of the pieces, as JSON has it. bounds: of n pieces n + 1 offsets. size: of the whole
    file, once it is finished."""

    file: IO[bytes]
    facts: dict[str, Any] = field(default_factory=dict)
    bounds: list[int] = field(default_factory=lambda: [0])
    size: int = 0

    def add(self, piece: pa.Table) -> None:
        """Write the next piece."""
        data = pa.py_buffer(b"")
        if len(piece):
            [batch] = piece.combine_chunks().to_batches()
            data = batch.serialize()  # boxes are floats, which hardly any compression makes smaller
        self.file.write(data)
        self.bounds.append(self.bounds[-1] + data.size)

    def finish(self) -> None:
        """Write the trailer."""
        trailer = json.dumps(self.facts | {"bounds": self.bounds}).encode()
        self.file.write(trailer + len(trailer).to_bytes(8, "little") + _MAGIC)
        self.size = self.bounds[-1] + len(trailer) + _END


@contextmanager
def piece_writer(uri: str, before: storage.Before) -> Iterator[PieceWriter]:
    """Writes a file of pieces, which is whole at the end of the block. before: as of ``storage.atomic_writer``."""
    with storage.atomic_writer(uri, before) as file:
        writer = PieceWriter(file)
        yield writer
        writer.finish()


@dataclass(frozen=True)
class Pieces:
    """A file of pieces that is there. size: of the whole file, in bytes."""

    uri: str
    size: int

    def facts(self) -> dict[str, Any]:
        """The trailer, ``bounds`` included. Raises OutputError where the file is none of pieces, PlaceError."""
        tail = storage.read_bytes(self.uri, max(0, self.size - _TAIL_BYTES), self.size)
        length = int.from_bytes(tail[-_END : -len(_MAGIC)], "little")
        if tail[-len(_MAGIC) :] != _MAGIC or length + _END > self.size:
            raise OutputError(f"{self.uri} is not what this job wrote there: remove it and run the same command again")
        if length + _END > len(tail):
            tail = storage.read_bytes(self.uri, self.size - length - _END, self.size)
        found: dict[str, Any] = json.loads(tail[-length - _END : -_END])
        return found


def read_piece(uri: str, start: int, stop: int, schema: pa.Schema) -> pa.RecordBatch:
    """The piece between two bounds. Raises PlaceError."""
    if start == stop:
        return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)
    return pa.ipc.read_record_batch(pa.py_buffer(storage.read_bytes(uri, start, stop)), schema)
