"""A decoded frame while it passes, and the picture that it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from par_model.errors import TrackletError
from par_model.video.colours import is_hdr, to_rgb
from par_model.video.options import Matrix
from par_model.video.side_data import SideDataContainer, SideDataType


@dataclass(eq=False)
class Style:
    """How all frames of a video become pictures.

    unflagged_matrix: of frames that do not say by which they were made. size: width and height of the video's first
    frame, before it is turned; None as long as that is not known. Where the size changes, later frames are scaled to
    the first one's, as OpenCV, decord and ffmpeg do: boxes that were found with these refer to that size.
    """

    unflagged_matrix: Matrix = "bt601"
    size: tuple[int, int] | None = None
    reformatter: VideoReformatter = field(default_factory=VideoReformatter)


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """One decoded frame while it passes.

    index: its place in presentation order, 0-based.
    damage: why its pixels or its index cannot be trusted, None for a sound frame.
    """

    index: int
    damage: str | None
    _frame: av.VideoFrame
    _style: Style

    @property
    def is_key(self) -> bool:
        """Whether decoding can start here."""
        return self._frame.key_frame

    @property
    def is_hdr(self) -> bool:
        """Whether its colours are mapped to those of a plain screen."""
        return is_hdr(self._frame)

    @property
    def time(self) -> Fraction | None:
        """When it is shown, in seconds of the container's clock, None if the container does not say."""
        if self._frame.pts is None or self._frame.time_base is None:
            return None
        return self._frame.pts * self._frame.time_base

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the displayed picture."""
        turned = round(self._frame.rotation / 90) % 2 == 1
        width, height = self._frame.width, self._frame.height
        return (height, width) if turned else (width, height)

    def picture(self) -> NDArray[np.uint8]:
        """The displayed picture, RGB uint8 [H, W, 3], valid as long as this object.

        Raises TrackletError (video-unreadable) where its colours cannot be converted.
        """
        style = self._style
        size = style.size or (self._frame.width, self._frame.height)
        try:
            pixels = to_rgb(self._frame, size, style.unflagged_matrix, style.reformatter)
        except TrackletError as error:
            raise TrackletError(error.code, f"frame {self.index}: {error.message}") from error
        return _as_displayed(pixels, self._frame)


def _as_displayed(pixels: NDArray[np.uint8], frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Turn and mirror a picture the way its display matrix says; PyAV does neither."""
    # frame.side_data would be kept by the frame, and hold it in turn until Python looks for cycles.
    side_data = SideDataContainer(frame)  # type: ignore[call-arg]  # of the stubs
    if SideDataType.DISPLAYMATRIX not in side_data:
        return pixels
    matrix = np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), np.int32).reshape(3, 3).astype(np.float64)
    if np.linalg.det(matrix[:2, :2]) < 0:
        pixels = pixels[::-1]
    return np.rot90(pixels, k=round(frame.rotation / 90) % 4)
