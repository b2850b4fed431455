"""A short clip of a manifest's first video, with its tracks drawn on it, for a person to look at."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import escape
from itertools import groupby
from pathlib import Path

from par_model import storage
from par_model.errors import ManifestError, UsageError
from par_model.manifest.read import Manifest
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.report.drawing import Mark, draw_tracks
from par_model.scratch import scratch_folder
from par_model.tracking.footage import Naming, find_footage
from par_model.types import Tracklet
from par_model.video.counters import Counters
from par_model.video.options import DecodeOptions
from par_model.video.passed import Pass, PassedFrame
from par_model.video.process.parent import close_processes, pass_isolated
from par_model.video.writer import ClipWriter

SECONDS = 20.0
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
    marks = _marks_by_frame(tracks)
    first = min(marks)
    wanted = Pass(uri, every, first // every, tracks[0].video_stream or 0)
    count = 0
    writer: ClipWriter | None = None
    frames = (one for one in pass_isolated(wanted, decode, Counters()) if isinstance(one, PassedFrame))
    try:
        for frame, rate in _within_seconds(frames):
            if frame.picture is None:
                continue
            drawn = draw_tracks(frame.picture, marks.get(frame.index, []))
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


def _marks_by_frame(tracks: list[Tracklet]) -> dict[int, list[Mark]]:
    found: dict[int, list[Mark]] = {}
    for track in tracks:
        assert track.frame_indices is not None
        assert track.boxes is not None
        for frame, (x, y, w, h) in zip(track.frame_indices.tolist(), track.boxes.tolist(), strict=True):
            found.setdefault(frame, []).append(Mark(track.tracklet_id, (x, y, w, h)))
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
