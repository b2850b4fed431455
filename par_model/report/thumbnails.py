"""The sampled crops of a tracklet as one small picture, read again from its video."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from par_model.errors import ParError
from par_model.manifest.read import Manifest
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.sampling import Sampling
from par_model.types import Failure, Tracklet
from par_model.video.options import BEFORE_RECORDED, DecodeOptions
from par_model.video.stage import DecodeStage

HEIGHT, MOST_WIDTH = 128, 96
MOST_FRAMES = 6
_GAP = 2
_QUALITY = 62
_BACKGROUND = (128, 128, 128)


@dataclass(frozen=True)
class Strip:
    """Crops side by side as WebP, HEIGHT pixels high; or why there are none."""

    webp: bytes | None
    frames: tuple[int, ...] = ()
    missing: str | None = None


def shown_frames(sampled: Sequence[int]) -> list[int]:
    """Which frames of those that the model saw are shown: each once, MOST_FRAMES at most, evenly spread."""
    distinct = sorted(set(sampled))
    if len(distinct) <= MOST_FRAMES:
        return distinct
    return [distinct[(2 * i + 1) * len(distinct) // (2 * MOST_FRAMES)] for i in range(MOST_FRAMES)]


def strip(images: Sequence[NDArray[np.uint8]]) -> bytes:
    """Pictures uint8 [h, w, 3] of any size from left to right, each scaled to HEIGHT, or to MOST_WIDTH if it is wide,
    without distortion."""
    scaled = []
    for pixels in images:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        scale = min(MOST_WIDTH / image.width, HEIGHT / image.height)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        scaled.append(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0))
    canvas = Image.new("RGB", (sum(i.width for i in scaled) + _GAP * (len(scaled) - 1), HEIGHT), _BACKGROUND)
    left = 0
    for image in scaled:
        canvas.paste(image, (left, (HEIGHT - image.height) // 2))
        left += image.width + _GAP
    data = io.BytesIO()
    canvas.save(data, "WEBP", quality=_QUALITY, method=4)
    return data.getvalue()


def read_strips(
    manifest: Manifest, rows: pa.Table, run_options: dict[str, Any], advance: Callable[[int], None]
) -> dict[str, Strip]:
    """For each recognised row (tracklet_id, sampled_frames) its strip, decoded in the child process of ``video/``.

    run_options: those of run.json. What cannot be read any more is a Strip that says why.
    """
    sampled = {
        row["tracklet_id"]: shown_frames(row["sampled_frames"])
        for row in rows.select(["tracklet_id", "sampled_frames"]).to_pylist()
        if row["sampled_frames"]
    }
    found: dict[str, Strip] = {}
    wanted = []
    for tracklet in _tracklets(manifest, list(sampled)):
        frames = sampled.pop(tracklet.tracklet_id)
        try:
            if isinstance(tracklet, Failure):
                raise ParError(tracklet.message)
            wanted.append(_only(tracklet, frames))
        except ParError as error:
            found[tracklet.tracklet_id] = Strip(None, missing=str(error))
    found |= dict.fromkeys(sampled, Strip(None, missing="the manifest has no such tracklet any more"))
    advance(len(found))
    wanted.sort(key=lambda t: (t.video_uri is None, t.video_uri or "", t.row))
    stage = DecodeStage(None, Sampling("all"), _decode_options(run_options))
    try:
        for result in stage(wanted):
            if isinstance(result, Failure):
                found[result.tracklet_id] = Strip(None, missing=f"{result.code}: {result.message}")
            else:
                seen = tuple(result.sampled_frames.tolist())
                found[result.tracklet_id] = Strip(strip(result.images), seen)
            advance(1)
    finally:
        stage.close()
    return found


def _tracklets(manifest: Manifest, ids: list[str]) -> Iterator[Tracklet | Failure]:
    wanted = pa.array(ids, pa.string())
    for batch in manifest.iter_batches(TRACKLET_COLUMNS, rows_per_batch=20_000):
        chosen = batch.filter(pc.is_in(batch.column("tracklet_id"), wanted))
        if chosen.num_rows:
            yield from tracklets(chosen)


def _only(tracklet: Tracklet, frames: list[int]) -> Tracklet:
    """The tracklet with these of its frames alone. Raises ParError if it does not have them."""
    have = np.arange(tracklet.num_frames) if tracklet.frame_indices is None else tracklet.frame_indices
    at = np.searchsorted(have, frames)
    if (at >= len(have)).any() or (have[np.minimum(at, len(have) - 1)] != frames).any():
        raise ParError("the manifest describes other frames than those that were recognised")
    return Tracklet(
        row=tracklet.row,
        tracklet_id=tracklet.tracklet_id,
        video_uri=tracklet.video_uri,
        image_uris=None if tracklet.image_uris is None else tuple(tracklet.image_uris[i] for i in at),
        frame_indices=None if tracklet.frame_indices is None else tracklet.frame_indices[at],
        boxes=None if tracklet.boxes is None else tracklet.boxes[at],
        video_stream=tracklet.video_stream,
    )


def _decode_options(options: dict[str, Any]) -> DecodeOptions:
    names = ("decoder", "damaged", "video_timeout", *BEFORE_RECORDED)
    return DecodeOptions(**{name: (BEFORE_RECORDED | options)[name] for name in names})
