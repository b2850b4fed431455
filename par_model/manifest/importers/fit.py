"""Whether tracks belong to the video that they are said to be of, as far as numbers tell.

Tools count frames and measure boxes in their own ways, and no file says which. What a video says of itself, its number
of frames and the size of its picture, gives most mistakes away; ``misfit`` finds them in boxes of any origin, ``fit``
refuses them in an import and says which option mends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from par_model.errors import ManifestError
from par_model.manifest.importers.constant_rate import frames_shown
from par_model.manifest.importers.tracks import Tracks
from par_model.video.survey import Survey, clock, survey

NumberingKind = Literal["frames", "constant-rate"]
NUMBERINGS: tuple[NumberingKind, ...] = get_args(NumberingKind)

# Sides up to this are shares of the picture; a box may reach a little over the edge.
_LARGEST_SHARE = 1.5
# Beyond the picture: by more than boxes of people who walk out of it reach.
_FAR = 0.1
# Such boxes are many from this share on: in right files there are hardly any.
_MANY = 0.05
# What a box must reach beyond the picture by, read as left, top, width, height, for corners to be the better reading.
_CORNERS_FAR = 0.15
_MOST = 0.5


class Misfit(StrEnum):
    """What the boxes of a video do not agree with it in: codes of ``manifest check --videos``."""

    BEYOND_END = "frame-beyond-end"
    OUTSIDE = "boxes-outside"
    RELATIVE = "boxes-relative"
    CORNERS = "boxes-corners"


@dataclass(frozen=True)
class FitOptions:
    """How the tool that wrote the tracks measured and counted.

    relative: sides are shares of the picture. were_corners: boxes were corners in the file, and are no more.
    tracks_size: width and height of the pictures that the tracks were made on, where these are not the video's.
    every_frame: that an export, as ``Tracks.is_export`` means it, is of frames as they are numbered.
    numbering: ``constant-rate`` where the tool numbered images that were extracted at a constant rate, which repeats
    and drops frames of a video that has none.
    """

    relative: bool = False
    were_corners: bool = False
    tracks_size: tuple[int, int] | None = None
    numbering: NumberingKind = "frames"
    every_frame: bool = False


AS_IT_STANDS = FitOptions()


def misfit(
    frames: NDArray[np.int64], boxes: NDArray[np.float32], video: Survey, *, may_be_corners: bool = True
) -> Iterator[tuple[Misfit, str]]:
    """What does not agree with the video, with the numbers that show it; at most one finding about boxes.

    frames: int64 [n]. boxes: float32 [n, 4], left, top, width, height.
    """
    late = int((frames >= video.frames).sum()) if video.is_counted else 0
    if late:
        yield (
            Misfit.BEYOND_END,
            f"{late} of {len(frames)} boxes are on frames up to {int(frames.max())}, but the video's last frame is "
            f"{video.frames - 1}",
        )
    if not len(boxes):
        return
    size = f"{video.width}x{video.height} pixels"
    x, y, w, h = boxes.astype(np.float64).T
    right, bottom = (x + w) / video.width, (y + h) / video.height
    if np.abs(boxes).max() <= _LARGEST_SHARE:
        yield Misfit.RELATIVE, f"no side of {len(boxes)} boxes is above {_LARGEST_SHARE}, in a picture of {size}"
        return
    if may_be_corners and (w > x).all() and (h > y).all() and _fits(w, h, video):
        beyond = (right > 1 + _CORNERS_FAR) | (bottom > 1 + _CORNERS_FAR)
        if beyond.any():
            yield (
                Misfit.CORNERS,
                f"in all {len(boxes)} boxes the third number is above the first and the fourth above the second, and "
                f"{int(beyond.sum())} would reach far out of the picture of {size}",
            )
            return
    many = int(((right > 1 + _FAR) | (bottom > 1 + _FAR)).sum())
    outside = int(wholly_outside(boxes, video).sum())
    if many > _MANY * len(boxes):
        message = f"{many} of {len(boxes)} boxes reach far beyond the right or bottom edge of the picture of {size}"
        yield Misfit.OUTSIDE, message
    elif outside > _MOST * len(boxes):
        yield Misfit.OUTSIDE, f"{outside} of {len(boxes)} boxes lie wholly outside the picture of {size}"


def wholly_outside(boxes: NDArray[np.float32], video: Survey) -> NDArray[np.bool_]:
    """Which boxes, float32 [n, 4], cover no pixel of the picture: bool [n]."""
    x, y, w, h = boxes.astype(np.float64).T
    outside: NDArray[np.bool_] = (
        (np.ceil(x + w) <= 0) | (np.ceil(y + h) <= 0) | (np.floor(x) >= video.width) | (np.floor(y) >= video.height)
    )
    return outside


def partly_outside(boxes: NDArray[np.float32], video: Survey) -> NDArray[np.bool_]:
    """Which boxes reach over the picture's edge by a pixel or more, bool [n]."""
    x, y, w, h = boxes.astype(np.float64).T
    over: NDArray[np.bool_] = (x <= -1) | (y <= -1) | (x + w >= video.width + 1) | (y + h >= video.height + 1)
    return over


