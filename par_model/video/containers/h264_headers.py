"""The headers of H.264 that tell which pictures a stream should have: ITU-T H.264, 7.3, and ISO/IEC 14496-15, 5.3.

Parameter sets and slices are read no further than frame numbers need.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SPS, PPS, IDR = 7, 8, 5
SLICES = (1, 2, IDR)
# Profiles whose SPS tells the format of chroma.
_HIGH = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_P, _B, _I, _SP, _SI = range(5)
_RESET = 5  # memory management: all pictures are forgotten, and this one counts as number 0
_OPERANDS = {1: 1, 2: 1, 3: 2, 4: 1, 6: 1}
_SHORT = 24  # bytes that hold the beginning of a slice, up to its frame number
_SLICE = 256  # bytes of a slice that hold all of its header that is looked at


class UnreadableError(Exception):
    """The bits of a header end, or make no sense."""


def unit_kind(unit: bytes) -> int:
    """The type of a unit, ``nal_unit_type``: 7.4.1. Of an empty one 0, which the standard leaves open."""
    return unit[0] & 0x1F if unit else 0


class _Bits:
    """The bits of a unit, read one field after the other. Raises UnreadableError at their end."""

    def __init__(self, unit: bytes) -> None:
        plain = unit.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(plain, "big")
        self._left = 8 * len(plain)

    def number(self, bits: int) -> int:
        self._left -= bits
        if self._left < 0:
            raise UnreadableError
        return self._value >> self._left & (1 << bits) - 1

    def flag(self) -> bool:
        return self.number(1) == 1

    def code(self) -> int:
        """An unsigned Exp-Golomb code, 9.1. Signed ones are as long."""
        zeros = self._left - (self._value & (1 << self._left) - 1).bit_length()
        if zeros > 32:
            raise UnreadableError
        return self.number(2 * zeros + 1) - 1


class Sequence(NamedTuple):
    """An SPS.

    bits: of a frame number. may_skip: whether numbers may be left out. has_planes: whether colours are coded apart.
    """

    bits: int
    may_skip: bool
    has_fields: bool
    has_planes: bool
    has_chroma: bool
    order_type: int
    order_bits: int
    has_order_deltas: bool


class Parameters(NamedTuple):
    """A PPS. references: by default, of each list. is_full: whether all was read that slices depend on."""

    sequence: int
    has_bottom_delta: bool = False
    references: tuple[int, int] = (1, 1)
    weighs_p: bool = False
    weighs_b: bool = False
    has_redundant: bool = False
    is_full: bool = False


class CodedPicture(NamedTuple):
    """A picture, by the header of its first slice. is_intra: that slice refers to no picture. unit: its beginning."""

    number: int
    sequence: Sequence
    parameters: Parameters
    is_idr: bool
    is_reference: bool
    is_field: bool
    is_intra: bool
    unit: bytes


class ParameterSets:
    """The SPS and PPS that a stream has had so far, and what they make of its slices."""

    def __init__(self) -> None:
        self._sequences: dict[int, Sequence] = {}
        self._parameters: dict[int, Parameters] = {}

    def keep(self, unit: bytes) -> None:
        """Take a unit, if it is a parameter set that can be read."""
        kind = unit_kind(unit)
        try:
            if kind == SPS:
                number, sequence = _sequence(_Bits(unit[1:]))
                self._sequences[number] = sequence
            elif kind == PPS:
                number, parameters = _parameter_set(_Bits(unit[1:]))
                self._parameters[number] = parameters
        except UnreadableError:
            return

    def picture(self, unit: bytes) -> CodedPicture:
        """The picture of a slice, 7.3.3. Raises UnreadableError."""
        bits = _Bits(unit[1:_SHORT])
        bits.code()  # where it begins
        slice_kind = bits.code() % 5
        parameters = self._parameters.get(bits.code())
        sequence = self._sequences.get(parameters.sequence) if parameters is not None else None
        if parameters is None or sequence is None:
            raise UnreadableError
        if sequence.has_planes:
            bits.number(2)
        number = bits.number(sequence.bits)
        is_field = sequence.has_fields and bits.flag()
        is_idr, is_reference = unit_kind(unit) == IDR, unit[0] & 0x60 != 0
        return CodedPicture(
            number, sequence, parameters, is_idr, is_reference, is_field, slice_kind in (_I, _SI), unit[:_SLICE]
        )


def resets_numbers(picture: CodedPicture) -> bool:
    """Whether a picture's slice says that frame numbers begin again with it. Raises UnreadableError."""
    parameters, sequence = picture.parameters, picture.sequence
    if picture.is_idr:
        return False
    if not parameters.is_full:
        raise UnreadableError
    bits = _Bits(picture.unit[1:])
    bits.code()
    kind = bits.code() % 5
    bits.code()
    bits.number(sequence.bits + (2 if sequence.has_planes else 0))
    if sequence.has_fields and bits.flag():
        bits.flag()
    _skip_order(bits, sequence, has_bottom=parameters.has_bottom_delta and not picture.is_field)
    if parameters.has_redundant:
        bits.code()
    if kind == _B:
        bits.flag()
    lists = {_P: 1, _SP: 1, _B: 2}.get(kind, 0)
    references = parameters.references
    if lists and bits.flag():
        references = (bits.code() + 1, bits.code() + 1 if lists == 2 else 1)
    for _ in range(lists):
        if bits.flag():
            while bits.code() != 3:
                bits.code()
    if (lists == 1 and parameters.weighs_p) or (lists == 2 and parameters.weighs_b):
        _skip_weights(bits, sequence.has_chroma, references[:lists])
    return bits.flag() and _RESET in _memory_operations(bits)


