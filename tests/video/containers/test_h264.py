"""Frame numbers of H.264: a sound stream never jumps, one that lacks a reference picture does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.video.containers.h264 import FrameNumbers, PictureStep, habits
from tests.video.frame_numbers import write_clip

SPS_ID, PPS_ID = 3, 7


class Bits:
    """Writes headers bit by bit."""

    def __init__(self) -> None:
        self.text = ""

    def put(self, value: int, bits: int) -> Bits:
        self.text += f"{value:0{bits}b}" if bits else ""
        return self

    def codes(self, *values: int) -> Bits:
        for value in values:
            length = (value + 1).bit_length()
            self.put(value + 1, 2 * length - 1)
        return self

    def unit(self, header: int, *, closed: bool = True) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8) if closed else "10" * 400
        content = bytes(int(text[i : i + 8], 2) for i in range(0, len(text) // 8 * 8, 8))
        escaped = bytearray()
        for byte in content:
            if escaped[-2:] == b"\0\0" and byte <= 3:
                escaped.append(3)
            escaped.append(byte)
        return bytes([header]) + escaped


@dataclass(frozen=True)
class Coding:
    """What a stream's parameter sets say."""

    bits: int = 4
    may_skip: bool = False
    has_fields: bool = False
    profile: int = 100
    order_type: int = 0
    weighs: bool = False

    def sets(self) -> list[bytes]:
        sps = Bits().put(self.profile, 8).put(0, 8).put(31, 8).codes(SPS_ID)
        if self.profile == 100:
            sps.codes(1, 0, 0).put(0, 1).put(1, 1)
            sps.put(1, 1).codes(16).put(1, 1).codes(0, 16).put(0, 6)  # a list by default, one that ends, no others
        sps.codes(self.bits - 4, self.order_type)
        if self.order_type == 0:
            sps.codes(2)
        elif self.order_type == 1:
            sps.put(0, 1).codes(3, 4, 2, 7, 8)
        sps.codes(4).put(self.may_skip, 1).codes(10, 8).put(not self.has_fields, 1)
        if self.has_fields:
            sps.put(0, 1)
        sps.put(1, 1).put(0, 1).put(0, 1)
        pps = Bits().codes(PPS_ID, SPS_ID).put(1, 1).put(1, 1).codes(0, 2, 0).put(self.weighs, 1).put(0, 2)
        pps.codes(0, 0, 0).put(0, 3)
        return [sps.unit(0x67), pps.unit(0x68)]


@dataclass(frozen=True)
class Picture:
    """kind: as slices say it, I 2, P 0, B 1. pair: two fields. resets: numbers begin again with it."""

    kind: int = 0
    is_reference: bool = True
    is_idr: bool = False
    pair: bool = False
    resets: bool = False
    number: int = 0

    def units(self, coding: Coding) -> list[bytes]:
        return [self._slice(coding, field) for field in ((0, 1) if self.pair else (None,))]

    def _slice(self, coding: Coding, field: int | None) -> bytes:
        is_idr = self.is_idr and not field
        number = 0 if self.resets and field == 1 else self.number
        bits = Bits().codes(0, self.kind + (5 if self.kind != 2 else 0), PPS_ID).put(number, coding.bits)
        if coding.has_fields:
            bits.put(field is not None, 1)
            if field is not None:
                bits.put(field, 1)
        if is_idr:
            bits.codes(1)
        if coding.order_type == 0:
            bits.put(9, 6)
        if coding.order_type in (0, 1):
            bits.codes(*[3] * ((coding.order_type == 1) + (field is None)))
        if self.kind == 1:
            bits.put(1, 1)
        if self.kind != 2:
            bits.put(1, 1).codes(1, *([0] if self.kind == 1 else []))
            bits.put(1, 1).codes(0, 2, 3)
            if self.kind == 1:
                bits.put(0, 1)
        if self.kind == 0 and coding.weighs:
            bits.codes(2, 2).put(1, 1).codes(5, 0).put(0, 2).put(1, 1).codes(1, 2, 3, 4)
        if self.is_reference:
            if is_idr:
                bits.put(0, 2)
            elif self.resets and field != 1:
                bits.put(1, 1).codes(1, 4, 3, 1, 2, 5, 0)
            else:
                bits.put(0, 1)
        return bits.unit((0x65 if is_idr else 0x61) if self.is_reference else 0x01, closed=False)


def numbered(pictures: list[Picture], coding: Coding) -> list[Picture]:
    """Frame numbers as 7.4.3 has them."""
    found: list[Picture] = []
    number, follows_reference, first = 0, False, True
    for given_picture in pictures:
        picture = given_picture
        if picture.is_idr or first:
            picture = replace(picture, is_idr=True, kind=2, is_reference=True, resets=False)
            number, first = 0, False
        elif follows_reference:
            number = (number + 1) % (1 << coding.bits)
        found.append(replace(picture, number=number))
        follows_reference = picture.is_reference
        if picture.resets:
            number = 0
    return found


def steps(pictures: list[Picture], coding: Coding, *, listed: bool) -> list[PictureStep | None]:
    """What is told of each picture but the first."""
    sets = coding.sets()
    if listed:
        extradata = b"\1\x64\0\x1f\xff\xe1" + len(sets[0]).to_bytes(2, "big") + sets[0]
        numbers = FrameNumbers(extradata + b"\1" + len(sets[1]).to_bytes(2, "big") + sets[1])
        packets = [b"".join(len(u).to_bytes(4, "big") + u for u in p.units(coding)) for p in pictures]
    else:
        numbers = FrameNumbers(None)
        packets = [b"".join(b"\0\0\0\1" + u for u in (*(sets if p.is_idr else []), *p.units(coding))) for p in pictures]
    return [numbers.step(packet, None) for packet in packets]


