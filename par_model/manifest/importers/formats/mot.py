"""MOTChallenge text, as trackers and annotation tools write it, to tracks.

A line is ``frame, track id, left, top, width, height`` and up to four more numbers, between commas or blanks; frames
are counted from 1 unless the numbering says otherwise. What the further columns mean is told by their content alone,
over the whole file:

- 9 columns are ground truth where the seventh is 0 or 1, the eighth a class from 1 on and the ninth a visibility from
  0 to 1. Rows whose seventh is 0 do not count. Class 1 is a pedestrian, or, where CVAT or datumaro have left a
  labels.txt beside the file, the class whose line there is ``person`` or ``pedestrian``.
- 10 columns with fractions in the eighth are MOT15's, the last three being world coordinates.
- Else whole numbers in the eighth, if they are not all -1, are classes, and which are people has to be said, unless all
  are 0. DeepStream's dump has 16 columns, of which those after the eighth are of no use here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.importers.gather import Lines, Listed, Numbering, from_corners, gather
from par_model.manifest.importers.numbers import is_number
from par_model.manifest.importers.options import MotOptions
from par_model.manifest.importers.people import NAMES, choose_people
from par_model.manifest.importers.track_ids import track_ids, with_ids
from par_model.manifest.importers.tracks import Tracks
from par_model.wording import counted

_COLUMNS = (*range(6, 11), 16)
_GROUND_TRUTH_COLUMNS = 9
_SIDES = slice(2, 6)
_CONFIDENCE, _CLASS, _VISIBILITY = 6, 7, 8
_PEDESTRIAN = "1"
_LARGEST = 2.0**53
_SHOWN = 8
_UNTOLD = MotOptions()
_QUOTES = " \t\"'()[]"


def read_tracks(uri: str, options: MotOptions = _UNTOLD) -> Tracks:
    """Tracks of a MOTChallenge file. Raises as ``parse_tracks``, and StorageError where it cannot be read."""
    return parse_tracks(_read_text(uri), uri, options, labels_beside(uri))


def labels_beside(uri: str) -> list[str] | None:
    """The lines of a labels.txt in a file's folder, which CVAT and datumaro write there; None without one."""
    beside = storage.join(storage.parent(storage.absolute(uri)), "labels.txt")
    try:
        return [line.strip() for line in _read_text(beside).splitlines()]
    except storage.PlaceError as error:
        # Object stores deny what is not there to those who may not list.
        if error.reason in (storage.Reason.NOT_FOUND, storage.Reason.ACCESS_DENIED):
            return None
        raise


def parse_tracks(
    text: str,
    origin: str,
    options: MotOptions = _UNTOLD,
    labels: Sequence[str] | None = None,
) -> Tracks:
    """Tracks of a MOTChallenge text. origin names it in errors. labels: the names of classes 1, 2, ... where known.

    The same frame and track twice is merged where the rows are equal. Raises ManifestError, with the line, for rows
    that differ there, for anything that is not a box of a track, and where it is not known which classes are people.
    """
    columns, numbers = _split(text, origin)
    where = Lines(origin, numbers)
    if not columns:
        return Tracks({})
    # Boxes that are not finite are for `gather` to judge.
    values = [_numbers(column, where, finite=i not in range(2, 6)) for i, column in enumerate(columns) if i != 1]
    values.insert(1, np.empty(0))
    boxes = np.stack(values[_SIDES], axis=1)
    listed = Listed(
        ids=track_ids(columns[1], where),
        frames=_whole(values[0], "frame", where),
        boxes=from_corners(boxes) if options.corners else boxes,
        where=where,
        others=np.stack(values[_CONFIDENCE:], axis=1) if len(values) > _CONFIDENCE else None,
    )
    tracks = gather(
        with_ids(_only_people(listed, values, origin, options.people, labels)),
        _numbering(options),
        skip_bad_boxes=options.skip_bad_boxes,
    )
    return replace(tracks, is_export=labels is not None and _is_ground_truth(values))


def _numbering(options: MotOptions) -> Numbering:
    return Numbering(1 if options.first_frame is None else options.first_frame, options.frame_step or 1)


