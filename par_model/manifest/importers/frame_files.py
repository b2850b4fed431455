"""Folders with a text file for each frame, whose name ends with the frame's number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.importers.tracks import LeftOut

_NAME = re.compile(r"(?:(?P<series>.*)_)?(?P<frame>\d{1,12})\.txt", re.DOTALL)
_SHOWN = 3


@dataclass(frozen=True)
class Line:
    """One line that is not empty. frame: as the file's name has it. words: what stands between blanks."""

    frame: int
    words: Sequence[str]
    uri: str
    number: int

    @property
    def where(self) -> str:
        return f"{self.uri}, line {self.number}"


@dataclass(frozen=True, eq=False)
class Origins:
    """Where rows of many files came from, for messages."""

    lines: Sequence[Line]

    def __call__(self, *rows: int) -> str:
        return " and ".join(self.lines[row].where for row in rows)


@dataclass(frozen=True, eq=False)
class FrameFiles:
    """The lines of all files of one series, in the order of names. left_out: files of another name."""

    lines: Sequence[Line]
    left_out: Sequence[LeftOut]


def read_frame_files(uri: str, *, series: str | None = None) -> FrameFiles:
    """The lines of the files ``<series>_<frame>.txt`` below a folder, or of those that a pattern names.

    series: the one to take if there are several. Raises ManifestError where no file has such a name, or several series
    or folders with it are there and it cannot be told which is meant, and StorageError.
    """
    found = storage.glob_files(uri) if storage.is_glob(uri) else storage.list_files(uri)
    named = [(info.uri, match) for info in found if (match := _NAME.fullmatch(storage.name(info.uri)))]
    if not named:
        raise ManifestError(f"{uri}: no file there is called like v_12.txt, by the number of its frame")
    several = sorted({match["series"] or "" for _, match in named})
    if len(several) > 1 and series in several:
        named = [(name, match) for name, match in named if match["series"] == series]
    elif len(several) > 1:
        raise ManifestError(
            f"{uri}: has the frames of {len(several)} videos ({_some(several)}): name one's files by a pattern, such "
            f"as --tracks '{storage.join(uri, several[0])}_*.txt'"
        )
    folders = sorted({storage.parent(name) for name, _ in named})
    if len(folders) > 1:
        raise ManifestError(
            f"{uri}: frames of one video lie in several folders there ({_some(folders)}): give the one that is meant"
        )
    left_out = len(found) - len(named)
    lines = [line for name, match in named for line in read_lines(name, int(match["frame"]))]
    return FrameFiles(lines, [LeftOut(left_out, "file", "not named by a frame of this video")] if left_out else [])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def series_of(path: str) -> str | None:
    """Of which series a file is by its name, "" where the name is the frame's number alone; None where it names no
    frame."""
    match = _NAME.fullmatch(storage.name(path))
    return None if match is None else match["series"] or ""


def read_lines(uri: str, frame: int = 0) -> list[Line]:
    """The lines of one file. Raises ManifestError where it is not text, StorageError where it cannot be read."""
    try:
        text = storage.read_bytes(uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{uri}: is not UTF-8 text: {error.reason} at byte {error.start}") from error
    split = ((number, line.split()) for number, line in enumerate(text.splitlines(), start=1))
    return [Line(frame, words, uri, number) for number, words in split if words]
