"""A digest of each row, by which a later manifest is known to contain the rows of an earlier one unchanged.

Every column becomes stretches of bytes, one for each row, which DuckDB hashes: Python does nothing row by row.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from par_model import times
from par_model.manifest.schema import DEFECT, ROW

_OF_FRAMES = ("tracklet_id", "video_uri", "image_uris", "frame_indices", "boxes")
_UTC = "zoneinfo.ZoneInfo(key='UTC')"
_NOT_IN_TABLE = ("labels", ROW, DEFECT)


def batch_digests(connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch) -> NDArray[np.uint64]:
    """128 bits, uint64 [rows, 2], for each row of a batch of ``Manifest.iter_batches``, which has TRACKLET_COLUMNS and
    any others.

    They depend on all that the attribute table can depend on: the frames, and the values of the other columns but
    ``labels``. They do not depend on the row's position, the files, the columns' order, or columns that are null.

    connection: of ``database.database``.
    """
    # What is null leaves no trace, so that a column that is not there counts as one of nulls.
    columns = dict(_columns(batch))
    known = [n for n, values in columns.items() if n == "tracklet_id" or values.null_count < len(values)]
    return _hashed(connection, {name: columns[name] for name in sorted(known)})


def _hashed(connection: duckdb.DuckDBPyConnection, columns: dict[str, pa.Array]) -> NDArray[np.uint64]:
    """Of each row, the MD5 of its values' MD5s, each with the name of its column."""
    connection.register("of_rows", pa.table(list(columns.values()), [f"c{i}" for i in range(len(columns))]))
    each = ", ".join(f"coalesce(md5(c{i}) || ?, '')" for i in range(len(columns)))
    # The names' lengths: so that no name can look like a shorter one and another value's MD5.
    marks = [f"{len(name)} {name}" for name in columns]
    found = connection.sql(f"SELECT unhex(md5(concat({each}))) FROM of_rows", params=marks).to_arrow_table()
    connection.unregister("of_rows")
    digests = found.column(0).combine_chunks().cast(pa.binary(16))
    return np.frombuffer(digests.buffers()[1], np.uint64, 2 * len(digests)).reshape(-1, 2)


def _columns(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Array]]:
    """What counts, as large_binary with null for null, by name."""
    stills, frames, boxes = (batch.column(name) for name in ("image_uris", "frame_indices", "boxes"))
    for name in ("tracklet_id", "video_uri"):
        yield name, batch.column(name).cast(pa.large_binary())
    uris = stills.flatten()
    lengths = pc.fill_null(pc.binary_length(uris), -1).to_numpy()
    yield "image_uris", _joined(stills, uris.fill_null(""), np.maximum(lengths, 0))
    yield "image_uris: lengths", _stretches(stills, lengths)
    numbers = frames.flatten()
    yield "frame_indices", _stretches(frames, numbers.fill_null(0).to_numpy())
    if numbers.null_count:
        nulls = numbers.is_null().to_numpy(zero_copy_only=False)
        yield "frame_indices: nulls", _stretches(frames, nulls, only=pc.list_parent_indices(frames).filter(nulls))
    sides = [side.fill_null(float("nan")).to_numpy() for side in boxes.flatten().flatten()]
    yield "boxes", _stretches(boxes, np.stack(sides, axis=1))
    for name in set(batch.schema.names) - {*_OF_FRAMES, *_NOT_IN_TABLE}:
        kind, values = _text(batch.column(name))
        yield f"{kind} {name}", values.cast(pa.large_binary())
    yield "unfit", _unfit(batch.column(DEFECT)).cast(pa.large_binary())


def _stretches(lists: pa.Array, values: NDArray[np.generic], only: pa.Array | None = None) -> pa.Array:
    """The bytes of each list's values. values: [n] or [n, ...], of all lists; only: numbers of lists that count."""
    ends = np.cumsum(_lengths(lists)) * (values.nbytes // max(1, len(values)))
    valid = lists.is_valid()
    if only is not None:
        valid = pc.is_in(pa.array(np.arange(len(lists))), only.cast(pa.int64()))
    return _byte_ranges(valid, ends, pa.py_buffer(np.ascontiguousarray(values)))


def _joined(lists: pa.Array, texts: pa.Array, lengths: NDArray[np.int32]) -> pa.Array:
    """The bytes of each list's texts one after the other. lengths: of the texts, in bytes."""
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[np.cumsum(_lengths(lists))]
    data = pa.concat_arrays([pa.array([], pa.string()), texts]).buffers()[2]  # from the first text on
    return _byte_ranges(lists.is_valid(), ends, data if data is not None else pa.py_buffer(b""))


def _lengths(lists: pa.Array) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0).to_numpy(), np.int64)


def _byte_ranges(valid: pa.Array, ends: NDArray[np.int64], data: pa.Buffer) -> pa.Array:
    offsets = pa.py_buffer(np.concatenate([[0], ends]).astype(np.int64))
    whole = pa.Array.from_buffers(pa.large_binary(), len(valid), [None, offsets, data])
    return pc.if_else(valid, whole, None)


def _text(column: pa.Array) -> tuple[str, pa.Array]:
    """What kind of values these are, and what tells one from the other."""
    if pt.is_dictionary(column.type):
        return _text(column.dictionary_decode())
    kind = column.type
    if pt.is_timestamp(kind):  # a time's text depends on the libraries that are installed; its number does not
        return "time", column.cast(pa.int64()).cast(pa.string())
    if pt.is_floating(kind):
        return "real", column.cast(pa.float64()).cast(pa.string())
    if pt.is_integer(kind) or pt.is_boolean(kind):
        return "whole", column.cast(pa.int64() if pt.is_boolean(kind) else kind).cast(pa.string())
    if pt.is_string(kind) or pt.is_large_string(kind):
        return "text", column
    texts = [None if v is None else repr(v) for v in times.to_pylist(column)]
    if times.offset_type(kind) != kind:  # as Python's own look-up of UTC writes it: earlier digests have that
        texts = [None if t is None else t.replace("datetime.timezone.utc", _UTC) for t in texts]
    return "other", pa.array(texts, pa.string())


def _unfit(defects: pa.Array) -> pa.Array:
    """The columns whose values did not fit, in one order."""
    names = pc.replace_substring_regex(defects, r": [^\n]*", "").dictionary_encode()
    ordered = ["\n".join(sorted(value.split("\n"))) for value in names.dictionary.to_pylist()]
    return pa.array(ordered, pa.string()).take(names.indices)
