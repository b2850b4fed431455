"""Tables of boxes, a CSV file with a header, to tracks: which column is what is said, not guessed."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import ManifestError, UsageError
from par_model.manifest.importers.attribute_votes import Votes, vote
from par_model.manifest.importers.gather import Lines, Listed, from_corners
from par_model.manifest.importers.numbers import is_number
from par_model.manifest.importers.people import choose_people
from par_model.manifest.importers.track_ids import track_ids, with_ids
from par_model.wording import counted

_SHOWN = 8  # names in a message
_MARKS = ",;\t|"
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
# Which four columns give a box, and how.
Shape = Literal["size", "corners", "middle"]
_SHAPES: Mapping[Shape, tuple[str, ...]] = {
    "size": ("x", "y", "w", "h"),
    "corners": ("x1", "y1", "x2", "y2"),
    "middle": ("xc", "yc", "w", "h"),
}
_EXAMPLE = "frame=frame_number,id=tracker_id,x1=x_min,y1=y_min,x2=x_max,y2=y_max"


@dataclass(frozen=True)
class Columns:
    """Names of a sheet's columns.

    sides: four of them, which ``shape`` explains: left, top, width, height; or left, top, right, bottom; or the middle,
    width, height. of_class: None where all boxes are of people.
    """

    frame: str
    track: str
    sides: tuple[str, ...]
    shape: Shape
    of_class: str | None = None

    @classmethod
    def parse(cls, text: str) -> Columns:
        """Columns from ``frame=NAME,id=NAME,x=NAME,...``. Raises UsageError."""
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        named = {key.strip(): name.strip() for key, _, name in pairs}
        known = {"frame", "id", "class", *(key for keys in _SHAPES.values() for key in keys)}
        wrong = [key for key, equals, name in pairs if not equals or not name.strip() or key.strip() not in known]
        if wrong or len(named) < len(pairs):
            what = (
                f"{wrong[0].strip()!r} is not KEY=COLUMN with one of {', '.join(sorted(known))}"
                if wrong
                else "a key is there twice"
            )
            raise UsageError(f"--columns {text}: {what}, as in {_EXAMPLE}")
        shapes = [shape for shape, keys in _SHAPES.items() if named.keys() - {"frame", "id", "class"} == set(keys)]
        if not shapes or not {"frame", "id"} <= named.keys():
            ways = " or ".join(",".join(keys) for keys in _SHAPES.values())
            raise UsageError(f"--columns {text}: needs frame, id and {ways}, as in {_EXAMPLE}")
        twice = [name for name, count in Counter(named.values()).items() if count > 1]
        if twice:
            raise UsageError(f"--columns {text}: column {twice[0]!r} is there twice; each says one thing")
        sides = tuple(named[key] for key in _SHAPES[shapes[0]])
        return cls(named["frame"], named["id"], sides, shapes[0], named.get("class"))

    @property
    def names(self) -> list[str]:
        """All that have to be there."""
        return [self.frame, self.track, *self.sides, *([self.of_class] if self.of_class else [])]


@dataclass(frozen=True, eq=False)
class Sheet:
    """A CSV file. header: k names. rows: of k cells each. lines: the line of each row."""

    origin: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def column(self, name: str) -> list[str]:
        at = self.header.index(name)
        return [row[at] for row in self.rows]


@dataclass(frozen=True, eq=False)
class SheetTracks:
    """Boxes of a sheet, and what its further columns say of each track, if that was asked for.

    lowest_frame: over all rows, also those that are left out; None without rows.
    """

    listed: Listed
    votes: Votes
    lowest_frame: int | None


def read_sheet(uri: str) -> Sheet:
    """A CSV file with a header. Raises ManifestError for what is none, and StorageError where it cannot be read."""
    try:
        text = storage.read_bytes(uri).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{uri}: is not UTF-8 text: {error.reason} at byte {error.start}") from error
    if text.lstrip()[:1] in ("[", "{"):
        raise ManifestError(f"{uri}: is JSON; a CSV file with the names of its columns in the first line is expected")
    numbered = list(_rows(text, uri))
    if not numbered:
        raise ManifestError(f"{uri}: is empty, a header with the names of the columns is expected")
    header = [cell.strip() for cell in numbered[0][1]]
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise ManifestError(f"{uri}: column {twice[0]!r} is there twice; rename one")
    for number, row in numbered[1:]:
        if len(row) != len(header):
            found = counted(len(row), "column")
            raise ManifestError(f"{uri}, line {number}: {found}, but the header has {len(header)}: {_shown(header)}")
    return Sheet(uri, header, [row for _, row in numbered[1:]], [number for number, _ in numbered[1:]])


def _shown(header: Sequence[str]) -> str:
    return ", ".join(header[:_SHOWN]) + (", ..." if len(header) > _SHOWN else "")


def sheet_tracks(sheet: Sheet, columns: Columns, *, people: Sequence[str] = (), labelled: bool = False) -> SheetTracks:
    """The boxes of a sheet. people: the classes that are people, as ``choose_people`` takes them.

    labelled: every column that ``columns`` does not name is an attribute of the row's track.
    Rows without a track id are left out. Raises ManifestError, with the line, for cells that are not what they have to
    be, and where a column is not there.
    """
    for name in columns.names:
        if name not in sheet.header:
            raise ManifestError(
                f"{sheet.origin}: has no column {name!r}; it has {', '.join(sheet.header)}{_advice(sheet)}"
            )
    where = Lines(sheet.origin, sheet.lines)
    ids = track_ids(sheet.column(columns.track), where, in_table=True)
    frames = _whole_numbers(sheet, columns.frame)
    listed = Listed(ids=ids, frames=frames, boxes=_boxes(sheet, columns), where=where)
    people_rows = np.ones(len(ids), bool)
    if columns.of_class is not None:
        people_rows, why = choose_people(sheet.column(columns.of_class), people, sheet.origin)
        listed = listed.keep(people_rows, "box", why)
    elif people:
        raise UsageError("--people needs a column that says what a box is of: --columns ...,class=NAME")
    rows = [row for row in np.flatnonzero(people_rows).tolist() if ids[row]]
    listed = with_ids(listed)
    votes = _votes(sheet, columns, listed.ids, rows) if labelled else {}
    return SheetTracks(listed, votes, int(frames.min()) if len(frames) else None)


def _advice(sheet: Sheet) -> str:
    """For a header that was not split."""
    if len(sheet.header) > 1:
        return ""
    return ", a single one: columns lie between commas, semicolons, tabs or |, here they do not"


def _votes(sheet: Sheet, columns: Columns, ids: Sequence[str], rows: Sequence[int]) -> Votes:
    votes: Votes = {}
    for column, name in enumerate(sheet.header):
        if name not in columns.names:
            for track, row in zip(ids, rows, strict=True):
                vote(votes, track, name, sheet.rows[row][column])
    return votes


def _rows(text: str, origin: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise ManifestError(f"{origin}, line {reader.line_num}: is not CSV: {error}") from error


def _delimiter(text: str) -> str:
    """What is in the header most often, of the marks that tools put between columns."""
    header = text.lstrip().partition("\n")[0]
    return max(_MARKS, key=header.count)


def _whole_numbers(sheet: Sheet, name: str) -> NDArray[np.int64]:
    numbers = _numbers(sheet, name)
    broken = np.flatnonzero((numbers != np.floor(numbers)) | (np.abs(numbers) > 2.0**53))
    if len(broken):
        row = int(broken[0])
        cell = sheet.column(name)[row]
        raise ManifestError(f"{sheet.origin}, line {sheet.lines[row]}, column {name!r}: {cell!r} is not a whole number")
    return numbers.astype(np.int64)


def _numbers(sheet: Sheet, name: str) -> NDArray[np.float64]:
    cells = sheet.column(name)
    wrong = next((i for i, cell in enumerate(cells) if not is_number(cell)), None)
    if wrong is not None:
        advice = "; write it with a point" if _DECIMAL_COMMA.fullmatch(cells[wrong].strip()) else ""
        raise ManifestError(
            f"{sheet.origin}, line {sheet.lines[wrong]}, column {name!r}: {cells[wrong]!r} is not a number{advice}"
        )
    return np.array(list(map(float, cells)), np.float64)


def _boxes(sheet: Sheet, columns: Columns) -> NDArray[np.float64]:
    sides = np.stack([_numbers(sheet, name) for name in columns.sides], axis=1)
    return as_left_top_size(sides, columns.shape)


def as_left_top_size(sides: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """Boxes [n, 4] as left, top, width, height."""
    if shape == "corners":
        return from_corners(sides)
    if shape == "middle":
        return np.concatenate([sides[:, :2] - sides[:, 2:] / 2, sides[:, 2:]], axis=1)
    return sides
