"""From a video and its tracks to a manifest's rows, and which files of two folders belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.importers.fit_to_video import fit
from par_model.manifest.importers.options import VideoOptions
from par_model.manifest.importers.tracks import Tracks
from par_model.video.timestamps import timestamps

_TRACKS_SUFFIXES = (".txt", ".csv")


@dataclass(frozen=True)
class Imported:
    """A video's rows, and the tracks that they were made of."""

    rows: list[dict[str, Any]]
    tracks: Tracks


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


def stem(uri: str) -> str:
    """A file's name without its suffix."""
    return storage.name(uri).rpartition(".")[0] or storage.name(uri)


@dataclass(frozen=True)
class Pair:
    """A video and the file of its tracks. key: their path below the two folders, without suffix."""

    key: str
    video: str
    tracks: str


@dataclass(frozen=True)
class Pairs:
    """Files of two folders that belong together, and those without a partner."""

    pairs: list[Pair]
    no_tracks: list[str]
    no_video: list[str]


def pair_files(videos: str, tracks: str) -> Pairs:
    """Videos and .txt or .csv files of tracks, at any depth below two folders, by their paths without suffix, else by
    their stems. The folders may be one. Raises ManifestError where that leaves a choice, or no pair.
    """
    videos, tracks = storage.absolute(videos), storage.absolute(tracks)
    of_videos = {uri: key for uri, key in _files(videos).items() if not uri.lower().endswith(_TRACKS_SUFFIXES)}
    of_tracks = {uri: key for uri, key in _files(tracks).items() if uri.lower().endswith(_TRACKS_SUFFIXES)}
    pairs: list[Pair] = []
    for name in (lambda key: key, storage.name):
        by_name: dict[str, list[str]] = {}
        for uri, key in of_videos.items():
            by_name.setdefault(name(key), []).append(uri)
        counts = Counter(name(key) for key in of_tracks.values())
        for uri, key in list(of_tracks.items()):
            found = by_name.get(name(key), [])
            if len(found) == 1 and counts[name(key)] == 1:
                pairs.append(Pair(of_videos.pop(found[0]), found[0], uri))
                del of_tracks[uri]
            elif found:
                several = [*found, *(u for u, k in of_tracks.items() if name(k) == name(key))]
                raise ManifestError(f"these cannot be told apart by name: {', '.join(several)}; rename or move some")
    if not pairs:
        raise ManifestError(f"no video of {videos} has a file of tracks (.txt, .csv) of the same stem in {tracks}")
    return Pairs(sorted(pairs, key=lambda pair: pair.key), sorted(of_videos), sorted(of_tracks))


def _files(folder: str) -> dict[str, str]:
    """Files below a folder -> their paths there without suffix. Hidden ones do not count, nor does labels.txt."""
    found: dict[str, str] = {}
    for info in storage.list_files(folder):
        path = info.uri.removeprefix("file://")[len(folder.removeprefix("file://").rstrip("/")) + 1 :]
        name = storage.name(path)
        if not name.startswith((".", "_")) and name != "labels.txt":
            found[info.uri] = path.rpartition(".")[0] or path
    return found
