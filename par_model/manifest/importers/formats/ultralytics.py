"""What ``yolo track save_txt=True`` writes: a folder with a file for each frame, ``labels/<video>_<frame>.txt``.

A line is ``class xc yc w h [confidence] [id]``, sides as shares of the picture, frames from 1. A box without a track
has no id, so that its line is one number shorter than those with one; with ``vid_stride=N`` only the frames N-1, 2N-1,
... are read, and numbered 1, 2, ...
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from par_model.errors import ManifestError
from par_model.manifest.importers.columns import as_left_top_size
from par_model.manifest.importers.frame_files import Line, Origins, read_frame_files
from par_model.manifest.importers.gather import Listed
from par_model.manifest.importers.numbers import is_number
from par_model.manifest.importers.people import choose_people, plain
from par_model.manifest.importers.track_ids import with_ids

_LEAST, _MOST = 5, 7  # numbers of a line: a class and a box, with a confidence and an id


def read_ultralytics(uri: str, *, people: Sequence[str] = (), stride: int = 1, stem: str | None = None) -> Listed:
    """Boxes as shares of the picture, frames as the video counts them.

    uri: the folder of the files, or a pattern. people: the classes that are people, as ``choose_people`` takes them.
    stride: ``vid_stride``. stem: of the video's name, which chooses among the files of several videos.

    Raises ManifestError, with the place, for lines that are not of this form, and where no line has a track id.
    """
    files = read_frame_files(uri, series=stem)
    numbers = [_numbers(line) for line in files.lines]
    longest = max(map(len, numbers), default=0)
    if not _has_ids(numbers, longest):
        raise ManifestError(
            f"{uri}: no box has a track id: the lines end with their box or their confidence, so that this is what "
            "`yolo predict` writes; `yolo track` writes ids"
        )
    ends_with_id = [len(row) == longest for row in numbers]
    wrong = [
        line
        for line, row, has_id in zip(files.lines, numbers, ends_with_id, strict=True)
        if has_id and not row[-1].is_integer()
    ]
    if wrong:
        raise ManifestError(f"{wrong[0].where}: track id {wrong[0].words[-1]} is not a whole number")
    chosen, why = choose_people([plain(line.words[0]) for line in files.lines], people, uri)
    sides = np.array([row[1:5] for row in numbers], np.float64).reshape(-1, 4)
    listed = Listed(
        ids=[f"{row[-1]:.0f}" if has_id else "" for row, has_id in zip(numbers, ends_with_id, strict=True)],
        frames=np.array([line.frame * stride - 1 for line in files.lines], np.int64),
        boxes=as_left_top_size(sides, "middle"),
        where=Origins(files.lines),
        left_out=files.left_out,
    ).keep(chosen, "box", why)
    return with_ids(listed)


def _numbers(line: Line) -> list[float]:
    wrong = next((word for word in line.words if not is_number(word)), None)
    if wrong is not None:
        raise ManifestError(f"{line.where}: {wrong!r} is not a number")
    numbers = list(map(float, line.words))
    if not _LEAST <= len(numbers) <= _MOST:
        raise ManifestError(
            f"{line.where}: {len(numbers)} numbers, expected 5 to 7: class, middle, width, height, [confidence], [id]"
        )
    if line.frame < 1:
        raise ManifestError(f"{line.where}: frame {line.frame}, but these files are numbered from 1")
    return numbers


def _has_ids(numbers: Sequence[Sequence[float]], longest: int) -> bool:
    """Whether the longest lines end with an id: always with seven numbers, and with six if all end in whole ones."""
    if longest == _LEAST + 1:
        return all(row[-1].is_integer() and row[-1] >= 1 for row in numbers if len(row) == longest)
    return longest == _MOST
