"""From tracks of videos to the manifest and the table of videos beside it."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from par_model import storage
from par_model.errors import OutputError
from par_model.manifest.write import write_manifest_tables
from par_model.model.device import Device, local_device
from par_model.runs.pieces import Pieces
from par_model.tracking.look import TrackJob
from par_model.tracking.tracker import ASSUMED_RATE
from par_model.tracking.video_rows import TRACKLET_SCHEMA, VIDEO_SCHEMA, group_facts, tracklets_at

_log = logging.getLogger(__name__)

Row = dict[str, Any]
Followed = Generator[tuple[Row, pa.Table], None, None]


@dataclass(frozen=True)
class KeptVideos:
    """What a complete manifest holds of videos that are not done again. rows: of ``_videos.parquet``, by the video's
    number. tables: its tracklets, where it has any."""

    rows: dict[int, Row] = field(default_factory=dict)
    tables: dict[int, pa.Table] = field(default_factory=dict)


def kept_of(job: TrackJob) -> KeptVideos:
    """All videos of a complete manifest that did not fail. Raises OutputError where its two files do not agree."""
    rows = _read(job.files.videos).to_pylist()
    uris = [one.uri for one in job.found.footage]
    if [row["video_uri"] for row in rows] != uris:
        raise OutputError(f"{job.files.videos} does not have the videos of this job: give another --output")
    tracklets = _read(job.files.manifest)
    found = tracklets["video_uri"].to_pylist()
    numbers = {uri: number for number, uri in enumerate(uris)}
    tables: dict[int, pa.Table] = {}
    start = 0
    for uri, group in itertools.groupby(found):
        length = len(list(group))
        if uri not in numbers or numbers[uri] in tables:
            raise OutputError(f"{job.files.manifest} was changed since it was written: give another --output")
        tables[numbers[uri]] = tracklets.slice(start, length)
        start += length
    return KeptVideos({number: row for number, row in enumerate(rows) if row["status"] == "ok"}, tables)


def write_all(
    job: TrackJob, groups: Sequence[tuple[str, int]], kept: KeptVideos, before: storage.Before, device: Device
) -> tuple[int, list[Row]]:
    """Write the manifest, then the table of videos. groups: files of the tracks of those that are not kept. device:
    where weights compare people, if fragments are joined; ``auto`` is a GPU of this process, if it has one.

    Returns the number of tracklets, and the rows of ``_videos.parquet``.
    """
    videos: list[Row] = []
    fresh = _joined(job, groups, device) if job.options.join.join is not None else _fresh(groups)
    names = _schema(job).names

    def tables() -> Iterator[pa.Table]:
        for number in range(len(job.found.footage)):
            if number in kept.rows:
                row, table = kept.rows[number], kept.tables.get(number, TRACKLET_SCHEMA.empty_table())
            else:
                row, table = next(fresh)
            videos.append(row)
            yield table.select(names)

    with closing(fresh):
        tracklets = write_manifest_tables(job.files.manifest, tables(), _schema(job), before)
    with storage.atomic_writer(job.files.videos, before) as file:
        pq.write_table(pa.Table.from_pylist(videos, schema=VIDEO_SCHEMA), file, compression="zstd")
    return tracklets, videos


def _schema(job: TrackJob) -> pa.Schema:
    if job.options.decode.video_stream:
        return TRACKLET_SCHEMA
    return pa.schema([field for field in TRACKLET_SCHEMA if field.name != "video_stream"])


def _read(uri: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(storage.read_bytes(uri)))


def _fresh(groups: Sequence[tuple[str, int]]) -> Followed:
    """Row and tracklets (TRACKLET_SCHEMA) of each video that was followed."""
    for uri, size in groups:
        facts = Pieces(uri, size).facts()
        for row, (start, stop) in zip(group_facts(facts), itertools.pairwise(facts["bounds"]), strict=True):
            yield row, tracklets_at(uri, start, stop)


def _joined(job: TrackJob, groups: Sequence[tuple[str, int]], device: Device) -> Followed:
    """The same, fragments of one person joined."""
    from par_model.tracking.join import Joining

    _log.info("joining fragments of one person")
    joining = Joining(job.options.join, local_device(device), job.options.decode)
    try:
        for row, table in _fresh(groups):
            rate = (row["frame_rate"] or ASSUMED_RATE / job.options.every) * job.options.every
            joined = joining(table, rate)
            yield row | {"tracks": len(joined)}, joined
    finally:
        joining.close()
