"""What an H.264 stream's sequence parameters say of its colours, where they change on the way.

Parameters that say nothing of colours mean limited range and no matrix (ITU-T H.264, E.2.1). FFmpeg's decoder goes on
with what earlier ones said instead, and begins with what it met while it probed the file: so red of a stream that goes
from full to limited range came out as 191, 40, 41 for 200, 30, 30, and the other way round from its start on.
"""

from __future__ import annotations

import av

# Containers that have no field for colours: what is known of them is from the stream alone.
_WITHOUT_COLOURS = frozenset({"mpegts", "mpeg", "h264", "avi"})
_HEAD = 2048  # bytes of a packet in which its parameters lie, before the slices
_SEQUENCE_PARAMETERS = 7
_LIMITED_RANGE, _UNSPECIFIED = 1, 2


class SequenceColours:
    """Takes the colour flags back from a decoder when it is about to get other sequence parameters. If these have
    flags of their own, the decoder sets them again."""

    def __init__(self, decoder: av.VideoCodecContext, container: str) -> None:
        self._decoder = decoder
        extra = bytes(decoder.extradata or b"")
        self._length_size = (extra[4] & 3) + 1 if extra[:1] == b"\1" and len(extra) > 8 else 0
        # What the container says of colours goes with the parameters that it holds.
        self._known = None if container in _WITHOUT_COLOURS else self._of_extra(extra)

    def before(self, packet: av.Packet[av.VideoStream]) -> None:
        """Look at a packet that is about to be decoded."""
        if not packet.is_keyframe:
            return
        parameters = self._find(bytes(memoryview(packet)[:_HEAD]))
        if parameters is None or parameters == self._known:
            return
        self._known = parameters
        self._decoder.color_range = _LIMITED_RANGE
        for name in ("colorspace", "color_trc", "color_primaries"):
            setattr(self._decoder, name, _UNSPECIFIED)

    def _of_extra(self, extra: bytes) -> bytes | None:
        if not self._length_size:
            return _by_start_codes(extra)
        size = int.from_bytes(extra[6:8])
        return extra[8 : 8 + size]

    def _find(self, head: bytes) -> bytes | None:
        return _by_lengths(head, self._length_size) if self._length_size else _by_start_codes(head)


def _by_lengths(data: bytes, length_size: int) -> bytes | None:
    at = 0
    while at + length_size < len(data):
        start = at + length_size
        at = start + int.from_bytes(data[at:start])
        if data[start] & 31 == _SEQUENCE_PARAMETERS:
            return data[start:at]
    return None


def _by_start_codes(data: bytes) -> bytes | None:
    units = data.split(b"\0\0\1")[1:]
    return next((unit.rstrip(b"\0") for unit in units if unit and unit[0] & 31 == _SEQUENCE_PARAMETERS), None)