def fit(tracks: Tracks, video_uri: str, options: FitOptions = AS_IT_STANDS, *, origin: str) -> Tracks:
    """Tracks in frames and pixels of the video. Boxes wholly outside the picture are left out.

    origin: what errors call the tracks. Raises ManifestError where they do not agree with the video, with the option
    that says how they were meant, and TrackletError where the video cannot be read.
    """
    if options.numbering == "constant-rate":
        tracks = _from_constant_rate(tracks, video_uri, origin)
    frames, boxes = tracks.boxes()
    if not len(frames):
        return tracks
    last = int(frames.max())
    is_doubtful = tracks.is_export and not options.every_frame and options.numbering == "frames"
    video = survey(video_uri, last + 1 if is_doubtful else last)
    if is_doubtful and not (video.is_counted and video.frames == last + 1):
        raise ManifestError(_doubt(video, last, origin))
    if options.relative or options.tracks_size is not None:
        tracks = _in_pixels(tracks, video, options, origin)
        frames, boxes = tracks.boxes()
    for kind, message in misfit(frames, boxes, video, may_be_corners=not options.were_corners):
        raise ManifestError(f"{origin}: {message}; {_advice(kind, options, video_uri, last)}")
    return tracks.without(wholly_outside(boxes, video), "wholly outside the picture")


def _fits(right: NDArray[np.float64], bottom: NDArray[np.float64], video: Survey) -> bool:
    near_all = 1 - _MANY
    fitting = (right <= (1 + _FAR) * video.width) & (bottom <= (1 + _FAR) * video.height)
    return bool(fitting.mean() >= near_all)


def _in_pixels(tracks: Tracks, video: Survey, options: FitOptions, origin: str) -> Tracks:
    frames, boxes = tracks.boxes()
    if options.relative:
        largest = float(np.abs(boxes).max())
        if largest > 2 * _LARGEST_SHARE:
            raise ManifestError(
                f"{origin}: a side of {largest:g} is no share of a picture, whose sides are 1; leave --relative out"
            )
        scale = [float(video.width), float(video.height)] * 2
    else:
        assert options.tracks_size is not None
        width, height = options.tracks_size
        scale = [video.width / width, video.height / height] * 2
    return tracks.changed(frames, (boxes.astype(np.float64) * scale).astype(np.float32))


def _advice(kind: Misfit, options: FitOptions, video_uri: str, last: int) -> str:
    advice: dict[Misfit, Callable[[], str]] = {
        Misfit.BEYOND_END: lambda: _advice_on_frames(options, video_uri, last),
        Misfit.RELATIVE: lambda: "are they shares of the picture? Then say --relative",
        Misfit.CORNERS: lambda: "are they left, top, right, bottom? Then say --corners",
        Misfit.OUTSIDE: lambda: (
            "was it another video?"
            if options.tracks_size is not None or options.relative
            else "were the tracks made on pictures of another size? Then say it, as in --tracks-size 1920x1080"
        ),
    }
    return advice[kind]()


def _doubt(video: Survey, last: int, origin: str) -> str:
    count = f"{video.frames}" if video.is_counted else f"more than {video.frames}"
    return (
        f"{origin}: CVAT and datumaro, whose labels.txt is beside it, number the frames that they export, here up to "
        f"{last + 1}, and the video has {count} frames. If all of them were exported, say --frame-step 1, if every "
        "Nth, --frame-step N; else export CVAT for video 1.1, which has the video's own numbers"
    )


def _advice_on_frames(options: FitOptions, video_uri: str, last: int) -> str:
    if options.numbering == "frames":
        found = clock(video_uri)
        images = len(frames_shown(found.times, found.rate))
        if len(found.times) <= last < images:
            return (
                f"extracted at a constant rate of {float(found.rate):g} a second, the video gives {images} images: "
                "were these numbered? Then say --numbering constant-rate"
            )
    return "is it the right video, and does the file count every frame (--frame-step), from 1 (--first-frame)?"


def _from_constant_rate(tracks: Tracks, video_uri: str, origin: str) -> Tracks:
    """Numbers of images that were extracted at a constant rate as those of the frames that they show.

    Of images that repeat a frame, the first box stays.
    """
    found = clock(video_uri)
    shown = np.asarray(frames_shown(found.times, found.rate), np.int64)
    frames, boxes = tracks.boxes()
    if not len(frames):
        return tracks
    if int(frames.max()) >= len(shown):
        raise ManifestError(
            f"{origin}: image {int(frames.max()) + 1} is beyond the {len(shown)} images that the video gives at a "
            f"constant rate of {float(found.rate):g} a second; is it the right video?"
        )
    changed = tracks.changed(shown[frames], boxes)
    ends = np.cumsum([len(track) for track in tracks.by_id.values()])
    repeats = np.zeros(len(frames), bool)
    repeats[1:] = np.diff(shown[frames]) == 0
    repeats[ends[:-1]] = False
    return changed.without(repeats, "on images that repeat a frame")
