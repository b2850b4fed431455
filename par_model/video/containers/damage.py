"""Where a video is damaged, and which of its frames that makes unreliable."""

from __future__ import annotations

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType
from numpy.typing import NDArray

from par_model.errors import StorageError
from par_model.wording import one_line

# What PyAV raises for bad data, and what it passes on from the file that it reads.
DECODER_ERRORS = (FFmpegError, ValueError, OSError, EOFError, StorageError)

_LEARNING_FRAMES = 12
# Frames that a decoder may hold back: codecs allow 16.
_HELD_BACK = 16


class DamageLog:
    """Where damage was met, and which frames it makes unreliable: all that come out of the decoder from then on.

    packets_are_frames: whether each packet of this codec gives one frame, so that one that gives none was lost.
    promised_end: time at which the file says that it ends, in the stream's units; None if it does not say.
    reason: the first damage, None so far. Frames that the decoder held back when it met it are not sound either: it may
    notice with one packet that what it made of an earlier one was wrong. A stream may start in the middle of a group of
    pictures: what precedes its first key frame is no damage, but not sound.
    """

    def __init__(self, *, packets_are_frames: bool, promised_end: float | None = None) -> None:
        self._promised_end = promised_end
        self.reason: str | None = None
        self._packets_are_frames = packets_are_frames
        self._pending: set[int] = set()  # timestamps of packets that were sent and gave no frame yet
        self._has_key = False
        self._key: int | None = None  # the first key frame's timestamp
        self._lacks_start = False  # something before it could not be decoded
        self._first: int | None = None  # the first sound frame's timestamp
        self._previous: int | None = None
        self._in_order = True
        self._last_sent: int | None = None
        self._is_sent_in_order = True  # so far
        self._frames = 0
        self._steps: tuple[int, int] | None = None  # the shortest and the longest time between two frames

    def packet_sent(self, packet: av.Packet[av.VideoStream], index: int, complaint: str | None) -> None:
        """The decoder took a packet, and complained of it or not; ``index`` frames came out before."""
        if packet.is_keyframe and not self._has_key:
            self._has_key, self._key = True, packet.pts
        if complaint is None and packet.is_corrupt and not _is_whole_jpeg(packet):
            complaint = "it is marked as damaged"
        if complaint is None:
            if packet.pts is not None and not packet.is_discard:
                self._pending.add(packet.pts)
                self._is_sent_in_order &= self._last_sent is None or packet.pts > self._last_sent
                self._last_sent = packet.pts
        elif self._precedes_key(packet.pts):
            self._lacks_start = True
        else:
            self._note(f"a packet near frame {index} cannot be decoded as it should ({complaint})")

    def _precedes_key(self, pts: int | None) -> bool:
        """Whether a packet is of the group of pictures whose start the file lacks."""
        return not self._has_key or (pts is not None and self._key is not None and pts < self._key)

    def file_broke_off(self, error: Exception) -> None:
        """Nothing more can be read of the file."""
        self._note(f"the file breaks off ({reason_of(error)})")

    def packets_lost(self, reason: str) -> None:
        """The demuxer passed over packets. They may belong before frames that the decoder still holds back."""
        self._note(reason)

    def of_frame(self, frame: av.VideoFrame, index: int, *, flushed: bool) -> str | None:
        """Why frame ``index`` cannot be trusted, None if it can. flushed: it came out after the last packet."""
        pts = frame.pts
        if pts is not None:
            self._pending.discard(pts)
        if frame.is_corrupt:
            if self._first is not None:
                self._note(f"frame {index} is damaged")
            return f"frame {index} is damaged"
        if self._lacks_start and self._first is None and not (frame.key_frame and self._has_key):
            return f"frame {index} is of a group of pictures whose start the file lacks"
        if pts is None:
            return self.reason
        if self._first is None:
            self._first = pts
        # AVI has times of decoding only: then nothing tells which frames precede the damage.
        self._in_order &= self._previous is None or pts > self._previous
        self._note_losses(frame, pts, index, flushed)
        self._previous = pts
        self._frames += 1
        return self.reason

    def ends_early(self, pts: NDArray[np.int64]) -> bool:
        """Whether a file with frames at these times lacks some before its last ones, as one that was broken off."""
        steps = np.diff(pts)
        before, last = steps[:-_HELD_BACK], steps[-_HELD_BACK:]
        if len(before) <= _LEARNING_FRAMES or before.max() >= 1.5 * before.min():
            return False
        breaks_off = self._promised_end is None or pts[-1] + 2 * before.max() < self._promised_end
        return bool(breaks_off and last.max() > 1.5 * before.max())

    def _note_losses(self, frame: av.VideoFrame, pts: int, index: int, flushed: bool) -> None:
        """Frames that should have come before this one and did not."""
        skipped = [stamp for stamp in self._pending if stamp < pts]
        if skipped:
            self._pending.difference_update(skipped)
            # Fields of their own, and decoders that drop a stream's first frames, show within the first frames.
            if self._frames < _LEARNING_FRAMES or frame.interlaced_frame:
                self._packets_are_frames &= self._frames == 0
            elif self._is_sent_in_order and frame.pict_type == PictureType.B:
                self._in_order = False  # times of decoding: it is shown before what was decoded before it
            elif self._packets_are_frames and self._in_order:
                self._note(f"frame {index} was lost")
        if self._previous is None or not self._in_order:
            return
        step = pts - self._previous
        shortest, longest = self._steps or (step, step)
        # A file that ends before its time lacks frames that are shown before the last ones it has. One that was cut
        # without coding it again may lack them too, but it ends when it says.
        breaks_off = self._promised_end is None or pts + 2 * step < self._promised_end
        is_even = self._frames > _LEARNING_FRAMES and longest < 1.5 * shortest
        if flushed and breaks_off and is_even and step > 1.5 * longest:
            self._note(f"frame {index} is missing at the end of the file")
        self._steps = (min(shortest, step), max(longest, step))

    def _note(self, reason: str) -> None:
        self.reason = self.reason or reason


def _is_whole_jpeg(packet: av.Packet[av.VideoStream]) -> bool:
    """Whether a packet holds a JPEG picture up to its end marker. A multipart stream whose parts do not tell their size
    has its last one marked as damaged, since FFmpeg wanted more."""
    if packet.stream.codec_context.name != "mjpeg":
        return False
    return bytes(packet).rstrip(b"\r\n").endswith(b"\xff\xd9")


def reason_of(error: BaseException) -> str:
    """What an error says, on one line; FFmpeg's without their number and the file's name."""
    return one_line(error.strerror if isinstance(error, FFmpegError) and error.strerror else error)
