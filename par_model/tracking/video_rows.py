"""From what was found in a video to its tracklets, as rows of the manifest, and its own row of ``_videos.parquet``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.importers.tracks import wall_clock
from par_model.manifest.schema import COLUMNS
from par_model.runs.pieces import piece_writer, read_piece
from par_model.tracking.batches import FoundBatch, VideoEnd
from par_model.tracking.clothes import NUMBERS
from par_model.tracking.footage import Footage
from par_model.tracking.options import FollowOptions
from par_model.tracking.store import PieceAt, batches_of
from par_model.tracking.tracker import FollowedTrack, Sightings, follow

# Tracklets on their way into the manifest.
TRACKLET_SCHEMA = pa.schema(
    [
        COLUMNS.field(name)
        for name in ("tracklet_id", "video_uri", "frame_indices", "boxes", "camera_id", "start_time", "video_stream")
    ]
)
VIDEO_SCHEMA = pa.schema(
    [
        ("video_uri", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("camera_id", pa.string()),
        ("start_time", pa.timestamp("ms", tz="UTC")),
        ("frames", pa.int64()),  # of the video
        ("sampled_frames", pa.int64()),  # that were looked at
        ("damaged_frames", pa.int64()),  # that could not be, among those
        ("frame_rate", pa.float64()),  # of those that were looked at
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("detections", pa.int64()),
        ("best_score", pa.float32()),
        ("tracks", pa.int64()),
        ("boxes", pa.int64()),  # of tracks
    ]
)


@dataclass(frozen=True)
class VideoToFollow:
    """A video whose detections are complete. number: of the video."""

    number: int
    footage: Footage
    pieces: Sequence[PieceAt]


@dataclass(frozen=True)
class GroupToFollow:
    """Some videos whose tracks make one file, at ``uri``. stream: their video track, None for the first.

    before: asked before the write.
    """

    uri: str
    videos: Sequence[VideoToFollow]
    every: int
    stream: int | None
    options: FollowOptions
    before: storage.Before


def follow_group(group: GroupToFollow) -> tuple[str, int]:
    """Write the tracks of a group of videos, a piece each, and their rows of ``_videos.parquet`` in the trailer.

    Returns where they are, and the file's size. Any process may do it; the same detections give the same bytes.
    """
    with piece_writer(group.uri, group.before) as file:
        rows = []
        for video in group.videos:
            tracklets, row = follow_video(video, group.every, group.stream, group.options)
            file.add(tracklets)
            rows.append(row | {"start_time": None if row["start_time"] is None else row["start_time"].isoformat()})
        file.facts["videos"] = rows
    return group.uri, file.size


def group_facts(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of ``_videos.parquet`` that ``follow_group`` put into a trailer."""
    return [
        row | {"start_time": None if row["start_time"] is None else datetime.fromisoformat(row["start_time"])}
        for row in facts["videos"]
    ]


def tracklets_at(uri: str, start: int, stop: int) -> pa.Table:
    """The tracklets of a video (TRACKLET_SCHEMA) out of the file of its group."""
    return pa.Table.from_batches([read_piece(uri, start, stop, TRACKLET_SCHEMA)])


def follow_video(
    video: VideoToFollow, every: int, stream: int | None, options: FollowOptions
) -> tuple[pa.Table, dict[str, Any]]:
    """The tracklets of a video (TRACKLET_SCHEMA), and its row (VIDEO_SCHEMA)."""
    footage = video.footage
    seen, told = _seen(batches_of(video.pieces))
    followed = [] if told.end.error is not None else follow(seen, every, options)
    times = dict(zip(seen.frames.tolist(), seen.seconds.tolist(), strict=True))
    rows = [_row(footage, name, track, times[int(track.frames[0])], stream) for name, track in enumerate(followed)]
    return pa.Table.from_pylist(rows, schema=TRACKLET_SCHEMA), _video_row(footage, seen, told, followed)


@dataclass(frozen=True)
class _Told:
    """What a video's batches say beside boxes."""

    end: VideoEnd
    width: int
    height: int


def _seen(batches: Iterable[FoundBatch]) -> tuple[Sightings, _Told]:
    frames: list[int] = []
    seconds: list[float] = []
    counts: list[int] = []
    boxes, scores = [np.empty((0, 4), np.float32)], [np.empty(0, np.float32)]
    colours = [np.empty((0, NUMBERS), np.uint8)]
    end, size = VideoEnd(), (0, 0)
    damaged: list[int] = []
    for batch in batches:
        frames += batch.frames
        seconds += [float("nan") if time is None else time for time in batch.seconds]
        counts += batch.counts
        boxes.append(batch.boxes)
        scores.append(batch.scores)
        colours.append(batch.colours)
        damaged += [frame for frame, why in zip(batch.frames, batch.damage, strict=True) if why is not None]
        end = batch.end or end
        size = batch.size if batch.size != (0, 0) else size
    seen = Sightings(
        np.asarray(frames, np.int64),
        np.asarray(seconds, np.float64),
        np.asarray(counts, np.int64),
        np.concatenate(boxes),
        np.concatenate(scores),
        np.asarray(damaged, np.int64),
        np.concatenate(colours),
    )
    return seen, _Told(end, *size)


def _row(footage: Footage, name: int, track: FollowedTrack, seconds: float, stream: int | None) -> dict[str, Any]:
    corners = track.boxes
    start = footage.start_time
    try:
        time = None if start is None or not np.isfinite(seconds) else wall_clock(start, seconds)
    except OverflowError as error:
        raise ManifestError(f"{footage.uri}: its start time {start} leads before year 1 or after 9999") from error
    return {
        "tracklet_id": f"{footage.key}-{name}",
        "video_uri": footage.uri,
        "frame_indices": track.frames.tolist(),
        "boxes": [
            {"x": left, "y": top, "w": right - left, "h": bottom - top} for left, top, right, bottom in corners.tolist()
        ],
        "camera_id": footage.camera,
        "start_time": time,
        "video_stream": stream,
    }


def _video_row(footage: Footage, seen: Sightings, told: _Told, followed: Sequence[FollowedTrack]) -> dict[str, Any]:
    end = told.end
    failed = end.error is not None
    start = footage.start_time
    return {
        "video_uri": footage.uri,
        "status": "failed" if failed else "ok",
        "error": None if end.error is None else str(end.error),
        "message": end.message if failed else end.damage,
        "camera_id": footage.camera,
        "start_time": None if start is None else (start if start.tzinfo else start.replace(tzinfo=UTC)),
        "frames": None if failed else end.frames,
        "sampled_frames": len(seen.frames),
        "damaged_frames": len(seen.damaged),
        "frame_rate": seen.rate(),
        "width": told.width or None,
        "height": told.height or None,
        "detections": len(seen.scores),
        "best_score": float(seen.scores.max()) if len(seen.scores) else None,
        "tracks": len(followed),
        "boxes": sum(len(track.frames) for track in followed),
    }
