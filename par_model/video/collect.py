"""One tracklet while its crops come in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from par_model.errors import FailureCode, TrackletError
from par_model.types import Crops, Failure, Preprocess, RawCrops, Tracklet
from par_model.video.crop import cut_crop
from par_model.video.fit import fit_crop
from par_model.video.options import Damaged

Decoded = Crops | RawCrops | Failure


class Collector:
    """Takes a tracklet's sampled frames as they pass, and gives Crops (RawCrops without ``preprocess``) or a Failure.

    positions: int64 [T], which of the tracklet's frames are sampled.
    wanted: the distinct frame indices (for stills positions), int32 and sorted.
    bytes_held: what its crops take before it is done, at most; a guess where a crop is the whole picture.
    """

    def __init__(
        self,
        tracklet: Tracklet,
        positions: NDArray[np.int64],
        preprocess: Preprocess | None,
        damaged: Damaged = "fail",
    ) -> None:
        self.tracklet = tracklet
        self._preprocess = preprocess
        self._use_damaged = damaged == "use"
        frames = positions if tracklet.frame_indices is None else tracklet.frame_indices[positions]
        self._sampled = frames.astype(np.int32)
        self.wanted: NDArray[np.int32] = np.unique(self._sampled)
        self.bytes_held = len(self.wanted) * self._crop_bytes()
        self._boxes = dict(zip(frames.tolist(), positions.tolist(), strict=True))
        self._crops: dict[int, NDArray[np.uint8]] = {}
        self._missing: dict[int, TrackletError] = {}
        self._failure: TrackletError | None = None

    def _crop_bytes(self) -> int:
        if self._preprocess is not None:
            return self._preprocess.crop_bytes
        if self.tracklet.boxes is None:
            return 3 * 1920 * 1080
        widths, heights = self.tracklet.boxes[:, 2].astype(np.float64), self.tracklet.boxes[:, 3].astype(np.float64)
        return int(min((widths * heights).max(), 3840 * 2160)) * 3

    @property
    def done(self) -> bool:
        """Whether no further frame can change the result."""
        return self._failure is not None or len(self._crops) + len(self._missing) == len(self.wanted)

    def take(self, frame: int, picture: NDArray[np.uint8], damage: str | None = None) -> None:
        """Cut this tracklet's crop from the displayed picture, RGB uint8 [H, W, 3], of a wanted frame."""
        if damage is not None and not self._use_damaged:
            self.fail(TrackletError(FailureCode.VIDEO_DAMAGED, f"frame {frame}: {damage}"))
            return
        boxes = self.tracklet.boxes
        try:
            crop = cut_crop(picture, None if boxes is None else boxes[self._boxes[frame]], frame)
        except TrackletError as error:
            self.fail(error)
            return
        fitted = crop if self._preprocess is None else fit_crop(crop, self._preprocess)
        self._crops[frame] = np.array(fitted) if np.may_share_memory(fitted, picture) else fitted

    def miss(self, frame: int, error: TrackletError, *, replaceable: bool) -> None:
        """A wanted frame will not come. ``replaceable``: damage is why, so that ``damaged=use`` may do without it."""
        if replaceable and self._use_damaged:
            self._missing[frame] = error
        else:
            self.fail(error)

    def fail(self, error: TrackletError) -> None:
        """The tracklet fails, whatever else comes."""
        self._failure = self._failure or error
        self._crops.clear()

    def result(self) -> Decoded:
        """What became of the tracklet, once ``done``. Can be asked once: the crops are given away."""
        if self._failure is None and not self._crops:
            self._failure = next(iter(self._missing.values()))
        if self._failure is not None:
            return failure(self.tracklet, self._failure)
        seen = [self._nearest(int(frame)) for frame in self._sampled]
        images = tuple(self._crops[frame] for frame in seen)
        self._crops.clear()
        common = (self.tracklet.row, self.tracklet.tracklet_id, self.tracklet.num_frames, np.asarray(seen, np.int32))
        return RawCrops(*common, images) if self._preprocess is None else Crops(*common, np.stack(images))

    def _nearest(self, frame: int) -> int:
        if frame in self._crops:
            return frame
        earlier = [f for f in self._crops if f < frame]
        return max(earlier) if earlier else min(self._crops)


def failure(tracklet: Tracklet, error: TrackletError) -> Failure:
    """The failed row of a tracklet."""
    return Failure(tracklet.row, tracklet.tracklet_id, tracklet.num_frames, error.code, error.message)
