"""Tracks drawn on the frames that they are said to be of, for a person to see whether they belong together."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from par_model import __version__, storage
from par_model.errors import ManifestError
from par_model.manifest.read import Manifest
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.progress import Start, unseen
from par_model.report.drawing import Drawn, Mark, contact_sheet, draw, webp
from par_model.report.options import LookOptions
from par_model.report.page import render_look
from par_model.sampling import Sampling
from par_model.types import Failure, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage

_MOMENTS = ("first", "middle", "last")


@dataclass(frozen=True)
class Looked:
    """What was made. videos of of_videos, tracklets of of_tracklets are shown; unfit: rows that are no sound tracklets
    of videos, still images among them. missing: frames that could not be read."""

    output: str
    videos: int
    of_videos: int
    tracklets: int
    of_tracklets: int
    unfit: int
    missing: int


@dataclass
class _View:
    """A frame to show. moment: first, middle, last. others: boxes of other tracklets of the video there."""

    moment: str
    frame: int
    mark: Mark
    others: list[Mark] = field(default_factory=list)
    drawn: Drawn | None = None
    missing: str | None = None


@dataclass
class _Shown:
    """A tracklet to show."""

    tracklet: Tracklet
    views: list[_View]


Key = tuple[str, int | None]


def run_look(options: LookOptions, start: Start = unseen) -> Looked:
    """Write the page or the picture. start: is told the number of frames to read, and gives what counts them.

    Memory grows with the number of rows of the videos that are shown, 16 bytes each. Raises ManifestError where the
    manifest has no tracklet of a video, StorageError where it cannot be read or the output not be written.
    """
    manifest = Manifest.open(options.manifest)
    chosen, of_videos, of_tracklets, unfit = _choose(manifest, options)
    if not chosen:
        raise ManifestError(f"manifest {options.manifest}: has no sound tracklet of a video to look at")
    shown = _read_chosen(manifest, chosen)
    _add_others(manifest, shown)
    advance = start(sum(len(one.views) for of_video in shown.values() for one in of_video))
    for of_video in shown.values():
        _draw(of_video, advance)
    missing = sum(view.missing is not None for of in shown.values() for one in of for view in one.views)
    looked = Looked(
        output=options.output,
        videos=len(shown),
        of_videos=of_videos,
        tracklets=sum(map(len, shown.values())),
        of_tracklets=of_tracklets,
        unfit=unfit,
        missing=missing,
    )
    storage.write_bytes(storage.absolute(options.output), _document(options, shown, looked))
    return looked


def _sound(manifest: Manifest) -> Iterator[tuple[Key | None, Tracklet | Failure]]:
    """All rows, each with its video, or None for a row without a sound one."""
    for batch in manifest.iter_batches(TRACKLET_COLUMNS):
        for found in tracklets(batch):
            is_sound = isinstance(found, Tracklet) and found.video_uri is not None
            yield (found.video_uri or "", found.video_stream) if is_sound else None, found  # type: ignore[union-attr]


def _choose(manifest: Manifest, options: LookOptions) -> tuple[dict[Key, list[int]], int, int, int]:
    """Rows to show of each video, spread evenly over its tracklets by time, and how many videos, tracklets and unfit
    rows there are."""
    rows: dict[Key, list[tuple[int, int]]] = {}
    others: set[Key] = set()
    total = unfit = 0
    for key, found in _sound(manifest):
        if key is None or not isinstance(found, Tracklet) or found.frame_indices is None:
            unfit += 1
            continue
        total += 1
        if key in rows or len(rows) < options.limit:
            rows.setdefault(key, []).append((int(found.frame_indices[0]), found.row))
        else:
            others.add(key)
    chosen = {key: _spread([row for _, row in sorted(of)], options.tracklets) for key, of in rows.items()}
    return chosen, len(rows) + len(others), total, unfit


def _spread(rows: Sequence[int], count: int) -> list[int]:
    if len(rows) <= count:
        return list(rows)
    return [rows[(2 * i + 1) * len(rows) // (2 * count)] for i in range(count)]


def _read_chosen(manifest: Manifest, chosen: dict[Key, list[int]]) -> dict[Key, list[_Shown]]:
    order = {row: i for rows in chosen.values() for i, row in enumerate(rows)}
    shown: dict[Key, list[_Shown]] = {key: [] for key in chosen}
    for key, found in _sound(manifest):
        if key is not None and found.row in order:
            assert isinstance(found, Tracklet)
            shown[key].append(_Shown(found, list(_views(found))))
    for of_video in shown.values():
        of_video.sort(key=lambda one: order[one.tracklet.row])
    return shown


def _views(tracklet: Tracklet) -> Iterator[_View]:
    assert tracklet.frame_indices is not None
    last = tracklet.num_frames - 1
    seen: set[int] = set()
    for moment, at in zip(_MOMENTS, (0, last // 2, last), strict=True):
        if at not in seen:
            seen.add(at)
            yield _View(moment, int(tracklet.frame_indices[at]), _mark(tracklet, at))


def _mark(tracklet: Tracklet, at: int) -> Mark:
    box = None if tracklet.boxes is None else tuple(float(side) for side in tracklet.boxes[at])
    return Mark(tracklet.tracklet_id, box)  # type: ignore[arg-type]


def _add_others(manifest: Manifest, shown: dict[Key, list[_Shown]]) -> None:
    for key, found in _sound(manifest):
        if key is None or key not in shown or not isinstance(found, Tracklet) or found.frame_indices is None:
            continue
        for one in shown[key]:
            if one.tracklet.row == found.row or found.boxes is None:
                continue
            for view in one.views:
                at = int(np.searchsorted(found.frame_indices, view.frame))
                if at < len(found.frame_indices) and found.frame_indices[at] == view.frame:
                    view.others.append(_mark(found, at))


def _draw(of_video: Sequence[_Shown], advance: Callable[[int], None]) -> None:
    """Read the frames of one video in one pass, each as a tracklet of one whole picture, and draw on them."""
    views = [view for one in of_video for view in one.views]
    source = of_video[0].tracklet
    wanted = [
        Tracklet(
            row=i,
            tracklet_id=str(i),
            video_uri=source.video_uri,
            frame_indices=np.asarray([view.frame], np.int32),
            video_stream=source.video_stream,
        )
        for i, view in enumerate(views)
    ]
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(damaged="use"))
    for result in stage(wanted):
        view = views[result.row]
        if isinstance(result, Failure):
            view.missing = f"{result.code}: {result.message}"
        else:
            view.drawn = draw(result.images[0], view.mark, view.others)
        advance(1)


def _document(options: LookOptions, shown: dict[Key, list[_Shown]], looked: Looked) -> bytes:
    if options.output.lower().endswith(".png"):
        rows = [
            (f"{storage.name(key[0])}   {one.tracklet.tracklet_id}", [(_caption(v), v.drawn) for v in one.views])
            for key, of_video in shown.items()
            for one in of_video
        ]
        return contact_sheet(rows)
    videos = [
        {
            "name": storage.name(uri),
            "uri": uri,
            "stream": stream,
            "tracklets": [
                {
                    "id": one.tracklet.tracklet_id,
                    "frames": one.tracklet.num_frames,
                    "views": [_view_words(view) for view in one.views],
                }
                for one in of_video
            ],
        }
        for (uri, stream), of_video in shown.items()
    ]
    context = {"manifest": options.manifest, "videos": videos, "looked": looked, "version": __version__}
    return render_look(context).encode()


def _view_words(view: _View) -> dict[str, str | None]:
    picture = None if view.drawn is None else base64.b64encode(webp(view.drawn)).decode()
    return {"caption": _caption(view), "picture": picture, "missing": view.missing, "moment": view.moment}


def _caption(view: _View) -> str:
    if view.missing is not None:
        return f"{view.moment}, frame {view.frame}: not readable"
    if view.mark.box is None:
        return f"{view.moment}, frame {view.frame}: the whole picture"
    x, y, w, h = view.mark.box
    outside = " lies outside the picture" if view.drawn is not None and view.drawn.is_outside else ""
    return f"{view.moment}, frame {view.frame}: box {x:.0f}, {y:.0f}, {w:.0f} x {h:.0f}{outside}"
