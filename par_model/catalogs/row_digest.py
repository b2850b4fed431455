"""Which rows were read, in a few bytes: a digest that does not depend on their order.

A row is its tracklet_id, hashed by DuckDB to 64 bits. Rows that are not the same have the same digest once in 2^64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model import times

ID = "tracklet_id"
_MODULUS = 2**64

Values = tuple[Any, ...]


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are text, whichever of Arrow's layouts they have."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


@dataclass(frozen=True)
class RowDigest:
    """rows: how many. ids: the sum of the hashes of their ids, modulo 2^64."""

    rows: int = 0
    ids: int = 0

    def __add__(self, other: Self) -> RowDigest:
        return RowDigest(self.rows + other.rows, (self.ids + other.ids) % _MODULUS)

    @classmethod
    def of(cls, hashes: NDArray[np.uint64]) -> Self:
        """Of the hashes of ids."""
        return cls(len(hashes), int(hashes.sum(dtype=np.uint64)))


def id_hashes(table: pa.Table) -> NDArray[np.uint64]:
    """The hash of each row's id, in the table's order."""
    with duckdb.connect() as connection:
        found = connection.from_arrow(pa.table([table[ID]], ["id"])).project("hash(id) AS hash").fetchnumpy()
    return np.asarray(found["hash"], np.uint64)


def digests_by(table: pa.Table, columns: Sequence[str]) -> dict[Values, RowDigest]:
    """The digest of the rows that have the same values in some columns, by these; times with a zone in UTC."""
    names = [f"column{number}" for number in range(len(columns))]
    renamed = pa.table([table[ID], *(table[column] for column in columns)], ["id", *names])
    summed = f"(sum(hash(id)) % {_MODULUS})::UBIGINT AS ids"
    with duckdb.connect() as connection:
        by = connection.from_arrow(renamed).aggregate(", ".join([*names, "count(*) AS rows", summed]), ", ".join(names))
        found = times.to_pylist(by.to_arrow_table())
    return {tuple(row[name] for name in names): RowDigest(row["rows"], row["ids"]) for row in found if row["rows"]}


def surplus_id(read: pa.Table, held: pa.Table) -> str | None:
    """The least id that is in more rows of ``read`` than of ``held``; None where there is none."""
    with duckdb.connect() as connection:
        of_read = connection.from_arrow(read.select([ID]))
        (found,) = of_read.except_(connection.from_arrow(held.select([ID]))).aggregate(f"min({ID})").fetchall()
    return None if found[0] is None else str(found[0])
