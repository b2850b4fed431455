"""From a manifest to work units: small tables of tracklets that are read from the same videos.

Tracklets are sorted by video and by their first sampled frame, on disk and a bucket of videos at a time, so that each
unit reads one stretch of one video, or a few short videos, front to back, and memory does not grow with the manifest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model.manifest.read import Manifest
from par_model.manifest.schema import DEFECT, ROW
from par_model.manifest.selection import Selection
from par_model.manifest.tracklets import TRACKLET_COLUMNS
from par_model.runs.buckets import Buckets, enough_buckets
from par_model.scratch import scratch_folder

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


def plan_units(
    manifest: Manifest, selection: Selection, left_out: NDArray[np.bool_], frames: int, size: UnitSize
) -> Iterator[pa.Table]:
    """Work units of all selected rows that are not left out: tables of TRACKLET_COLUMNS, ``_row`` and ``_defect``.

    left_out: for each row of the manifest. frames: T, which says where the first sampled frame of a tracklet lies.
    """

    def todo() -> Iterator[pa.RecordBatch]:
        # All columns are read, so that a value that does not fit its type is known as its row's defect.
        for rows in selection.batches(manifest, list(dict.fromkeys([*TRACKLET_COLUMNS, *manifest.pass_through]))):
            wanted = rows.filter(pa.array(~left_out[rows[ROW].to_numpy()]))
            yield from wanted.select([*TRACKLET_COLUMNS, ROW, DEFECT]).to_batches()

    batches = todo()
    first = next(batches, None)
    if first is None:
        return
    count = enough_buckets(manifest.num_rows, first.nbytes / len(first))
    with Buckets(first.schema, count) as buckets:
        with duckdb.connect() as connection:
            for batch in chain([first], batches):
                buckets.add(pa.Table.from_batches([batch]), _buckets_of_videos(connection, batch["video_uri"], count))
        yield from cut_units(_sorted_batches(buckets, frames), size)


def _buckets_of_videos(connection: duckdb.DuckDBPyConnection, uris: pa.Array, count: int) -> NDArray[np.int64]:
    """Equal for equal URIs, anything from 0 to ``count - 1``; stills come last."""
    connection.register("uris", pa.table({"uri": uris}))
    numbers = f"CAST(CASE WHEN uri IS NULL THEN {count - 1} ELSE hash(uri) % {count} END AS BIGINT)"
    found = connection.sql(f"SELECT {numbers} FROM uris").to_arrow_table().column(0).to_numpy()
    connection.unregister("uris")
    return np.asarray(found, np.int64)


def _sorted_batches(buckets: Buckets, frames: int) -> Iterator[pa.RecordBatch]:
    """Bucket by bucket, by video and first sampled frame. One video alone may make a bucket larger than memory."""
    with scratch_folder("plan") as spill, duckdb.connect() as connection:
        connection.execute("SET memory_limit = '400MB'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET temp_directory = ?", [spill])
        connection.execute("SET autoinstall_known_extensions = false")
        connection.execute("SET autoload_known_extensions = false")
        for bucket in buckets.tables():
            connection.register("bucket", bucket)
            found = connection.sql(f"SELECT * FROM bucket ORDER BY {_ORDER}", params={"k": frames})
            for batch in found.to_arrow_reader(_BATCH_ROWS):
                yield batch.cast(bucket.schema)
            connection.unregister("bucket")


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
