"""A job's units where they lie, and what else was found when they were planned: the same for every run of the job.

Units have numbers, 0 to n - 1, which mean the same rows whatever is done. Which of them are left, and which of their
rows, follows from the rows that are done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model import storage
from par_model.inference.units import UNIT_SCHEMA
from par_model.manifest.schema import ROW
from par_model.runs.done import DoneRows, are_done
from par_model.runs.pieces import Pieces, piece_writer, read_piece
from par_model.runs.record import read_state

_FILES_KNOWN = 64
_ROWS = pa.schema([UNIT_SCHEMA.field(ROW)])


@dataclass(frozen=True)
class UnitsFile:
    """A file of pieces: units, then the rows of all of them. name: below the plan's folder. size: in bytes."""

    name: str
    size: int
    units: int
    rows: int


def write_units(uri: str, units: Iterable[pa.Table], before: storage.Before) -> UnitsFile:
    """Write units (UNIT_SCHEMA) as one file. before: as of ``storage.atomic_writer``."""
    lengths, rows = [], [_ROWS.empty_table()]
    with piece_writer(uri, before) as file:
        for unit in units:
            file.add(unit)
            lengths.append(len(unit))
            rows.append(unit.select([ROW]))
        file.add(pa.concat_tables(rows))
        file.facts["lengths"] = lengths
    return UnitsFile(storage.name(uri), file.size, len(lengths), sum(lengths))


def found_units(file: storage.FileInfo) -> UnitsFile:
    """A file that is there already. Raises OutputError if it is none of units."""
    lengths = Pieces(file.uri, file.size).facts()["lengths"]
    return UnitsFile(storage.name(file.uri), file.size, len(lengths), sum(lengths))


@dataclass(frozen=True, eq=False)
class Units:
    """Units that are to be done: iterating reads them one by one, less the rows that are done.

    folder: where ``files`` lie. left: numbers of the units that are not done, int64; None for all. done: for each row
    of the manifest, eight to a byte, whether it is done; None for none. Travels to workers.
    """

    folder: str
    files: tuple[UnitsFile, ...]
    left: NDArray[np.int64] | None = None
    done: NDArray[np.uint8] | None = None

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Of the units that are to be done."""
        return np.arange(sum(file.units for file in self.files)) if self.left is None else self.left

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[pa.Table]:
        return (unit for unit in map(self.read, self.numbers.tolist()) if len(unit))

    def read(self, number: int) -> pa.Table:
        """What is to be done of a unit (UNIT_SCHEMA). Raises PlaceError."""
        for file in self.files:
            if number < file.units:
                break
            number -= file.units
        uri = storage.join(self.folder, file.name)
        bounds = _facts(Pieces(uri, file.size))["bounds"]
        unit = pa.Table.from_batches([read_piece(uri, bounds[number], bounds[number + 1], UNIT_SCHEMA)])
        return unit if self.done is None else unit.filter(pa.array(~are_done(self.done, unit[ROW].to_numpy())))

    def without(self, done: DoneRows) -> Units:
        """The same without rows of the manifest that are done."""
        if not len(done):
            return replace(self, left=None, done=None)
        left, first = [], 0
        for file in self.files:
            facts = _facts(Pieces(storage.join(self.folder, file.name), file.size))
            found = read_piece(storage.join(self.folder, file.name), facts["bounds"][-2], facts["bounds"][-1], _ROWS)
            if len(found):
                missing = ~done.holds(found[ROW].to_numpy())
                starts = np.fromiter(accumulate(facts["lengths"][:-1], initial=0), np.int64)
                left.append(first + np.flatnonzero(np.add.reduceat(missing, starts)))
            first += file.units
        return replace(self, left=np.concatenate(left) if left else np.empty(0, np.int64), done=done.bits)


@dataclass(frozen=True)
class _Recorded:
    selected: int
    rows: int
    digest: str
    files: list[UnitsFile]
    finer: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Planned:
    """selected: rows of the manifest that are meant. rows: those of them that are to be recognised. digest: of what is
    meant, for ``run.json``. finer: columns with times that microseconds do not hold."""

    selected: int
    rows: int
    digest: str
    units: Units
    finer: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """As ``read`` reads it."""
        document = {"selected": self.selected, "rows": self.rows, "digest": self.digest, "finer": self.finer}
        return json.dumps(document | {"files": [asdict(file) for file in self.units.files]}).encode()

    @classmethod
    def read(cls, uri: str) -> Planned | None:
        """From a file, whose folder holds the units; None where there is none. Raises OutputError, PlaceError."""
        found: dict[str, Any] | None = read_state(uri, _Recorded)
        if found is None:
            return None
        files = tuple(UnitsFile(**file) for file in found["files"])
        units = Units(storage.parent(uri), files)
        return cls(found["selected"], found["rows"], found["digest"], units, tuple(found.get("finer", ())))


@lru_cache(_FILES_KNOWN)
def _facts(file: Pieces) -> dict[str, Any]:
    return file.facts()
