"""Times of MPEG-TS and MPEG-PS, which begin again when their 33 bits are full: ISO/IEC 13818-1, 2.4.3.7."""

from __future__ import annotations

import av

WRAPPING_FORMATS = frozenset({"mpegts", "mpeg"})

_RANGE = 1 << 33  # of 1/90000 s, 26.5 hours
# What falls by less is a joint of two recordings, or pictures that are decoded before they are shown.
_FALL = _RANGE // 2


class OngoingTimes:
    """Lets the times of a stream's packets go on where they begin again.

    FFmpeg does so within the first 26.5 hours of a file; then its times fall back.
    """

    def __init__(self) -> None:
        self._turns = 0
        self._last: int | None = None

    def go_on(self, packet: av.Packet[av.VideoStream]) -> None:
        """Move the packet's times by as many ranges as have passed. To be asked of each packet once, in file order."""
        dts = packet.pts if packet.dts is None else packet.dts
        if dts is None:
            return
        now = dts + self._turns * _RANGE
        if packet.dts is None and self._turns and self._last is not None and now > self._last + _FALL:
            packet.pts = now - _RANGE  # shown before the turn, which others that are sent before it have passed
            return
        if self._last is not None and now < self._last - _FALL:
            self._turns += 1
            now += _RANGE
        self._last = now
        if packet.pts is not None:
            pts = packet.pts + self._turns * _RANGE
            # A picture that is shown behind the turn may be decoded before it.
            packet.pts = pts + _RANGE if pts < now - _FALL else pts
        if packet.dts is not None:
            packet.dts = now
