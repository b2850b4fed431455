"""Which videos there are, and what is known of each before it is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from par_model import storage
from par_model.errors import ManifestError, UsageError
from par_model.manifest.files import visible
from par_model.manifest.importers.name_pattern import NamePattern
from par_model.manifest.importers.videos import is_called_a_video, stem
from par_model.wording import counted, listed

_SHOWN = 3


@dataclass(frozen=True)
class Footage:
    """A video. key: prefix of its tracklets' ids. start_time: of its frame 0, with a zone."""

    uri: str
    key: str
    camera: str | None
    start_time: datetime | None


@dataclass(frozen=True)
class Found:
    """Videos in the order of their URIs. others: files of folders that are not called as videos are."""

    footage: list[Footage]
    others: list[str]


@dataclass(frozen=True)
class Naming:
    """What is known of all videos: camera and start time where their names do not say, and the prefix of ids."""

    camera: str | None = None
    start_time: datetime | None = None
    pattern: NamePattern | None = None
    id_prefix: str | None = None


def find_footage(places: Sequence[str], naming: Naming) -> Found:
    """Videos at these places: files, folders and patterns.

    Raises ManifestError where there is none, or names do not fit the pattern; UsageError where a start time is given
    for several videos; PlaceError.
    """
    uris: set[str] = set()
    others: set[str] = set()
    for place in places:
        videos, rest = _at(storage.absolute(place))
        if not videos:
            held = f", but {counted(len(rest), 'other file')}" if rest else ""
            raise ManifestError(f"--videos {place}: there is no video{held}")
        uris |= set(videos)
        others |= set(rest)
    if naming.start_time is not None and len(uris) > 1:
        raise UsageError(
            f"--start-time: is one video's, but there are {len(uris)}; --name-pattern takes times from their names"
        )
    named = [_named(uri, naming) for uri in sorted(uris)]
    _refuse_misfits([uri for uri, one in zip(sorted(uris), named, strict=True) if one is None], naming)
    known = [one for one in named if one is not None]
    keys = _keys(sorted(uris), known[0][0], naming.id_prefix)
    footage = [Footage(uri, key, *one) for uri, key, one in zip(sorted(uris), keys, known, strict=True)]
    return Found(footage, sorted(others - uris))


def _at(place: str) -> tuple[list[str], list[str]]:
    if storage.is_glob(place):
        return [info.uri for info in storage.glob_files(place)], []
    if not storage.is_folder(place):
        return [place], []  # one that is not there is a failed video: its neighbours lose nothing
    files = [info.uri for info in visible(place, storage.list_files(place))]
    videos = [uri for uri in files if is_called_a_video(uri)]
    return videos, sorted(set(files) - set(videos))


def _named(uri: str, naming: Naming) -> tuple[str | None, datetime | None] | None:
    if naming.pattern is None:
        return naming.camera, naming.start_time
    try:
        named = naming.pattern.read(storage.name(uri))
    except ManifestError:
        return None
    return named.camera or naming.camera, named.time or naming.start_time


def _refuse_misfits(misfits: Sequence[str], naming: Naming) -> None:
    if not misfits or naming.pattern is None:
        return
    shown = listed(map(storage.name, misfits), _SHOWN)
    raise ManifestError(
        f"{counted(len(misfits), 'name')} of videos do not fit --name-pattern {naming.pattern.text}: {shown}; "
        "name the others alone with --videos, or say {} for what differs"
    )


def _keys(uris: Sequence[str], camera: str | None, prefix: str | None) -> list[str]:
    """What tells videos apart: the first of these that is another for each."""
    if len(uris) == 1:
        return [next(name for name in (prefix, camera, stem(uris[0])) if name is not None)]
    start = "" if prefix is None else f"{prefix}-"
    shared = _shared_folder(uris)
    ways: list[Callable[[str], str]] = [
        stem,
        storage.name,
        lambda uri: uri[shared:].rpartition(".")[0] or uri[shared:],
        lambda uri: uri[shared:],
    ]
    for way in ways:
        keys = [start + way(uri) for uri in uris]
        if max(Counter(keys).values()) == 1:
            return keys
    return [start + uri for uri in uris]


def _shared_folder(uris: Sequence[str]) -> int:
    """How long the folder's name is that all URIs begin with."""
    first, last = uris[0], uris[-1]  # in order, so that what these share all do
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first.rfind("/", 0, same) + 1
