"""Which videos of a folder belong to which tracks of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.importers.frame_files import series_of

# What no video ends in: the two folders may be one.
_NO_VIDEO = (".txt", ".csv", ".tsv", ".xml", ".zip", ".json")


@dataclass(frozen=True)
class TracksOfVideo:
    """Where a tool puts the tracks of one video, below a folder of many.

    called: for messages. place: path of a file -> the path that the video has, without suffix, and the path to read;
    None for files of something else.
    """

    called: str
    place: Callable[[str], tuple[str, str] | None]


def one_file(*suffixes: str) -> TracksOfVideo:
    """A file of the video's stem."""

    def place(path: str) -> tuple[str, str] | None:
        return (_without_suffix(path), path) if path.lower().endswith(suffixes) else None

    return TracksOfVideo(f"a file of tracks ({', '.join(suffixes)})", place)


def one_folder() -> TracksOfVideo:
    """A folder of the video's stem, with a text file for each frame."""

    def place(path: str) -> tuple[str, str] | None:
        folder = path.rpartition("/")[0]
        return (folder, folder) if folder and series_of(path) is not None else None

    return TracksOfVideo("a folder with a file for each frame", place)


def files_of_frames() -> TracksOfVideo:
    """A text file for each frame, ``<stem>_<frame>.txt``, beside those of other videos."""

    def place(path: str) -> tuple[str, str] | None:
        folder, series = path.rpartition("/")[0], series_of(path)
        return (f"{folder}/{series}" if folder else series, folder) if series else None

    return TracksOfVideo("files for its frames (such as v_12.txt)", place)


@dataclass(frozen=True)
class Pair:
    """A video and where its tracks are. key: the path of one of them below its folder, without suffix."""

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
            if len(found) == 1 and counts[name(key)] == 1:
                pairs.append(Pair(of_videos.pop(found[0]), found[0], uri))
                del of_tracks[key, uri]
            elif found:
                several = [*found, *(shown for (k, _), shown in of_tracks.items() if name(k) == name(key))]
                raise ManifestError(f"these cannot be told apart by name: {', '.join(several)}; rename or move some")
    if not pairs:
        raise ManifestError(f"no video of {videos} has {wanted.called} of the same stem in {tracks}")
    return Pairs(sorted(pairs, key=lambda pair: pair.key), sorted(of_videos), sorted(of_tracks.values()))


def _tracks_of(folder: str, wanted: TracksOfVideo) -> dict[tuple[str, str], str]:
    """A video's path without suffix, and the URI of its tracks -> how they are called in a message."""
    found: dict[tuple[str, str], str] = {}
    for uri, path in _files(folder).items():
        if (placed := wanted.place(path)) is not None:
            key, read = placed
            of_video = uri[: len(uri) - len(path) + len(read)].rstrip("/")
            found[key, of_video] = of_video if read.startswith(key) else f"{of_video}/{storage.name(key)}_*.txt"
    return found


def _without_suffix(path: str) -> str:
    return path.rpartition(".")[0] or path


def _files(folder: str) -> dict[str, str]:
    """Files below a folder -> their paths there. Hidden ones do not count, nor does labels.txt."""
    found: dict[str, str] = {}
    for info in storage.list_files(folder):
        path = info.uri.removeprefix("file://")[len(folder.removeprefix("file://").rstrip("/")) + 1 :]
        name = storage.name(path)
        if not name.startswith((".", "_")) and name != "labels.txt":
            found[info.uri] = path
    return found