codings = st.builds(
    Coding,
    bits=st.sampled_from([4, 5, 9, 16]),
    has_fields=st.booleans(),
    profile=st.sampled_from([66, 77, 100]),
    order_type=st.sampled_from([0, 1, 2]),
    weighs=st.booleans(),
)
streams = st.lists(
    st.builds(
        Picture,
        kind=st.sampled_from([0, 0, 0, 1, 2]),
        is_reference=st.sampled_from([True, True, False]),
        is_idr=st.integers(0, 9).map(lambda n: n == 0),
        pair=st.booleans(),
        resets=st.integers(0, 7).map(lambda n: n == 0),
    ),
    min_size=2,
    max_size=40,
)


def fitted(pictures: list[Picture], coding: Coding) -> list[Picture]:
    return numbered(
        [replace(p, pair=p.pair and coding.has_fields, resets=p.resets and p.is_reference) for p in pictures], coding
    )


@given(streams, codings, st.booleans())
def test_a_sound_stream_never_jumps(pictures: list[Picture], coding: Coding, listed: bool) -> None:
    sound = fitted(pictures, coding)
    found = steps(sound, coding, listed=listed)
    for (before, picture), step in zip(pairwise(sound), found[1:], strict=True):
        if picture.is_idr:  # the second of two fields follows the first
            assert step is None or (picture.pair and not step.jumps)
        else:
            assert step == PictureStep(before.is_reference, jumps=False)


@given(streams, codings, st.booleans(), st.data())
def test_a_missing_reference_is_told_by_what_follows(
    pictures: list[Picture], coding: Coding, listed: bool, data: st.DataObject
) -> None:
    plain = [replace(p, resets=False, is_idr=False) for p in pictures]
    sound = fitted([plain[0], *plain, Picture()], coding)
    lost = data.draw(
        st.sampled_from([i for i, p in enumerate(sound) if p.is_reference and 0 < i < len(sound) - 1] or [0])
    )
    if lost == 0:
        return
    found = steps(sound[:lost] + sound[lost + 1 :], coding, listed=listed)
    after = sound[lost + 1]
    step = found[lost]
    assert step is not None
    assert step.jumps == (after.kind != 2)
    assert not any(other is not None and other.jumps for other in found[:lost] + found[lost + 1 :])


def test_numbers_may_be_left_out_where_the_stream_says_so() -> None:
    coding = Coding(may_skip=True)
    sound = numbered([Picture() for _ in range(12)], coding)
    assert {step.jumps for step in steps(sound[::3], coding, listed=True) if step is not None} == {False}


def test_after_a_jump_to_an_intra_picture_only_what_is_shown_before_it_is_made_from_missing_ones() -> None:
    coding = Coding()
    sound = numbered(
        [Picture(), Picture(), Picture(), Picture(kind=2), Picture(kind=1, is_reference=False), Picture()], coding
    )
    numbers = FrameNumbers(None)
    told = []
    for picture, pts in zip(sound[:2] + sound[3:], (0, 1, 5, 4, 6), strict=True):
        units = (*(coding.sets() if picture.is_idr else []), *picture.units(coding))
        told.append(numbers.step(b"".join(b"\0\0\1" + unit for unit in units), pts))
    assert [step is not None and step.jumps for step in told] == [False, False, False, True, False]


@given(st.binary(max_size=300), st.binary(max_size=60), st.booleans())
def test_any_bytes_are_survived(packet: bytes, extradata: bytes, listed: bool) -> None:
    numbers = FrameNumbers(b"\1\x64\0\x1f\xff\xe1" + extradata if listed else extradata)
    numbers.step(packet, 0)
    for unit in Coding().sets():
        numbers.step(b"\0\0\0\1" + unit + packet, 0)
    numbers.step(b"\0\0\0\1\x61" + packet, 0)


def test_a_habit_is_what_happens_most_of_the_time() -> None:
    usual, jump = PictureStep(after_reference=True, jumps=False), PictureStep(after_reference=True, jumps=True)
    other = PictureStep(after_reference=False, jumps=True)
    assert habits([usual] * 20 + [jump] * 5) == frozenset()
    assert habits([usual] * 2 + [jump] * 5 + [other]) == {True}
    assert habits([usual] * 20 + [other] * 3) == {False}
    assert habits([jump] * 2) == frozenset()


SETTINGS = {
    "b-frames": {"g": "20", "bf": "3", "refs": "4", "x264-params": "b-pyramid=normal"},
    "strict": {"g": "20", "bf": "3", "x264-params": "b-pyramid=strict:open-gop=1"},
    "many-references": {"g": "50", "bf": "8", "refs": "16", "x264-params": "b-pyramid=normal"},
    "interlaced": {"g": "20", "bf": "2", "x264-params": "interlaced=1:open-gop=1"},
    "refresh": {"g": "20", "bf": "0", "x264-params": "intra-refresh=1"},
    "slices": {"g": "20", "bf": "1", "x264-params": "slices=4:weightp=2"},
    "one-group": {"g": "1000", "bf": "0", "x264-params": "keyint=infinite:scenecut=0"},
    "short-groups": {"g": "3", "bf": "0"},
}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("form", ["mp4", "ts"])
def test_what_an_encoder_writes_never_jumps(name: str, form: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / f"clip.{form}", 60, options=SETTINGS[name], size=(128, 64))
    with av.open(str(path)) as container:
        numbers = FrameNumbers(container.streams.video[0].codec_context.extradata)
        told = [numbers.step(memoryview(p), p.pts) for p in container.demux(video=0) if p.size]
    assert {step.jumps for step in told if step is not None} == {False}
    assert sum(step is None for step in told) <= 60 / 3