def _memory_operations(bits: _Bits) -> Iterator[int]:
    while (operation := bits.code()) != 0:
        yield operation
        for _ in range(_OPERANDS.get(operation, 0)):
            bits.code()


def _skip_order(bits: _Bits, sequence: Sequence, *, has_bottom: bool) -> None:
    if sequence.order_type == 0:
        bits.number(sequence.order_bits)
    if sequence.order_type == 0 or sequence.has_order_deltas:
        for _ in range((sequence.order_type == 1) + has_bottom):
            bits.code()


def _skip_weights(bits: _Bits, has_chroma: bool, references: tuple[int, ...]) -> None:
    for _ in range(1 + has_chroma):
        bits.code()
    for count in references:
        for _ in range(min(count, 32)):
            for values in (2, 4) if has_chroma else (2,):
                if bits.flag():
                    for _ in range(values):
                        bits.code()


def _sequence(bits: _Bits) -> tuple[int, Sequence]:
    """An SPS and its number: 7.3.2.1.1."""
    profile = bits.number(24) >> 16
    number, chroma, has_planes = bits.code(), 1, False
    if profile in _HIGH:
        chroma = bits.code()
        has_planes = chroma == 3 and bits.flag()
        bits.code()
        bits.code()
        bits.flag()
        if bits.flag():
            for i in range(12 if chroma == 3 else 8):
                if bits.flag():
                    _skip_scaling(bits, 16 if i < 6 else 64)
    frame_bits, order_type = bits.code() + 4, bits.code()
    order_bits, has_deltas = 0, False
    if order_type == 0:
        order_bits = bits.code() + 4
    elif order_type == 1:
        has_deltas = not bits.flag()
        bits.code()
        bits.code()
        for _ in range(min(bits.code(), 255)):
            bits.code()
    bits.code()  # reference frames
    may_skip = bits.flag()
    bits.code()  # width
    bits.code()  # height
    has_fields = not bits.flag()
    if frame_bits > 16:
        raise UnreadableError
    has_chroma = chroma != 0 and not has_planes
    return number, Sequence(
        frame_bits, may_skip, has_fields, has_planes, has_chroma, order_type, order_bits, has_deltas
    )


def _skip_scaling(bits: _Bits, size: int) -> None:
    """A scaling list: 7.3.2.1.1.1."""
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.code()
            following = (last + ((code + 1) // 2 if code % 2 else -(code // 2))) % 256
        last = following or last


def _parameter_set(bits: _Bits) -> tuple[int, Parameters]:
    """A PPS and its number: 7.3.2.2. Groups of slices are not read."""
    number, sequence = bits.code(), bits.code()
    bits.flag()
    has_bottom_delta = bits.flag()
    if bits.code():
        return number, Parameters(sequence)
    references = (bits.code() + 1, bits.code() + 1)
    weighs_p, weighs_b = bits.flag(), bits.number(2) == 1
    for _ in range(3):
        bits.code()
    has_redundant = bits.number(3) & 1 == 1
    return number, Parameters(sequence, has_bottom_delta, references, weighs_p, weighs_b, has_redundant, True)
