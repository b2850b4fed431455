"""One file of the table, written anew with some of its rows replaced: what a task of its own can do on any machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from par_model import storage
from par_model.runs.parts import PART_SCHEMA, outcomes_of
from par_model.table.results import Reading, table_results
from par_model.table.writer import replacing


@dataclass(frozen=True)
class FileAnew:
    """The file, and the parts whose outcomes, of rows below ``stop``, take the place of the results of the same ids;
    may be sent to another process. target: where it is written, which is ``uri`` where it is replaced. stripe: rows of
    a stripe of the parts. before: asked before the write."""

    uri: str
    target: str
    parts: tuple[str, ...]
    stripe: int
    stop: int
    reading: Reading
    before: storage.Before


def write_anew(wanted: FileAnew) -> tuple[str, str]:
    """Write the file anew, if it has such ids; where it was, and where what counts of it is now. Can be done again,
    with the same result."""
    fs, path = storage.arrow_filesystem(wanted.uri)
    with pq.ParquetFile(path, filesystem=fs, pre_buffer=False) as old:
        ids = old.read(["tracklet_id"])["tracklet_id"]
        outcomes = _outcomes(wanted, ids.combine_chunks())
        if not len(outcomes):
            return wanted.uri, wanted.uri
        with replacing(old, wanted.target, wanted.before) as writer:
            for group in range(old.num_row_groups):
                writer.write_table(_replaced(old.read_row_group(group), outcomes, wanted.reading))
    return wanted.uri, wanted.target


def _outcomes(wanted: FileAnew, ids: pa.Array) -> pa.Table:
    """Those of the file's ids: of all parts together there may be more than fit in memory."""
    found = [PART_SCHEMA.empty_table()]
    stripes = ((start, start + wanted.stripe) for start in range(0, wanted.stop, wanted.stripe))
    for outcomes in outcomes_of(wanted.parts, stripes):
        found.append(outcomes.filter(pc.is_in(outcomes["tracklet_id"], ids)))
    return pa.concat_tables(found).combine_chunks()


def _replaced(old: pa.Table, outcomes: pa.Table, reading: Reading) -> pa.Table:
    """Rows of a table's file, those that ``outcomes`` has anew."""
    found = pc.index_in(outcomes["tracklet_id"], old["tracklet_id"].combine_chunks())
    at = found.drop_null().to_numpy()
    new = table_results(old.take(pa.array(at)), outcomes.filter(found.is_valid()), reading, old.schema)
    order = np.arange(len(old))
    order[at] = len(old) + np.arange(len(at))
    return pa.concat_tables([old, new]).take(pa.array(order))
