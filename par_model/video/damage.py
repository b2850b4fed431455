"""Where a video is damaged, and which of its frames that makes unreliable."""

from __future__ import annotations

import av
from av.error import FFmpegError

from par_model.errors import StorageError

# What PyAV raises for bad data, and what it passes on from the file that it reads.
DECODER_ERRORS = (FFmpegError, ValueError, OSError, EOFError, StorageError)


class DamageLog:
    """Where damage was met, and which frames it makes unreliable: all that follow it in presentation order.

    Frames that the decoder held back when it met the damage, and that were sent to it before, are sound.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._sound_pts: set[int] = set()
        self._seen_sound_frame = False

    def packet_sent(self, packet: av.Packet[av.VideoStream], index: int) -> None:
        if packet.is_corrupt and self._seen_sound_frame:
            self._start(f"a packet near frame {index} is damaged")
        elif self.reason is None and packet.pts is not None:
            self._sound_pts.add(packet.pts)

    def packet_failed(self, packet: av.Packet[av.VideoStream], index: int, error: Exception) -> None:
        # Before the first frame it is no damage: streams may start in the middle of a group of pictures.
        if self._seen_sound_frame:
            self._start(f"a packet near frame {index} could not be decoded ({one_line(error)})")

    def file_broke_off(self, error: Exception) -> None:
        self._start(f"the file breaks off ({one_line(error)})")

    def of_frame(self, frame: av.VideoFrame, index: int) -> str | None:
        sent_before = frame.pts in self._sound_pts
        if frame.pts is not None:
            self._sound_pts.discard(frame.pts)
        if frame.is_corrupt:
            if self._seen_sound_frame:
                self._start(f"frame {index} is damaged")
            return f"frame {index} is damaged"
        self._seen_sound_frame = True
        return None if sent_before else self.reason

    def _start(self, reason: str) -> None:
        self.reason = self.reason or reason


def one_line(error: BaseException) -> str:
    """What an error says, on one line."""
    if isinstance(error, FFmpegError) and error.strerror:
        return str(error.strerror)
    return " ".join(str(error).split()) or type(error).__name__
