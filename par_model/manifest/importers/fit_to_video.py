"""Fitting tracks to the video that they are of: into its frames and pixels, refused where they do not agree with it.

Each refusal names the option that says how the tracks were meant.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from par_model.errors import ManifestError
from par_model.manifest.agreement import LARGEST_SHARE, Agreement, Misfit, wholly_outside
from par_model.manifest.importers.constant_rate import frames_of_fps_filter, frames_shown
from par_model.manifest.importers.options import FitOptions
from par_model.manifest.importers.tracks import Tracks
from par_model.video.survey import Survey, clock, survey

AS_IT_STANDS = FitOptions()


def fit(tracks: Tracks, video_uri: str, options: FitOptions = AS_IT_STANDS, *, origin: str) -> Tracks:
    """Tracks in frames and pixels of the video. Boxes wholly outside the picture are left out.

    origin: what errors call the tracks. Raises ManifestError where they do not agree with the video, with the option
    that says how they were meant, and TrackletError where the video cannot be read.
    """
    if options.numbering != "frames":
        tracks = _from_constant_rate(tracks, video_uri, options, origin)
    frames, boxes = tracks.boxes()
    if not len(frames):
        return tracks
    last = int(frames.max())
    is_doubtful = tracks.is_export and not options.every_frame and options.numbering == "frames"
    video = survey(video_uri, last + 1 if is_doubtful else last, options.video_stream or 0)
    if is_doubtful and not (video.is_counted and video.frames == last + 1):
        raise ManifestError(_doubt(video, last, origin))
    if options.relative or options.tracks_size is not None:
        tracks = _in_pixels(tracks, video, options, origin)
        frames, boxes = tracks.boxes()
    agreement = Agreement(video)
    agreement.add(frames, boxes, tracks.starts)
    for kind, message in agreement.findings(may_be_corners=not options.were_corners):
        raise ManifestError(f"{origin}: {message}; {_advice(kind, agreement, options, video_uri, last)}")
    return tracks.without(wholly_outside(boxes, video), "wholly outside the picture")


def _in_pixels(tracks: Tracks, video: Survey, options: FitOptions, origin: str) -> Tracks:
    frames, boxes = tracks.boxes()
    if options.relative:
        largest = float(np.abs(boxes).max())
        if largest > 2 * LARGEST_SHARE:
            raise ManifestError(
                f"{origin}: a side of {largest:g} is no share of a picture, whose sides are 1; leave --relative out"
            )
        scale = [float(video.width), float(video.height)] * 2
    else:
        assert options.tracks_size is not None
        width, height = options.tracks_size
        scale = [video.width / width, video.height / height] * 2
    return tracks.changed(frames, (boxes.astype(np.float64) * scale).astype(np.float32))


def _advice(kind: Misfit, agreement: Agreement, options: FitOptions, video_uri: str, last: int) -> str:
    advice: dict[Misfit, Callable[[], str]] = {
        Misfit.BEYOND_END: lambda: _advice_on_frames(options, video_uri, last),
        Misfit.RELATIVE: lambda: "are they shares of the picture? Then say --relative",
        Misfit.CORNERS: lambda: "are they left, top, right, bottom? Then say --corners",
        Misfit.OUTSIDE: lambda: _advice_on_places(agreement, options),
    }
    return advice[kind]()


def _advice_on_places(agreement: Agreement, options: FitOptions) -> str:
    if options.tracks_size is not None or options.relative:
        return "was it another video?"
    if agreement.fits_as_middle and not options.were_corners:
        return (
            "are they? Then give the columns a header and say which they are: from-csv --columns "
            "frame=...,id=...,xc=...,yc=...,w=...,h=..."
        )
    return "were the tracks made on pictures of another size? Then say it, as in --tracks-size 1920x1080"


def _doubt(video: Survey, last: int, origin: str) -> str:
    count = f"{video.frames}" if video.is_counted else f"more than {video.frames}"
    return (
        f"{origin}: CVAT and datumaro, whose labels.txt is beside it, number the frames that they export, here up to "
        f"{last + 1}, and the video has {count} frames. If all of them were exported, say --frame-step 1, if every "
        "Nth, --frame-step N; else export CVAT for video 1.1, which has the video's own numbers"
    )


def _advice_on_frames(options: FitOptions, video_uri: str, last: int) -> str:
    if options.numbering == "frames":
        found = clock(video_uri, options.video_stream or 0)
        images = len(frames_shown(found.times, found.rate))
        if len(found.times) <= last < images:
            return (
                f"extracted at a constant rate of {float(found.rate):g} a second, the video gives {images} images: "
                "were these numbered? Then say --numbering constant-rate"
            )
    if options.video_numbers:
        return "is it the right video?"
    return (
        "is it the right video, and does the file count every frame (--frame-step), from the right one (--first-frame)?"
    )


def _from_constant_rate(tracks: Tracks, video_uri: str, options: FitOptions, origin: str) -> Tracks:
    """Numbers of images that were extracted at a constant rate, as those of the frames that they show.

    Of images that repeat a frame, the first box stays.
    """
    found = clock(video_uri, options.video_stream or 0)
    rate = found.rate if options.image_rate is None else options.image_rate
    is_filtered = options.numbering == "fps-filter"
    images = (frames_of_fps_filter if is_filtered else frames_shown)(found.times, rate, found.rate)
    shown = np.asarray(images, np.int64)
    frames, boxes = tracks.boxes()
    if not len(frames):
        return tracks
    if int(frames.max()) >= len(shown):
        raise ManifestError(
            f"{origin}: image {int(frames.max()) + 1} is beyond the {len(shown)} images that the video gives at a "
            f"constant rate of {float(rate):g} a second; is it the right video?"
        )
    changed = tracks.changed(shown[frames], boxes)
    ends = np.cumsum([len(track) for track in tracks.by_id.values()])
    repeats = np.zeros(len(frames), bool)
    repeats[1:] = np.diff(shown[frames]) == 0
    repeats[ends[:-1]] = False
    return changed.without(repeats, "on images that repeat a frame")
