"""Units are cut alike, whether lengths or start codes stand between them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.video.containers.h264_headers import unit_kind
from par_model.video.containers.nal_units import length_size, stated_units, units

CODES = (b"\0\0\1", b"\0\0\0\1")


@st.composite
def real_units(draw: st.DrawFn) -> bytes:
    """Bytes as an encoder writes them: no start code inside, and no zero at the end."""
    kind = draw(st.sampled_from([1, 5, 6, 7, 8, 9]))
    content = draw(st.lists(st.sampled_from([0, 1, 3, 128, 255]), max_size=400))
    escaped = bytearray([0x60 | kind])
    for byte in content:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    return bytes(escaped) + b"\x80"


@given(st.lists(real_units(), min_size=1, max_size=6), st.sampled_from([1, 2, 3, 4]), st.integers(1, 300), st.data())
def test_lengths_and_start_codes_give_the_same_units(
    cut: list[bytes], size: int, most: int, data: st.DataObject
) -> None:
    codes = data.draw(st.lists(st.sampled_from(CODES), min_size=len(cut), max_size=len(cut)))
    zeros = b"\0" * data.draw(st.integers(0, 3))
    marked = b"".join(code + unit for code, unit in zip(codes, cut, strict=True)) + zeros
    assert list(units(marked, 0)) == cut
    assert list(units(marked, 0, most)) == [unit[:most] for unit in cut]
    if all(len(unit) < 1 << 8 * size for unit in cut):
        packet = b"".join(len(unit).to_bytes(size) + unit for unit in cut)
        assert list(units(memoryview(packet), size)) == cut
        assert list(units(memoryview(packet), size, most)) == [unit[:most] for unit in cut]


def test_start_codes_are_found_where_lengths_were_announced() -> None:
    assert list(units(b"\0\0\0\1\x67\x42\x80\0\0\1\x65\x88", 4)) == [b"\x67\x42\x80", b"\x65\x88"]


def test_a_container_says_its_parameter_sets_with_lengths_or_start_codes() -> None:
    first, second, pps = b"\x67\x64\x80", b"\x67\x42\0\x80", b"\x68\xee"
    listed = b"".join(struct.pack(">H", len(unit)) + unit for unit in (first, second))
    record = b"\1\x64\0\x1f\xfd\xe2" + listed + b"\1" + struct.pack(">H", len(pps)) + pps
    assert length_size(record) == 2
    assert list(stated_units(record)) == [first, second, pps]
    marked = b"\0\0\0\1" + first + b"\0\0\1" + pps
    assert length_size(marked) == 0
    assert list(stated_units(marked)) == [first, pps]


@pytest.mark.parametrize(
    ("packet", "size", "kinds"),
    [
        (b"", 4, []),
        (b"", 0, []),
        (b"\0\0\1", 0, [0]),
        (b"\0\0\0\0", 4, []),
        (b"\0\0\0\x09\x67", 4, [7]),
        (b"\x67", 0, []),
    ],
)
def test_what_is_cut_short_ends_the_units(packet: bytes, size: int, kinds: list[int]) -> None:
    assert [unit_kind(unit) for unit in units(packet, size)] == kinds
