"""Where the packets of one stream of an MPEG transport stream begin, and whether one was lost: ISO/IEC 13818-1, 2.4.3.

The demuxer looks for the next packet that makes sense when some are missing, and then says so about some codecs only.
Each packet of a stream carries a counter of four bits, which tells all losses but those of exactly 16.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from par_model.video.containers.packet_starts import BrokenError, Bytes, EndError, PacketStart

_SYNC = 0x47
_SIZES = (188, 192, 204)  # plain, with a time code before, with a checksum after
_PACKETS = 2048
_FILLING = 1 << 20  # bytes that are looked through at a time, at most
_RARE_FIELDS = 0x3E  # flags of a PES header: clock, rate, trick mode, copyright, checksum
_PROOF = 5  # sync bytes in a row that tell the size


def walk(data: Bytes, stream: int) -> Iterator[PacketStart]:
    """Where a PES packet of ``stream``, its PID, with a time of its own begins, in file order.

    Raises BrokenError where packets are missing, or such a header makes no sense.
    """
    at, size = _first_packet(data)
    before: NDArray[np.uint8] | None = None  # the stream's packet before
    usual: tuple[int, int] | None = None  # what the headers of its PES packets have in common
    while True:
        block = np.frombuffer(data.up_to(at, size * _PACKETS), np.uint8)
        packets = block[: len(block) // size * size].reshape(-1, size)[:, : _SIZES[0]]
        if not len(packets):
            raise EndError
        unsound = (packets[:, 0] != _SYNC) | (packets[:, 1] & 0x80 != 0)
        sound = int(unsound.argmax()) if unsound.any() else len(packets)
        ours = np.flatnonzero(((packets[:sound, 1].astype(int) & 0x1F) << 8 | packets[:sound, 2]) == stream)
        ours = ours[packets[ours, 3] & 0x10 != 0]  # the others carry nothing and do not count
        own = packets[ours]
        if len(own):
            gap = _first_gap(own if before is None else np.concatenate([before[None], own]))
            gap = None if gap is None else gap - (before is not None)
            for row in ours[:gap]:
                if packets[row, 1] & 0x40:
                    header = _pes_header(packets[row])
                    if header is None or header[0] != (usual or header[0]):
                        raise BrokenError
                    usual, has_time = header
                    if has_time:  # the others go on with a picture
                        yield PacketStart(at + int(row) * size, stream)
            if gap is not None:
                raise BrokenError
            before = own[-1].copy()
        if sound < len(packets):
            raise BrokenError
        at += len(packets) * size


def _pes_header(packet: NDArray[np.uint8]) -> tuple[tuple[int, int], bool] | None:
    """What is usual in a stream (its number, and which rare fields there are), and whether a time is told, from the
    header of the PES packet that begins in a packet. None if there is none.

    The demuxer drops what has no such header, and skips as many bytes of a picture as a wrong one says.
    """
    start = 4 + (1 + int(packet[4]) if packet[3] & 0x20 else 0)
    header = packet[start : start + 8].tolist()
    is_sound = len(header) == 8 and header[:3] == [0, 0, 1] and header[6] & 0xC0 == 0x80
    return ((header[3], header[7] & _RARE_FIELDS), header[7] & 0x80 != 0) if is_sound else None


def _first_gap(stream: NDArray[np.uint8]) -> int | None:
    """Which of a stream's packets does not follow the one before it, None if all do."""
    counter = stream[:, 3] & 0x0F
    follows = counter[1:] == (counter[:-1] + 1) % 16
    is_announced = (stream[1:, 3] & 0x20 != 0) & (stream[1:, 4] > 0) & (stream[1:, 5] & 0x80 != 0)
    doubtful = np.flatnonzero(~follows & ~is_announced)
    for row in doubtful.tolist():
        if counter[row + 1] != counter[row] or (stream[row + 1, 12:] != stream[row, 12:]).any():  # not sent twice
            return int(row) + 1
    return None


def end(data: Bytes, size: int) -> int:
    """Where the packets of a file of ``size`` bytes end, in bytes from its start.

    What follows are zeros, or the ones of erased memory, of a recorder that took its space beforehand. FFmpeg looks for
    packets in them until it gives up, and loses the last one before.
    """
    try:
        first, packet_size = _first_packet(data)
    except (BrokenError, EndError):
        return size
    filling = data.up_to(size - 1, 1)
    if filling not in (b"\0", b"\xff"):
        return size
    at, piece = size, _SIZES[-1]
    while at > first:
        begin, piece = max(first, at - piece), min(2 * piece, _FILLING)
        kept = len(data.up_to(begin, at - begin).rstrip(filling))
        if kept:
            packets = -(-(begin + kept - first) // packet_size)
            return min(size, first + packets * packet_size)
        at = begin
    return size


def _first_packet(data: Bytes) -> tuple[int, int]:
    """Where the first packet begins, and what lies from one to the next, in bytes. Raises EndError if nothing tells."""
    head = data.up_to(0, _SIZES[-1] * (_PROOF + 1))
    for start in range(_SIZES[-1]):
        for size in _SIZES:
            if head[start::size][:_PROOF] == bytes([_SYNC]) * _PROOF:
                return start, size
    raise BrokenError if head[:1] == bytes([_SYNC]) else EndError
