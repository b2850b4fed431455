"""What an H.264 stream's sequence parameters say of its colours, where they change on the way.

Parameters that say nothing of colours mean limited range and no matrix (ITU-T H.264, E.2.1). FFmpeg's decoder goes on
with what earlier ones said instead, and begins with what it met while it probed the file: so red of a stream that goes
from full to limited range came out as 191, 40, 41 for 200, 30, 30, and the other way round from its start on.
"""

from __future__ import annotations

from collections.abc import Iterable

import av

from par_model.video.containers.h264_headers import SPS, unit_kind
from par_model.video.containers.nal_units import length_size, stated_units, units

# Containers that have no field for colours: what is known of them is from the stream alone.
_WITHOUT_COLOURS = frozenset({"mpegts", "mpeg", "h264", "avi"})
_HEAD = 2048  # bytes of a packet in which its parameters lie, before the slices
_LIMITED_RANGE, _UNSPECIFIED = 1, 2


class SequenceColours:
    """Takes the colour flags back from a decoder when it is about to get other sequence parameters. If these have
    flags of their own, the decoder sets them again."""

    def __init__(self, decoder: av.VideoCodecContext, container: str) -> None:
        self._decoder = decoder
        extra = bytes(decoder.extradata or b"")
        self._length_bytes = length_size(extra)
        # What the container says of colours goes with the parameters that it holds.
        self._known = None if container in _WITHOUT_COLOURS else _sequence_parameters(stated_units(extra))

    def before(self, packet: av.Packet[av.VideoStream]) -> None:
        """Look at a packet that is about to be decoded."""
        if not packet.is_keyframe:
            return
        parameters = _sequence_parameters(units(memoryview(packet)[:_HEAD], self._length_bytes))
        if parameters is None or parameters == self._known:
            return
        self._known = parameters
        self._decoder.color_range = _LIMITED_RANGE
        for name in ("colorspace", "color_trc", "color_primaries"):
            setattr(self._decoder, name, _UNSPECIFIED)


def _sequence_parameters(found: Iterable[bytes]) -> bytes | None:
    return next((unit for unit in found if unit_kind(unit) == SPS), None)
