"""KITTI's lines of boxes, as its tracking data set has them and as DeepStream dumps them.

The data set: one file, ``frame id type truncated occluded alpha left top right bottom`` and eight numbers of the
three-dimensional box, frames from 0. DeepStream (``kitti-track-output-dir``): a file for each frame,
``<app>_<stream>_<frame>.txt`` with ``type id truncated occluded alpha left top right bottom ... confidence``, frames
from 0, sides in pixels of the stream muxer's picture, which need not be the video's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from par_model.errors import ManifestError
from par_model.manifest.importers.frame_files import Line, Origins, read_frame_files, read_lines
from par_model.manifest.importers.gather import Listed, from_corners
from par_model.manifest.importers.numbers import is_number
from par_model.manifest.importers.people import NAMES, choose_people, plain
from par_model.manifest.importers.track_ids import UNTRACKED

_PEOPLE = (*NAMES, "person_sitting")
_DATA_SET_WORDS = (10, 17, 18)  # to the box, to the end, and with a score
_DEEPSTREAM_NUMBERS = 16  # with an id, in front, and a confidence


def read_kitti(uri: str, *, people: Sequence[str] = ()) -> Listed:
    """Boxes of a label file of KITTI's tracking data set.

    people: the types that are people, else ``Pedestrian``, ``Person`` and ``Person_sitting``. Raises ManifestError,
    with the line, for lines that are not of this form.
    """
    lines = read_lines(uri)
    for line in lines:
        if len(line.words) not in _DATA_SET_WORDS:
            raise ManifestError(
                f"{line.where}: {len(line.words)} columns, expected 17 or 18: frame, id, type, truncated, occluded, "
                "alpha, left, top, right, bottom, ..."
            )
    frames = [_whole(line, line.words[0], "a frame") for line in lines]
    listed = _listed(lines, [line.words[1] for line in lines], frames, [line.words[6:10] for line in lines])
    chosen, why = choose_people([line.words[2] for line in lines], people, uri, usual=_PEOPLE)
    return listed.keep(chosen, "box", why)


def read_deepstream(uri: str, *, people: Sequence[str] = ()) -> Listed:
    """Boxes of a folder, or a pattern of files, that DeepStream dumped for one stream.

    people: the labels that are people. Objects that no tracker has seen yet are left out. Raises ManifestError, with
    the place, for lines that are not of this form, for detections without ids, and for folders of several streams.
    """
    files = read_frame_files(uri)
    if not files.lines:
        raise ManifestError(f"{uri}: its files are all empty")
    split = [_deepstream(line) for line in files.lines]
    listed = _listed(
        files.lines, [tail[0] for _, tail in split], [line.frame for line in files.lines], [t[4:8] for _, t in split]
    )
    chosen, why = choose_people([label for label, _ in split], people, uri)
    listed = replace(listed, left_out=files.left_out).keep(chosen, "box", why)
    tracked = np.fromiter((name != UNTRACKED for name in listed.ids), bool, len(listed.ids))
    return listed.keep(tracked, "box", "of no track (DeepStream's id of untracked objects)")


def _deepstream(line: Line) -> tuple[str, Sequence[str]]:
    """The label, which may have blanks in it, and the numbers behind it, the first of them the id."""
    words = line.words
    numbers = len(words)
    while numbers and not is_number(words[len(words) - numbers]):
        numbers -= 1
    label, tail = " ".join(words[: len(words) - numbers]), words[len(words) - numbers :]
    with_id = bool(tail) and tail[0].isdecimal()
    if with_id and len(tail) in (_DEEPSTREAM_NUMBERS - 1, _DEEPSTREAM_NUMBERS):
        return label, tail
    if not with_id and len(tail) in (_DEEPSTREAM_NUMBERS - 2, _DEEPSTREAM_NUMBERS - 1):
        raise ManifestError(
            f"{line.where}: has no track id: this is what a detector gave (gie-kitti-output-dir); set "
            "kitti-track-output-dir in the [application] group of deepstream-app's configuration"
        )
    raise ManifestError(f"{line.where}: is not a line such as 'person 7 0.0 0 0.0 left top right bottom ...'")


def _listed(lines: Sequence[Line], ids: Sequence[str], frames: Sequence[int], sides: Sequence[Sequence[str]]) -> Listed:
    corners = [_corners(line, four) for line, four in zip(lines, sides, strict=True)]
    return Listed(
        ids=[plain(name) for name in ids],
        frames=np.array(frames, np.int64),
        boxes=from_corners(np.array(corners, np.float64).reshape(-1, 4)),
        where=Origins(lines),
    )


def _corners(line: Line, words: Sequence[str]) -> list[float]:
    wrong = next((word for word in words if not is_number(word)), None)
    if wrong is not None:
        raise ManifestError(f"{line.where}: {wrong!r} is not a number")
    return list(map(float, words))


def _whole(line: Line, word: str, what: str) -> int:
    if not word.isdecimal() or len(word) > 12:
        raise ManifestError(f"{line.where}: {word!r} is not {what}, counted from 0")
    return int(word)
