"""From a video and its tracks to a manifest's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_votes import Votes
from par_model.manifest.importers.fit_to_video import fit
from par_model.manifest.importers.options import VideoOptions
from par_model.manifest.importers.tracks import Tracks
from par_model.video.timestamps import timestamps

# What videos are called, where a folder may hold other things too. A file or a pattern that is named is taken as it is.
# fmt: off
_SUFFIXES = frozenset({
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "mts", "m2ts", "m2t", "mpg", "mpeg", "vob", "flv", "f4v", "asf",
    "wmv", "mxf", "ogv", "ogg", "3gp", "3g2", "264", "h264", "265", "h265", "hevc", "dav", "dat", "ivf", "nut",
    "mjpeg", "mjpg", "dv", "gxf", "wtv", "rm", "rmvb", "y4m", "avs", "nsv",
})
# fmt: on


@dataclass(frozen=True)
class Imported:
    """A video's rows, and the tracks that they were made of. votes: what these say of attributes, by track id."""

    rows: list[dict[str, Any]]
    tracks: Tracks
    votes: Votes = field(default_factory=dict)


def import_video(video: str, tracks: Tracks, options: VideoOptions, *, origin: str) -> Imported:
    """Rows of a video's tracks. origin: what errors call the tracks.

    Raises ManifestError where the tracks do not agree with the video or none are left, TrackletError where the video
    cannot be read.
    """
    named = options.name_pattern.read(storage.name(video)) if options.name_pattern is not None else None
    camera = options.camera if named is None or named.camera is None else named.camera
    start_time = options.start_time if named is None or named.time is None else named.time
    kept = fit(tracks, video, options.fit, origin=origin).of_length(options.min_length)
    if not kept.by_id:
        raise ManifestError(f"{origin}: no tracks are left to write; {kept.closing_words()}")
    seconds: Sequence[float] = []
    if start_time is not None:
        count = 1 + max(int(track.frames[0]) for track in kept.by_id.values())
        seconds = timestamps(video, count, options.fit.video_stream or 0)
    prefix = next(p for p in (options.id_prefix, camera, stem(video)) if p is not None)
    rows = kept.rows(storage.absolute(video), prefix, camera_id=camera, start_time=start_time, seconds=seconds)
    if options.fit.video_stream is not None:
        rows = [row | {"video_stream": options.fit.video_stream} for row in rows]
    return Imported(rows, kept)


def is_called_a_video(uri: str) -> bool:
    """Whether a file's name ends as names of videos do."""
    return storage.name(uri).rpartition(".")[2].lower() in _SUFFIXES


def stem(uri: str) -> str:
    """A file's name without its suffix."""
    return storage.name(uri).rpartition(".")[0] or storage.name(uri)