def _read_text(uri: str) -> str:
    try:
        return storage.read_bytes(uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{uri}: is not text: {error.reason} at byte {error.start}") from error


def _split(text: str, origin: str) -> tuple[list[tuple[str, ...]], list[int]]:
    """The columns of a text, and the number of each row's line."""
    rows: list[list[str]] = []
    numbers: list[int] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        fields = line.split(",") if "," in line else line.split()
        if not fields:
            continue
        if len(fields) > 1 and not fields[-1].strip():
            fields.pop()  # a comma that ends the line
        if not rows and _is_header(fields):
            raise ManifestError(
                f"{origin}, line {number}: is a header or a comment, which MOTChallenge text does not have; tables "
                "with a header are read by from-csv --columns frame=...,id=...,x=...,y=...,w=...,h=..."
            )
        if len(fields) not in _COLUMNS:
            raise ManifestError(
                f"{origin}, line {number}: {counted(len(fields), 'column')}, expected 6 to 10, or 16 as DeepStream "
                f"writes: frame, track id, left, top, width, height, ...{_advice_on_marks(line)}"
            )
        if rows and len(fields) != len(rows[0]):
            raise ManifestError(
                f"{origin}, line {number}: {counted(len(fields), 'column')}, but line {numbers[0]} has {len(rows[0])}; "
                "what a column means must be the same in all lines"
            )
        rows.append(fields)
        numbers.append(number)
    return list(zip(*rows, strict=True)), numbers


def _is_header(fields: Sequence[str]) -> bool:
    return len(fields) > 1 and not any(is_number(field.strip(_QUOTES)) for field in fields)


def _advice_on_marks(line: str) -> str:
    mark = next((mark for mark in ";|" if mark in line), None)
    return f"; columns lie between commas or blanks, here is {mark!r}: replace it" if mark is not None else ""


def _numbers(fields: Sequence[str], where: Lines, *, finite: bool) -> NDArray[np.float64]:
    try:
        values = np.array(list(map(float, fields)))
    except ValueError:
        values = np.array([np.nan])
    if np.isfinite(values).all() and not any("_" in field or not field.isascii() for field in fields):
        return values
    for row, field in enumerate(fields):
        if not is_number(field):
            raise ManifestError(f"{where(row)}: {field.strip()!r} is not a number")
    if finite:
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ManifestError(f"{where(row)}: {fields[row].strip()!r} is not finite")
    return values


def _whole(values: NDArray[np.float64], what: str, where: Lines) -> NDArray[np.int64]:
    fractions = np.flatnonzero(values != np.floor(values))
    if len(fractions):
        row = int(fractions[0])
        raise ManifestError(f"{where(row)}: {what} {values[row]:g} is not a whole number")
    return np.clip(values, -_LARGEST, _LARGEST).astype(np.int64)


def _only_people(
    listed: Listed,
    values: Sequence[NDArray[np.float64]],
    origin: str,
    people: frozenset[int] | None,
    labels: Sequence[str] | None,
) -> Listed:
    """The rows of people that count."""
    classes = _classes(values)
    if classes is None:
        if people is not None:
            raise ManifestError(f"{origin}: has no column of classes, so --people names none; leave it out")
        return listed
    usual: Sequence[str] = ()
    if _is_ground_truth(values):
        counts = values[_CONFIDENCE] != 0
        listed = listed.keep(counts, "ground-truth row", "of confidence 0")
        classes = classes[counts]
        usual = _people_of_truth(origin, labels) if people is None else ()
    # Of several classes that are people, one file of many may have but one.
    wanted = {str(number) for number in people or ()}
    named = [str(number) for number in classes.tolist()]
    chosen, why = choose_people(named, sorted(wanted & set(named) or wanted), origin, usual=usual)
    return listed.keep(chosen, "box", why)


def _classes(values: Sequence[NDArray[np.float64]]) -> NDArray[np.int64] | None:
    """The class of each row, None if no column tells."""
    if len(values) <= _CLASS:
        return None
    column = values[_CLASS]
    if (column != np.floor(column)).any() or (column == -1).all():
        return None
    return np.clip(column, -_LARGEST, _LARGEST).astype(np.int64)


def _is_ground_truth(values: Sequence[NDArray[np.float64]]) -> bool:
    if len(values) != _GROUND_TRUTH_COLUMNS:
        return False
    visibility = values[_VISIBILITY]
    return bool(
        np.isin(values[_CONFIDENCE], (0, 1)).all()
        and (values[_CLASS] >= 1).all()
        and ((visibility >= 0) & (visibility <= 1)).all()
    )


def _people_of_truth(origin: str, labels: Sequence[str] | None) -> list[str]:
    if labels is None:
        return [_PEDESTRIAN]
    found = [str(number) for number, label in enumerate(labels, start=1) if label.casefold() in NAMES]
    if not found:
        raise ManifestError(
            f"{origin}: the labels.txt beside it names no person or pedestrian, but {', '.join(labels[:_SHOWN])}; name "
            "the numbers of people, counted from 1, with --people"
        )
    return found
