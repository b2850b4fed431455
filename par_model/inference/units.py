"""From a manifest to work units: small tables of tracklets that are read from the same videos.

Tracklets are sorted by video and by their first sampled frame, so that each unit reads one stretch of one video, or a
few short videos, front to back. What does not fit in memory is sorted on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from par_model.manifest.database import database
from par_model.manifest.read import Manifest
from par_model.manifest.schema import COLUMNS, DEFECT, ROW
from par_model.manifest.selection import Selection
from par_model.manifest.tracklets import TRACKLET_COLUMNS

UNIT_SCHEMA = pa.schema(
    [*(COLUMNS.field(name) for name in TRACKLET_COLUMNS), pa.field(ROW, pa.int64()), pa.field(DEFECT, pa.string())]
)
_BATCH_ROWS = 4096
_ORDER = (
    "video_uri NULLS LAST, coalesce(video_stream, 0), "
    "frame_indices[1 + CAST(floor(0.5 * len(frame_indices) / $k) AS INT)], _row"
)
# Twenty minutes at 25 frames a second: so hours of video are shared by several workers, and what two neighbours both
# decode (from a key frame on, and to the end of a tracklet) stays a few per cent.
SPAN_FRAMES = 30_000
_SEEKABLE = (".mp4", ".m4v", ".mov", ".mkv", ".webm")  # in which video/ seeks; all else it reads from the start


@dataclass(frozen=True)
class UnitSize:
    """How many tracklets one unit holds.

    most: the limit, set by the bytes of their crops. enough: at the end of a video, a unit that has this many is
    closed, so that a small job still has a unit for every worker.
    """

    most: int
    enough: int

    @classmethod
    def choose(cls, tracklets: int, crop_bytes: int, decode_workers: int) -> UnitSize:
        """crop_bytes: of one tracklet's crops. A unit's crops stay within 192 MiB; a worker gets four units or more."""
        most = max(1, min(256, 192 * 2**20 // max(1, crop_bytes)))
        return cls(most=most, enough=max(1, min(most, 64, tracklets // (4 * max(1, decode_workers)))))


def plan_units(manifest: Manifest, selection: Selection, frames: int, size: UnitSize) -> Iterator[pa.Table]:
    """Units of all selected rows (UNIT_SCHEMA), made in this process. frames: T, see ``in_order``."""

    def rows() -> Iterator[pa.RecordBatch]:
        # All columns are read, so that a value that does not fit its type is known as its row's defect.
        for table in selection.batches(manifest, list(dict.fromkeys([*TRACKLET_COLUMNS, *manifest.pass_through]))):
            yield from table.select(UNIT_SCHEMA.names).to_batches()

    return cut_units(in_order(rows(), frames), size)


def in_order(rows: Iterable[pa.RecordBatch], frames: int, threads: int | None = None) -> Iterator[pa.RecordBatch]:
    """Rows (UNIT_SCHEMA) by video, stills last, and by first sampled frame; those of one video may not fit in memory.

    frames: T, which says where the first sampled frame of a tracklet lies. threads: None for one a core.
    """
    with database(threads=threads) as connection:
        connection.register("rows", pa.RecordBatchReader.from_batches(UNIT_SCHEMA, iter(rows)))
        found = connection.sql(f"SELECT * FROM rows ORDER BY {_ORDER}", params={"k": frames})
        for batch in found.to_arrow_reader(_BATCH_ROWS):
            yield batch.cast(UNIT_SCHEMA)


def cut_units(sorted_batches: Iterator[pa.RecordBatch], size: UnitSize) -> Iterator[pa.Table]:
    """Cut a stream that is sorted by video and first sampled frame into units.

    A video is divided only if it has more than ``size.most`` tracklets, or they begin more than ``SPAN_FRAMES`` apart,
    and if it is of a kind that can be read from the middle. Its parts are read from the key frame before their first
    sampled frame to the end of their last tracklet.
    """
    waiting: list[pa.Table] = []
    count = 0
    for run, closes_at in _runs(sorted_batches, size):
        if waiting and count + len(run) > size.most:
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
        waiting.append(run)
        count += len(run)
        if count >= closes_at:
            yield pa.concat_tables(waiting)
            waiting, count = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _runs(batches: Iterator[pa.RecordBatch], size: UnitSize) -> Iterator[tuple[pa.Table, int]]:
    """Consecutive rows of one video, and how many rows a unit must have to be closed after them."""
    rest: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        table = table if rest is None else pa.concat_tables([rest, table]).combine_chunks()
        starts = _video_starts(table["video_uri"])
        for start, stop in pairwise(starts):
            yield from _pieces(table.slice(start, stop - start), size, video_ends=True)
        # The last video may go on in the next batch: only what a unit cannot hold anyway is passed on.
        rest = table.slice(starts[-1])
        whole = len(rest) // size.most * size.most if _divisible(rest) else 0
        yield from _pieces(rest.slice(0, whole), size, video_ends=False)
        rest = rest.slice(whole)
    if rest is not None:
        yield from _pieces(rest, size, video_ends=True)


def _pieces(video: pa.Table, size: UnitSize, *, video_ends: bool) -> Iterator[tuple[pa.Table, int]]:
    if len(video) == 0:
        return
    at_the_end = size.enough if video_ends else size.most
    if not video["video_uri"][0].is_valid:  # stills: any number is as good
        for start in range(0, len(video), size.enough):
            yield video.slice(start, size.enough), size.enough
    elif not _divisible(video):
        yield video, at_the_end
    else:
        stops = _stops(video, size.most)
        for start, stop in pairwise([0, *stops]):
            yield video.slice(start, stop - start), at_the_end if stop == len(video) else 1


def _stops(video: pa.Table, most: int) -> list[int]:
    """Where the parts of a video end: rows that begin within SPAN_FRAMES of each other, at most ``most``."""
    frames = video["frame_indices"].combine_chunks()
    begins = pc.list_element(frames.filter(pc.greater(pc.list_value_length(frames), 0)), 0)
    if len(begins) < len(video):  # bad rows, which take no time; their neighbours may be cut by number
        return [*range(most, len(video), most), len(video)]
    first = begins.to_numpy(zero_copy_only=False).astype(np.int64)
    stops, start = [], 0
    while start < len(video):
        # Rows of a file's next video track begin at its start again.
        beyond = np.flatnonzero(np.abs(first[start : start + most] - first[start]) >= SPAN_FRAMES)
        start = min(start + (int(beyond[0]) if len(beyond) else most), len(video))
        stops.append(start)
    return stops


def _divisible(video: pa.Table) -> bool:
    """Whether a unit of its own for a late part would not have to decode all that lies before it."""
    uri = video["video_uri"][0].as_py() if len(video) else None
    return uri is None or uri.lower().endswith(_SEEKABLE)


def _video_starts(uris: pa.ChunkedArray) -> list[int]:
    """Row numbers at which another video starts, 0 first; all stills together count as one video."""
    ids = uris.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return [0, *(np.flatnonzero(ids[1:] != ids[:-1]) + 1).tolist()]
