"""Which videos of a folder belong to which tracks of another."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.files import path_below, visible
from par_model.manifest.importers.frame_files import series_of
from par_model.manifest.importers.videos import is_called_a_video

# What no video ends in: the two folders may be one.
_NO_VIDEO = (".txt", ".csv", ".tsv", ".xml", ".zip", ".json")


class Placed(NamedTuple):
    """Tracks of a video, by paths below their folder. video: the path that it has, without suffix. path: of what is
    read. series: of frames whose files those are, "" if there is one alone; None where ``path`` is a file."""

    video: str
    path: str
    series: str | None = None


@dataclass(frozen=True)
class TracksOfVideo:
    """Where a tool puts the tracks of one video, below a folder of many.

    called: for messages. place: of a file, by its path; None for files of something else.
    """

    called: str
    place: Callable[[str], Placed | None]


def one_file(*suffixes: str) -> TracksOfVideo:
    """A file of the video's stem."""

    def place(path: str) -> Placed | None:
        return Placed(_without_suffix(path), path) if path.lower().endswith(suffixes) else None

    return TracksOfVideo(f"a file of tracks ({', '.join(suffixes)})", place)


def one_folder() -> TracksOfVideo:
    """A folder of the video's stem, with a text file for each frame."""

    def place(path: str) -> Placed | None:
        folder = path.rpartition("/")[0]
        return Placed(folder, folder, "") if folder and series_of(path) is not None else None

    return TracksOfVideo("a folder with a file for each frame", place)


def files_of_frames() -> TracksOfVideo:
    """A text file for each frame, ``<stem>_<frame>.txt``, beside those of other videos."""

    def place(path: str) -> Placed | None:
        folder, series = path.rpartition("/")[0], series_of(path)
        return Placed(f"{folder}/{series}" if folder else series, folder, series) if series else None

    return TracksOfVideo("files for its frames (such as v_12.txt)", place)


@dataclass(frozen=True)
class Pair:
    """A video and its tracks: their file, or a pattern of those of frames. key: the video's path below its folder,
    without suffix."""

    key: str
    video: str
    tracks: str


@dataclass(frozen=True)
class Pairs:
    """What belongs together in two folders, and what has no partner."""

    pairs: list[Pair]
    no_tracks: list[str]
    no_video: list[str]


def pair_files(videos: str, tracks: str, wanted: TracksOfVideo) -> Pairs:
    """Videos and their tracks, at any depth below two folders, by their paths without suffix, else by their stems. The
    folders may be one. Raises ManifestError where that leaves a choice, or no pair.
    """
    videos, tracks = storage.absolute(videos), storage.absolute(tracks)
    of_videos = {
        uri: _without_suffix(path) for uri, path in _files(videos).items() if not path.lower().endswith(_NO_VIDEO)
    }
    of_tracks = _tracks_of(tracks, wanted)
    pairs: list[Pair] = []
    for name in (lambda key: key, storage.name):
        by_name: dict[str, list[str]] = {}
        for uri, key in of_videos.items():
            by_name.setdefault(name(key), []).append(uri)
        counts = Counter(name(key) for key, _ in of_tracks)
        for key, uri in list(of_tracks):
            found = by_name.get(name(key), [])
            # Cameras leave pictures and the like beside videos.
            found = list(filter(is_called_a_video, found)) or found
            if len(found) == 1 and counts[name(key)] == 1:
                pairs.append(Pair(of_videos.pop(found[0]), found[0], uri))
                del of_tracks[key, uri]
            elif found:
                several = [*found, *(shown for (k, _), shown in of_tracks.items() if name(k) == name(key))]
                raise ManifestError(f"these cannot be told apart by name: {', '.join(several)}; rename or move some")
    if not pairs:
        raise ManifestError(f"no video of {videos} has {wanted.called} of the same stem in {tracks}")
    paired = {pair.key for pair in pairs}
    no_tracks = sorted(uri for uri, key in of_videos.items() if key not in paired)
    return Pairs(sorted(pairs, key=lambda pair: pair.key), no_tracks, sorted(of_tracks.values()))


def _tracks_of(folder: str, wanted: TracksOfVideo) -> dict[tuple[str, str], str]:
    """A video's path without suffix, and what is read of its tracks -> how that is called in a message."""
    found: dict[tuple[str, str], str] = {}
    for uri, path in _files(folder).items():
        if (placed := wanted.place(path)) is None:
            continue
        place = f"{uri.removesuffix(path)}{placed.path}"
        if placed.series is None:
            found[placed.video, place] = place
            continue
        # A pattern rather than the folder, below which others may have files of other videos.
        start = f"{place.rstrip('/')}/{placed.series}"
        ending = "_*.txt" if placed.series else "*.txt"
        found[placed.video, f"{glob.escape(start)}{ending}"] = f"{start}{ending}" if placed.series else place
    return found


def _without_suffix(path: str) -> str:
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{name.rpartition('.')[0] or name}"


def _files(folder: str) -> dict[str, str]:
    """Files below a folder -> their paths there. Those that begin with _ or . do not count, nor what lies in folders
    that do, nor labels.txt. Raises ManifestError where there are none."""
    listed = storage.list_files(folder) if storage.is_folder(folder) else []
    paths = {info.uri: path_below(folder, info.uri) for info in visible(folder, listed)}
    found = {uri: path for uri, path in paths.items() if storage.name(path) != "labels.txt"}
    if not found:
        raise ManifestError(f"{folder}: is no folder with files; --videos and --tracks name one each")
    return found
