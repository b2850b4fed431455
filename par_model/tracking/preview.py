"""A short clip of a manifest's first video, with its tracks drawn on it, for a person to look at."""

from __future__ import annotations

import colorsys
import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import escape
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from par_model import storage
from par_model.errors import ManifestError, UsageError
from par_model.manifest.read import Manifest
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.scratch import scratch_folder
from par_model.tracking.footage import Naming, find_footage
from par_model.types import Tracklet
from par_model.video.counters import Counters
from par_model.video.options import DecodeOptions
from par_model.video.passed import Pass, PassedFrame
from par_model.video.process.parent import close_processes, pass_isolated
from par_model.video.writer import ClipWriter

SECONDS = 20.0
_WIDTH = 960
_GOLDEN = 0.618034  # steps of a hue by which neighbours never look alike
_SUFFIXES = (".mp4", ".mkv", ".mov")
_BATCH = 512


def check_place(output: str, videos: Sequence[str]) -> None:
    """Raise UsageError where no clip can be written under this name, or it would be one of the videos.

    videos: files, folders and patterns. Raises as ``find_footage`` does.
    """
    if not output.lower().endswith(_SUFFIXES):
        raise UsageError(f"--preview {output!r}: must end with {', '.join(_SUFFIXES)}")
    place = _real(output)
    if place in {_real(video.uri) for video in find_footage(videos, Naming()).footage}:
        raise UsageError(f"--preview {output}: is one of the videos, and would be written over: give another name")
    for given in videos:
        among = storage.is_glob(given) or storage.is_folder(storage.absolute(given))
        pattern = _real(given) if storage.is_glob(given) else f"{escape(_real(given).rstrip('/'))}/*"
        if among and not storage.name(place).startswith(("_", ".")) and fnmatchcase(place, pattern):
            raise UsageError(f"--preview {output}: would be one more video of --videos {given}: give another folder")


def _real(place: str) -> str:
    """One spelling of a place, links followed."""
    return os.path.realpath(storage.local_path(place)) if storage.is_local(place) else storage.absolute(place)


def write_preview(manifest: str, output: str, every: int, decode: DecodeOptions) -> int:
    """Write up to SECONDS of the first video that has tracklets, from its first box on; return the number of pictures.

    every: frames from one that was looked at to the next. Raises ManifestError where the manifest has no tracklet,
    TrackletError where the video cannot be read, StorageError.
    """
    tracks = _of_first_video(manifest)
    if not tracks:
        raise ManifestError(f"{manifest} has no tracklet: there is nothing to preview")
    uri = tracks[0].video_uri
    assert uri is not None
    with scratch_folder("preview") as folder:
        path = Path(folder, f"preview{os.path.splitext(output)[1].lower()}")
        count = _write(path, uri, tracks, every, decode)
        storage.write_bytes(storage.absolute(output), path.read_bytes())
    return count


def _of_first_video(manifest: str) -> list[Tracklet]:
    opened = Manifest.open(manifest)
    rows = (row for batch in opened.iter_batches(TRACKLET_COLUMNS, _BATCH) for row in tracklets(batch))
    sound = (row for row in rows if isinstance(row, Tracklet))
    for _, group in groupby(sound, key=lambda row: (row.video_uri, row.video_stream)):
        return list(group)
    return []


def _write(path: Path, uri: str, tracks: list[Tracklet], every: int, decode: DecodeOptions) -> int:
    boxes = _boxes_by_frame(tracks)
    first = min(boxes)
    wanted = Pass(uri, every, first // every, tracks[0].video_stream or 0)
    count = 0
    writer: ClipWriter | None = None
    frames = (one for one in pass_isolated(wanted, decode, Counters()) if isinstance(one, PassedFrame))
    try:
        for frame, rate in _within_seconds(frames):
            if frame.picture is None:
                continue
            drawn = draw_tracks(frame.picture, boxes.get(frame.index, []))
            if writer is None:
                height, width = drawn.shape[:2]
                writer = ClipWriter(path, width=width, height=height, fps=rate)
            writer.write(drawn)
            count += 1
    finally:
        if writer is not None:
            writer.close()
        close_processes()
    return count


def _boxes_by_frame(tracks: list[Tracklet]) -> dict[int, list[tuple[str, NDArray[np.float32]]]]:
    found: dict[int, list[tuple[str, NDArray[np.float32]]]] = {}
    for track in tracks:
        assert track.frame_indices is not None
        assert track.boxes is not None
        for frame, box in zip(track.frame_indices.tolist(), track.boxes, strict=True):
            found.setdefault(frame, []).append((track.tracklet_id, box))
    return found


def _within_seconds(frames: Iterator[PassedFrame]) -> Iterator[tuple[PassedFrame, float]]:
    """The frames of the first SECONDS, with how many a second there are."""
    before = next(frames, None)
    rate = 0.0
    start: float | None = None
    for frame in frames:
        assert before is not None
        if not rate:
            known = frame.seconds is not None and before.seconds is not None and frame.seconds > before.seconds
            rate = 1 / (frame.seconds - before.seconds) if known else 10.0  # type: ignore[operator]
            start = before.seconds
        yield before, rate
        before = frame
        if frame.seconds is not None and start is not None and frame.seconds - start >= SECONDS:
            return
    if before is not None:
        yield before, rate or 1.0


def draw_tracks(pixels: NDArray[np.uint8], boxes: list[tuple[str, NDArray[np.float32]]]) -> NDArray[np.uint8]:
    """A picture, RGB uint8 [H, W, 3], at most 960 wide and with even sides, with boxes (left, top, width, height) and
    the ends of their ids, each track in a colour of its own."""
    height, width = pixels.shape[:2]
    scale = min(1.0, _WIDTH / width)
    size = (max(2, round(width * scale) // 2 * 2), max(2, round(height * scale) // 2 * 2))
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(14)
    for name, box in boxes:
        left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
        colour = _colour_of(name)
        pen.rectangle((left * scale, top * scale, right * scale, bottom * scale), outline=colour, width=2)
        pen.text((left * scale + 4, top * scale + 2), name.rpartition("-")[2], fill=colour, font=font)
    return np.asarray(image)


def _colour_of(name: str) -> tuple[int, int, int]:
    number = int(name.rpartition("-")[2])
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)
