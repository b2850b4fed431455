"""Batches of a video's pictures, and of what was found in them: in memory, and as Arrow tables in which they travel.

A batch is BATCH sampled frames, counted from the start of the video, so that what a detector sees together does
not depend on who began where. Work that was done rides along as numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model.errors import FailureCode
from par_model.tracking.clothes import NUMBERS


@dataclass(frozen=True)
class VideoEnd:
    """What is known once a video has ended, or cannot be read (``error``). damage: the first that was met."""

    frames: int = 0
    damage: str | None = None
    error: FailureCode | None = None
    message: str | None = None


@dataclass(frozen=True, eq=False)
class PictureBatch:
    """Sampled frames of a video. number: of the batch; that of the end is how many batches the video has.

    damage: for each frame why its picture cannot be trusted, or None. pictures: of the others, RGB uint8 [H, W, 3], as
    the detector takes them. size: width and height of the displayed ones, (0, 0) if unknown.
    """

    video: int
    number: int
    frames: Sequence[int] = ()
    seconds: Sequence[float | None] = ()
    damage: Sequence[str | None] = ()
    pictures: Sequence[NDArray[np.uint8]] = ()
    size: tuple[int, int] = (0, 0)
    end: VideoEnd | None = None
    decode_seconds: float = 0.0
    bytes_read: int = 0


@dataclass(frozen=True, eq=False)
class FoundBatch:
    """The same with the people that were found, instead of pictures.

    counts: how many in each frame. boxes: float32 [n, 4] of all frames, one after the other: left, top, right, bottom,
    in pixels of the displayed picture. scores: float32 [n]. colours: uint8 [n, NUMBERS], of each box, see
    ``clothes.colours_in``. size: width and height of the pictures, (0, 0) if unknown.
    left_out: boxes without a width and height.
    """

    video: int
    number: int
    frames: Sequence[int] = ()
    seconds: Sequence[float | None] = ()
    damage: Sequence[str | None] = ()
    counts: Sequence[int] = ()
    boxes: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 4), np.float32))
    scores: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))
    colours: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, NUMBERS), np.uint8))
    size: tuple[int, int] = (0, 0)
    left_out: int = 0
    end: VideoEnd | None = None
    decode_seconds: float = 0.0
    detect_seconds: float = 0.0
    bytes_read: int = 0


_COMMON = [
    pa.field("video", pa.int64()),
    pa.field("batch", pa.int64()),
    pa.field("frames", pa.list_(pa.int32())),
    pa.field("seconds", pa.list_(pa.float64())),
    pa.field("damage", pa.list_(pa.string())),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("is_end", pa.bool_()),
    pa.field("num_frames", pa.int64()),
    pa.field("end_damage", pa.string()),
    pa.field("error", pa.string()),
    pa.field("message", pa.string()),
    pa.field("decode_seconds", pa.float64()),
    pa.field("bytes_read", pa.int64()),
]
# A batch is one row, so that nothing on its way can cut it in two.
_SHAPE = [pa.field("rows", pa.int32()), pa.field("columns", pa.int32())]  # of the pictures that travel
PICTURE_SCHEMA = pa.schema([*_COMMON, *_SHAPE, pa.field("pixels", pa.large_binary())])  # uint8 [n, H, W, 3], row-major
FOUND_SCHEMA = pa.schema(
    [
        *_COMMON,
        pa.field("counts", pa.list_(pa.int32())),
        pa.field("boxes", pa.list_(pa.float32())),
        pa.field("scores", pa.list_(pa.float32())),
        pa.field("colours", pa.binary()),
        pa.field("left_out", pa.int32()),
        pa.field("detect_seconds", pa.float64()),
    ]
)


def pictures_to_table(batch: PictureBatch) -> pa.Table:
    """A batch as a table of one row (PICTURE_SCHEMA). Pixels are copied once."""
    rows, columns = batch.pictures[0].shape[:2] if batch.pictures else (0, 0)
    pixels = pa.py_buffer(np.stack(batch.pictures) if batch.pictures else b"")
    ends = pa.py_buffer(np.array([0, pixels.size], np.int64))
    column = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, ends, pixels])
    row = _common(batch) | {"rows": rows, "columns": columns}
    told = pa.Table.from_pylist([row], schema=pa.schema([*_COMMON, *_SHAPE]))
    return told.append_column(PICTURE_SCHEMA.field("pixels"), column)


def table_to_pictures(table: pa.Table) -> Iterator[PictureBatch]:
    """The batches of a table of PICTURE_SCHEMA."""
    pixels = table["pixels"]
    for at, row in enumerate(table.drop(["pixels"]).to_pylist()):
        number = sum(damage is None for damage in row["damage"])
        pictures: Sequence[NDArray[np.uint8]] = ()
        if number:
            flat = np.frombuffer(pixels[at].as_buffer(), np.uint8)
            pictures = list(flat.reshape(number, row["rows"], row["columns"], 3))
        yield PictureBatch(
            video=row["video"],
            number=row["batch"],
            frames=row["frames"],
            seconds=row["seconds"],
            damage=row["damage"],
            pictures=pictures,
            size=(row["width"], row["height"]),
            end=_end_of(row),
            decode_seconds=row["decode_seconds"],
            bytes_read=row["bytes_read"],
        )


def found_to_table(batches: Iterable[FoundBatch]) -> pa.Table:
    """Batches as a table (FOUND_SCHEMA)."""
    rows = [
        _common(batch)
        | {
            "counts": list(batch.counts),
            "boxes": batch.boxes.reshape(-1),
            "scores": batch.scores,
            "colours": batch.colours.tobytes(),
            "left_out": batch.left_out,
            "detect_seconds": batch.detect_seconds,
        }
        for batch in batches
    ]
    return pa.Table.from_pylist(rows, schema=FOUND_SCHEMA)


def table_to_found(table: pa.Table | pa.RecordBatch) -> Iterator[FoundBatch]:
    """The batches of a table of FOUND_SCHEMA."""
    for row in table.to_pylist():
        yield FoundBatch(
            video=row["video"],
            number=row["batch"],
            frames=row["frames"],
            seconds=row["seconds"],
            damage=row["damage"],
            counts=row["counts"],
            boxes=np.asarray(row["boxes"], np.float32).reshape(-1, 4),
            scores=np.asarray(row["scores"], np.float32),
            colours=np.frombuffer(row["colours"], np.uint8).reshape(-1, NUMBERS),
            size=(row["width"], row["height"]),
            left_out=row["left_out"],
            end=_end_of(row),
            decode_seconds=row["decode_seconds"],
            detect_seconds=row["detect_seconds"],
            bytes_read=row["bytes_read"],
        )


def _common(batch: PictureBatch | FoundBatch) -> dict[str, object]:
    end = batch.end
    return {
        "video": batch.video,
        "batch": batch.number,
        "frames": list(batch.frames),
        "seconds": list(batch.seconds),
        "damage": list(batch.damage),
        "width": batch.size[0],
        "height": batch.size[1],
        "is_end": end is not None,
        "num_frames": 0 if end is None else end.frames,
        "end_damage": None if end is None else end.damage,
        "error": None if end is None or end.error is None else str(end.error),
        "message": None if end is None else end.message,
        "decode_seconds": batch.decode_seconds,
        "bytes_read": batch.bytes_read,
    }


def _end_of(row: dict[str, object]) -> VideoEnd | None:
    if not row["is_end"]:
        return None
    error = None if row["error"] is None else FailureCode(str(row["error"]))
    frames, damage, message = row["num_frames"], row["end_damage"], row["message"]
    assert isinstance(frames, int)
    return VideoEnd(frames, _text(damage), error, _text(message))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
