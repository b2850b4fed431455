"""Render a small street: a video for each camera, and a manifest of who is in them.

folder/videos/<camera>.mp4
folder/manifest.parquet     the columns of every manifest, and
    person_id               who it is: tracklets of one person share it, and the split
    visible                 list<int32>, one for each class: the tracklet's frames that show its evidence (evidence.py)
    hidden_frames           int32, frames between the first and the last in which the person is mostly covered
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from par_model.attributes import AttributeSchema, load_schema
from par_model.demo.appearance import VEST
from par_model.demo.config import StreetConfig
from par_model.demo.film import Film
from par_model.demo.filmed_tracks import FilmedTrack, Tracker
from par_model.errors import StorageError, UsageError
from par_model.manifest.write import write_manifest
from par_model.video.writer import ClipWriter

Row = dict[str, Any]
Progress = Callable[[int, int], None]

_FURTHER = (
    pa.field("person_id", pa.string()),
    pa.field("visible", pa.list_(pa.int32())),
    pa.field("hidden_frames", pa.int32()),
)
# Groups that labels can be of.
DRAWN = (*(group.name for group in load_schema("street").groups), VEST)
_REPORT_EVERY = 24  # frames


def render_street(
    config: StreetConfig,
    folder: Path,
    *,
    schema: AttributeSchema | None = None,
    workers: int = 2,
    progress: Progress | None = None,
) -> Path:
    """Write the videos and the manifest under ``folder`` and return the manifest's path.

    schema: what is labelled: groups of the `street` schema, which is the default, and `vest`.
    workers: processes, at most one for each camera; with 1 all is done in this process. More start by spawning, so a
    script that calls this needs the usual ``if __name__ == "__main__"``.
    progress: called with the frames done and the frames in all.

    The same configuration gives the same manifest and the same pixels, and on one machine the same files.
    Raises StorageError if the folder cannot be written, UsageError on groups that are not drawn.
    """
    labelled = schema or load_schema("street")
    unknown = [group.name for group in labelled.groups if group.name not in DRAWN]
    if unknown:
        raise UsageError(f"schema {labelled.name}: no street shows {unknown[0]!r}; it shows {', '.join(DRAWN)}")
    videos = folder / "videos"
    try:
        videos.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{videos}: cannot be made: {error.strerror or error}; choose another folder") from error
    rows: dict[int, list[Row]] = {}
    total = config.cameras * config.num_frames
    if min(workers, config.cameras) <= 1:
        for number in range(config.cameras):
            for done, result in _render_camera(config, labelled, number, videos):
                if progress is not None:
                    progress(number * config.num_frames + done, total)
                if result is not None:
                    rows[number] = result
    else:
        rows = _render_parallel(config, labelled, videos, min(workers, config.cameras), progress)
    manifest = folder / "manifest.parquet"
    in_order = [row for number in sorted(rows) for row in rows[number]]
    write_manifest(str(manifest), in_order, further=_FURTHER, label_schema=labelled)
    return manifest


def _render_parallel(
    config: StreetConfig, schema: AttributeSchema, videos: Path, workers: int, progress: Progress | None
) -> dict[int, list[Row]]:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(workers, mp_context=context) as pool:
        done = manager.dict()
        futures = {pool.submit(_work, config, schema, n, videos, done): n for n in range(config.cameras)}
        waiting = set(futures)
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()  # raises what a camera raised, without waiting for the others
                if progress is not None:
                    progress(sum(done.values()), config.cameras * config.num_frames)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return {number: future.result() for future, number in futures.items()}


def _work(config: StreetConfig, schema: AttributeSchema, number: int, videos: Path, done: Any) -> list[Row]:
    """One camera, in a worker process; ``done`` is shared: frames by camera."""
    rows: list[Row] = []
    for frames, result in _render_camera(config, schema, number, videos):
        done[number] = frames
        rows = result or rows
    return rows


def _render_camera(
    config: StreetConfig, schema: AttributeSchema, number: int, videos: Path
) -> Iterator[tuple[int, list[Row] | None]]:
    """Yields the frames done now and then, and at the end the manifest's rows."""
    film = Film(config, number, load_schema("street"))
    tracker = Tracker(config, film.scene.camera, film.walkers, schema)
    path = videos / f"{film.scene.name}.mp4"
    options = {"crf": str(config.difficulty.crf)}
    with ClipWriter(path, width=config.width, height=config.height, fps=config.fps, options=options) as clip:
        for index, frame in enumerate(film.frames()):
            clip.write(frame.picture)
            for sighting in frame.sightings:
                tracker.add(index, sighting)
            if index % _REPORT_EVERY == 0:
                yield index, None
    rows = [_row(config, film, schema, track, path) for track in tracker.tracks()]
    yield config.num_frames, rows


def _row(config: StreetConfig, film: Film, schema: AttributeSchema, track: FilmedTrack, path: Path) -> Row:
    walker = track.walker
    first = timedelta(hours=film.scene.hour, milliseconds=round(1000 * track.frames[0] / config.fps))
    return {
        "tracklet_id": f"{walker.person_id}-{track.leg}",
        "video_uri": str(path.resolve()),
        "frame_indices": track.frames,
        "boxes": [dict(zip("xywh", box, strict=True)) for box in track.boxes],
        "camera_id": film.scene.name,
        "start_time": config.start + first,
        "split": walker.split,
        "labels": walker.who.labels(schema, track.direction, track.gait),
        "person_id": walker.person_id,
        "visible": track.visible.tolist(),
        "hidden_frames": track.hidden_frames,
    }
