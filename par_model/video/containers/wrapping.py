"""Times of MPEG-TS and MPEG-PS, which begin again when their 33 bits are full: ISO/IEC 13818-1, 2.4.3.7."""

from __future__ import annotations

import av

WRAPPING_FORMATS = frozenset({"mpegts", "mpeg"})

_RANGE = 1 << 33  # of 1/90000 s, 26.5 hours
# What falls by less is a joint of two recordings, or pictures that are decoded before they are shown.
_FALL = _RANGE // 2


class OngoingTimes:
    """Lets the times of a stream's packets go on where they begin again.

    FFmpeg does so within the first 26.5 hours of a file; then its times fall back. Each time is moved on by the whole
    ranges that bring it nearest to the one before, so that a packet whose time is spoilt moves no other.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._leapt: int | None = None

    def go_on(self, packet: av.Packet[av.VideoStream]) -> None:
        """Move the packet's times. To be asked of each packet once, in file order."""
        dts = packet.pts if packet.dts is None else packet.dts
        if dts is None:
            return
        now = dts if self._last is None else _nearest(dts, self._last)
        if packet.pts is not None:
            packet.pts = _nearest(packet.pts, now)  # shown behind the turn, maybe, and decoded before it
        if packet.dts is not None:
            packet.dts = now
        if self._last is not None and now > self._last + _FALL and not self._is_leap(now):
            self._leapt = now
        else:
            self._last, self._leapt = now, None

    def _is_leap(self, now: int) -> bool:
        """Whether the packet before leapt as far: then there is a gap in the recording."""
        return self._leapt is not None and abs(now - self._leapt) <= _FALL


def _nearest(time: int, other: int) -> int:
    return time + max(0, round((other - time) / _RANGE)) * _RANGE
