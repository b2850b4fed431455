"""Where decoding can start, and what can be left out, as packets themselves tell.

A container's flag of a key frame does not prove that decoding can start there: intra-refresh and open groups of
pictures are flagged too, and FFmpeg then shows pictures that are wrong in part and says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av

from par_model.video.containers.nal_units import length_size, units

_HEADER = 16  # bytes of a unit that are looked at
_H264_SLICES, _H264_IDR = range(1, 6), 5
_HEVC_SLICES, _HEVC_BLA, _HEVC_CRA = range(32), 16, 21
_AV1_SEQUENCE_HEADER, _AV1_TEMPORAL_DELIMITER, _AV1_PADDING = 1, 2, 15


class RandomAccess:
    """What the packets of a stream tell of their pictures.

    codec, extradata: of the stream. packets_tell: whether the codec is one of which they tell that.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        extra = extradata or b""
        self._codec = codec
        self._length_size = 0  # of the field before each unit, in bytes; 0: start codes
        if codec == "h264":
            self._length_size = length_size(extra)
        elif codec == "hevc" and extra[:1] == b"\1" and len(extra) > 22:
            self._length_size = (extra[21] & 3) + 1
        self._starts: Callable[[memoryview], bool] | None = {
            "h264": self._is_h264_idr,
            "hevc": self._is_hevc_random_access,
            "vp9": _is_vp9_key,
            "av1": _is_av1_key,
            "mjpeg": _is_intra,
            "ffv1": _is_intra,
            "prores": _is_intra,
        }.get(codec)
        self.packets_tell = self._starts is not None

    def can_start(self, packet: av.Packet[av.VideoStream]) -> bool:
        """Whether all that is shown from a packet on, but for what precedes it in time, can be decoded from it on."""
        return packet.is_keyframe and self._starts is not None and self._starts(memoryview(packet))

    def is_disposable(self, packet: av.Packet[av.VideoStream]) -> bool:
        """Whether no other picture is made from a packet's: ITU-T H.264, nal_ref_idc; ISO/IEC 14496-12, sdtp."""
        if self._codec == "h264":
            # Second fields may be references where first ones are not.
            slices = [unit[0] for unit in self._units(memoryview(packet)) if unit[0] & 0x1F in _H264_SLICES]
            return bool(slices) and all(not head & 0x60 for head in slices)
        return self._codec == "hevc" and packet.is_disposable

    def _is_h264_idr(self, packet: memoryview) -> bool:
        kinds = (unit[0] & 0x1F for unit in self._units(packet))
        return next((kind for kind in kinds if kind in _H264_SLICES), None) == _H264_IDR

    def _is_hevc_random_access(self, packet: memoryview) -> bool:
        """BLA, IDR or CRA. Pictures that precede a CRA in time and follow it in the file are made from earlier ones."""
        kinds = (unit[0] >> 1 & 0x3F for unit in self._units(packet))
        first = next((kind for kind in kinds if kind in _HEVC_SLICES), -1)
        return _HEVC_BLA <= first <= _HEVC_CRA

    def _units(self, packet: memoryview) -> Iterator[bytes]:
        """The beginnings of a packet's units, none of them empty."""
        return filter(None, units(packet, self._length_size, _HEADER))


def _is_vp9_key(packet: memoryview) -> bool:
    """The uncompressed header of VP9, 6.2: marker 2, two bits of profile, not a frame shown again, and its type."""
    if not len(packet) or packet[0] >> 6 != 2:
        return False
    is_profile_3 = packet[0] >> 4 & 3 == 3  # it has a reserved bit more
    return packet[0] >> (1 if is_profile_3 else 2) & 3 == 0


def _is_av1_key(packet: memoryview) -> bool:
    """Whether a temporal unit of AV1 begins with a sequence header: 5.3, 7.6."""
    at = 0
    while at < len(packet):
        head = packet[at]
        kind = head >> 3 & 15
        if kind == _AV1_SEQUENCE_HEADER:
            return True
        if kind not in (_AV1_TEMPORAL_DELIMITER, _AV1_PADDING) or not head & 2:
            return False
        at += 1 + (head >> 2 & 1)
        size = shift = 0
        while at < len(packet):
            byte = packet[at]
            size |= (byte & 127) << shift
            shift, at = shift + 7, at + 1
            if not byte & 128:
                break
        at += size
    return False


def _is_intra(packet: memoryview) -> bool:
    return len(packet) > 0
