"""The domain's nouns: frozen dataclasses that check themselves.

Dimension letters: T sampled frames of a tracklet, H and W a crop's height and width in pixels, C classes of the
schema, D the embedding's width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from par_model.choices import FITS, Fit
from par_model.errors import FailureCode, TrackletError


@dataclass(frozen=True, eq=False)
class Tracklet:
    """One person in one video, or an ordered list of still crops.

    row: position in the manifest, 0-based over its files in name order.
    frame_indices: int32 [n], strictly increasing, 0-based in presentation order; None for stills.
    boxes: float32 [n, 4] as left, top, width, height in pixels of the displayed picture; None = the whole picture.
    image_uris: the crops in order; None for a video tracklet.
    video_stream: which of the file's moving video tracks, counted from 0; None = as the decoding options say.

    Raises TrackletError (invalid-tracklet) if the values contradict each other.
    """

    row: int
    tracklet_id: str
    video_uri: str | None = None
    image_uris: tuple[str, ...] | None = None
    frame_indices: NDArray[np.int32] | None = None
    boxes: NDArray[np.float32] | None = None
    video_stream: int | None = None

    def __post_init__(self) -> None:
        defect = self._defect()
        if defect:
            raise TrackletError(FailureCode.INVALID_TRACKLET, defect)

    def _defect(self) -> str | None:
        if self.image_uris is not None:
            if self.video_uri is not None or self.frame_indices is not None:
                return "has both image_uris and video_uri or frame_indices: a tracklet is either stills or video"
            if len(self.image_uris) == 0:
                return "image_uris is empty: a tracklet needs at least one image"
            if self.boxes is not None:
                return "has image_uris and boxes: stills are crops already"
            return None
        if self.video_uri is None or self.frame_indices is None:
            return "needs video_uri with frame_indices, or image_uris"
        if not self.video_uri:
            return "video_uri is an empty string"
        if self.video_stream is not None and self.video_stream < 0:
            return f"video_stream is {self.video_stream}: a file's video tracks count from 0"
        n = len(self.frame_indices)
        if n == 0:
            return "frame_indices is empty: a tracklet needs at least one frame"
        if self.frame_indices[0] < 0:
            return f"frame_indices starts at {self.frame_indices[0]}: indices are 0-based"
        steps = np.diff(self.frame_indices.astype(np.int64))
        if np.any(steps <= 0):
            at = int(np.argmax(steps <= 0)) + 1
            return (
                f"frame_indices is not strictly increasing: "
                f"{self.frame_indices[at]} at position {at} follows {self.frame_indices[at - 1]}"
            )
        if self.boxes is None:
            return None
        if self.boxes.shape != (n, 4):
            return f"{n} frame_indices but {len(self.boxes)} boxes"
        bad = ~np.isfinite(self.boxes).all(axis=1)
        if bad.any():
            at = int(np.argmax(bad))
            return f"box {at} is not finite: {self.boxes[at].tolist()}"
        empty = (self.boxes[:, 2] <= 0) | (self.boxes[:, 3] <= 0)
        if empty.any():
            at = int(np.argmax(empty))
            return f"box {at} is empty: width {self.boxes[at, 2]:g}, height {self.boxes[at, 3]:g}"
        return None

    @property
    def num_frames(self) -> int:
        """Number of frames or stills, before sampling."""
        if self.image_uris is not None:
            return len(self.image_uris)
        assert self.frame_indices is not None
        return len(self.frame_indices)


@dataclass(frozen=True)
class Preprocess:
    """How a crop becomes the network's input.

    A crop is fitted to ``height`` x ``width`` pixels, by ``stretch`` (aspect ratio lost) or ``pad`` (aspect ratio kept,
    the rest filled with the mean colour), scaled to [0, 1], and normalised by ``mean`` and ``std``, RGB.
    """

    height: int = 224
    width: int = 224
    fit: Fit = "stretch"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"image size {self.height}x{self.width}: both sides must be at least 1 pixel")
        if self.fit not in FITS:
            raise ValueError(f"fit {self.fit!r} is not one of {', '.join(FITS)}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(f"mean {self.mean} and std {self.std} must be three numbers each, std above 0")

    @property
    def crop_bytes(self) -> int:
        """Bytes of one fitted crop: height x width x RGB."""
        return self.height * self.width * 3

    def to_dict(self) -> dict[str, Any]:
        """As kept under ``preprocess`` in a weights file."""
        return {
            "height": self.height,
            "width": self.width,
            "fit": self.fit,
            "mean": list(self.mean),
            "std": list(self.std),
        }


@dataclass(frozen=True, eq=False)
class Crops:
    """The sampled frames of one tracklet, fitted to the network's size.

    pixels: uint8 [T, H, W, 3], RGB, not yet normalised.
    sampled_frames: int32 [T], the frame index (for stills the position) of each crop, repeats included.
    """

    row: int
    tracklet_id: str
    num_frames: int
    sampled_frames: NDArray[np.int32]
    pixels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or self.pixels.shape[3] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8 [T, H, W, 3], got {self.pixels.dtype} {self.pixels.shape}")
        if len(self.sampled_frames) != len(self.pixels):
            raise ValueError(f"{len(self.sampled_frames)} sampled_frames for {len(self.pixels)} crops")


@dataclass(frozen=True, eq=False)
class RawCrops:
    """The sampled frames of one tracklet as cut, each of its own size.

    sampled_frames: int32 [T], repeats included. images: T pictures, RGB uint8 [h, w, 3].
    """

    row: int
    tracklet_id: str
    num_frames: int
    sampled_frames: NDArray[np.int32]
    images: tuple[NDArray[np.uint8], ...]

    def __post_init__(self) -> None:
        if len(self.sampled_frames) != len(self.images):
            raise ValueError(f"{len(self.sampled_frames)} sampled_frames for {len(self.images)} images")
        for image in self.images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
                raise ValueError(f"images must be RGB, uint8 [h, w, 3], got {image.dtype} {image.shape}")

    @classmethod
    def of_images(cls, tracklet_id: str, images: Sequence[NDArray[np.uint8]]) -> Self:
        """Pictures of one person, in order, that one has already: RGB uint8 [h, w, 3] each. Raises ValueError."""
        if not len(images):
            raise ValueError(f"tracklet {tracklet_id!r} has no images: give at least one")
        return cls(0, tracklet_id, len(images), np.arange(len(images), dtype=np.int32), tuple(images))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the recogniser says of one tracklet.

    scores: float32 [C], the sigmoid of each class, before any threshold.
    embedding: float32 [D] of length 1, or None.
    """

    row: int
    tracklet_id: str
    num_frames: int
    sampled_frames: NDArray[np.int32]
    scores: NDArray[np.float32]
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if self.scores.ndim != 1:
            raise ValueError(f"scores must have one dimension, got shape {self.scores.shape}")


@dataclass(frozen=True)
class Failure:
    """A tracklet that was not recognised, and why."""

    row: int
    tracklet_id: str
    num_frames: int
    code: FailureCode
    message: str


Outcome = Prediction | Failure
