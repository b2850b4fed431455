"""Writing a clip: nothing else encodes video."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray

from par_model.errors import StorageError

# Not with the macroblock tree: of small pictures it encodes one run of some thousands a little differently.
_X264 = {"preset": "veryfast", "crf": "23", "bf": "2", "mbtree": "0"}


class ClipWriter:
    """A video file in the making. A context manager; the file is complete when it has been left.

    width, height: even numbers of pixels. fps: frames a second. options: the encoder's own, over the defaults.

    One thread encodes, so that the same frames give the same bytes with the same libraries. An error inside the
    ``with`` block leaves a file that ends at the last frame written. Raises StorageError if the file cannot be opened.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        width: int,
        height: int,
        fps: float,
        codec: str = "libx264",
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.width, self.height = width, height
        flags = {"movflags": "+faststart"} if str(path).endswith((".mp4", ".mov")) else {}
        settings = {**(_X264 if codec == "libx264" else {}), **(options or {})}
        try:
            self._container = av.open(str(path), mode="w", options=flags)
            stream = self._container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000), options=settings)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.thread_count = 1
            stream.codec_context.gop_size = max(2, round(2 * fps))
            self._container.start_encoding()  # opens the file, which PyAV puts off until now
        except OSError as error:
            raise StorageError(f"{path}: cannot be written: {error.strerror or error}") from error
        self._stream = stream

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """Append a frame: uint8 [height, width, 3], RGB."""
        if rgb.shape != (self.height, self.width, 3) or rgb.dtype != np.uint8:
            raise ValueError(
                f"a frame must be uint8 [{self.height}, {self.width}, 3], got {rgb.dtype} {list(rgb.shape)}"
            )
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Encode what the encoder still holds, and finish the file."""
        try:
            self._container.mux(self._stream.encode(None))
        finally:
            self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
