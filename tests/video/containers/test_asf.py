"""Data packets of ASF whose payloads hold several small objects each, as encoders of live video write them."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest

from par_model.video.containers.asf import walk
from par_model.video.containers.packet_starts import BrokenError, Bytes, EndError

SIZE = 200


def packet(number: int, objects: list[bytes], *, compressed: bool) -> bytes:
    """A data packet of one payload of stream 1: ASF 1.2, 5.2.3. number: of the first object."""
    if compressed:
        payload = struct.pack("<BBIBB", 0x81, number % 256, 1000, 1, 40)
        payload += b"".join(bytes([len(content)]) + content for content in objects)
    else:
        payload = struct.pack("<BBIBII", 0x81, number % 256, 0, 8, len(objects[0]), 1000) + objects[0]
    head = b"\x82\0\0" + struct.pack("<BBHIH", 0x10, 0x5D, 0, 0, 0)
    padding = SIZE - len(head) - len(payload)
    head = head[:5] + struct.pack("<H", padding) + head[7:]
    return head + payload + bytes(padding)


def file(packets: list[bytes]) -> bytes:
    properties = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365") + struct.pack("<Q68xIII", 104, SIZE, SIZE, 1)
    header = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack("<QIBB", 30 + 104, 1, 1, 2) + properties
    data = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
    return header + data + struct.pack("<Q16xQH", 50 + SIZE * len(packets), len(packets), 0x101) + b"".join(packets)


def starts(content: bytes) -> list[int]:
    found: list[int] = []
    with suppress(EndError):
        for packet in walk(Bytes(lambda at, size: content[at : at + size]), 1):
            found.append(packet.start)
    return found


PACKETS = [
    packet(254, [b"a" * 20], compressed=False),
    packet(255, [b"b" * 9, b"c" * 30, b""], compressed=True),
    packet(258, [b"d"], compressed=True),
    packet(259, [b"e" * 40], compressed=False),
]


def test_objects_that_share_a_payload_are_counted_one_by_one() -> None:
    content = file(PACKETS)
    start = len(content) - 4 * SIZE
    assert starts(content) == [start + i * SIZE for i in range(4)]


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_payload_of_several_objects_is_missed(lost: int) -> None:
    with pytest.raises(BrokenError):
        starts(file(PACKETS[:lost] + PACKETS[lost + 1 :]))
