"""Errors in FFmpeg's log: those that concern no picture do not make a sound file a damaged one, all others do."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.logging import Capture

from par_model.errors import FailureCode
from par_model.types import RawCrops
from par_model.video.containers.complaints import listen
from tests.video.damaged_files import FASTSTART, FRAMES, HEVC, MJPEG, damaged_file, flip, one_by_one, read_each
from tests.video.frame_numbers import read, write_clip

PYRAMID = {"g": "20", "bf": "5", "sc_threshold": "0", "x264-params": "b-pyramid=normal:ref=4:open-gop=1"}


SEI_THAT_IS_CUT = b"\x06" + bytes([4, 200]) + b"\x11" * 8 + b"\x80"  # H.264: 8 bytes of 200 are there
SEI_OF_ANOTHER_SEQUENCE = b"\x4e\x01" + bytes([129, 3]) + b"\x02\x15\x80" + b"\x80"  # HEVC: parameter set 20


def message_before(unit: bytes) -> Callable[[int, bytes], bytes]:
    """A supplemental message before the picture of each seventh packet."""

    def change(number: int, packet: bytes) -> bytes:
        return packet if number % 7 else len(unit).to_bytes(4, "big") + unit + packet

    return change


def app_segment_that_is_broken(number: int, packet: bytes) -> bytes:
    """A segment APP11 whose length says less than its own two bytes, as some cameras write, in each seventh picture."""
    assert packet.startswith(b"\xff\xd8")
    return packet if number % 7 else packet[:2] + b"\xff\xeb\x00\x01" + b"camera" + packet[2:]


def from_second_key_frame(number: int, packet: bytes) -> bytes | None:
    """A clip that was cut at a key frame without coding it again: it forgets pictures that came before."""
    return packet if number >= 20 else None


def remux(source: Path, path: Path, change: Callable[[int, bytes], bytes | None]) -> None:
    with av.open(str(source)) as given, av.open(str(path), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        for number, packet in enumerate(given.demux(video=0)):
            content = change(number, bytes(packet)) if packet.size else None
            if content is not None:
                changed = av.Packet(content)
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.duration, changed.is_keyframe, changed.stream = packet.duration, packet.is_keyframe, stream
                taken.mux(changed)


def logged(uri: str) -> tuple[set[str], list[Any]]:
    """The errors that FFmpeg logs while it decodes a file, and its pictures."""
    listen()
    with av.open(uri) as container, Capture() as logs:
        container.streams.video[0].codec_context.thread_count = 1
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return {message.strip() for level, _, message in logs if level <= av.logging.ERROR}, pictures


@pytest.mark.parametrize(
    ("name", "settings", "change", "said"),
    [
        ("app.avi", MJPEG, app_segment_that_is_broken, ("app: invalid len", "unable to decode APP fields")),
        ("sei.mp4", FASTSTART, message_before(SEI_THAT_IS_CUT), ("SEI type 4 size 200 truncated at",)),
        ("sei.mkv", HEVC, message_before(SEI_OF_ANOTHER_SEQUENCE), ("active_parameter_set_id 20",)),
        ("cut.mp4", {"options": PYRAMID}, from_second_key_frame, ("mmco: unref short failure",)),
        ("cut.mkv", {"options": PYRAMID}, from_second_key_frame, ("mmco: unref short failure",)),
    ],
)
def test_a_sound_file_is_read_to_its_end_whatever_is_said_of_its_side_information(
    name: str,
    settings: dict[str, Any],
    change: Callable[[int, bytes], bytes | None],
    said: tuple[str, ...],
    tmp_path: Path,
) -> None:
    source = write_clip(tmp_path / f"source-{name}", FRAMES, **settings)
    path = tmp_path / name
    remux(source, path, change)
    errors, pictures = logged(str(path))
    assert {next((start for start in said if error.startswith(start)), error) for error in errors} == set(said)
    first = 20 if name.startswith("cut") else 0
    assert [read(picture) for picture in pictures][-50:] == list(range(FRAMES - 50, FRAMES))
    results = list(read_each(str(path), "fail", range(len(pictures))))
    assert len(results) == len(pictures) >= FRAMES - first
    for result in results:
        assert isinstance(result, RawCrops), result
        assert np.array_equal(result.images[0], pictures[result.row])
        assert read(result.images[0]) == result.row + first


def test_parameter_sets_of_an_avi_file_that_make_no_sense_are_no_damage_where_the_stream_has_its_own(
    tmp_path: Path,
) -> None:
    options = {"g": "20", "bf": "0", "x264-params": "repeat-headers=1"}
    path = write_clip(tmp_path / "clip.avi", FRAMES, options=options)
    data = bytearray(path.read_bytes())
    at = data.index(b"strf")
    junk = at + 8 + 40
    assert data[at + 4] == data[at + 8] == 40
    assert data[junk : junk + 4] == b"JUNK"
    size = int.from_bytes(data[junk + 4 : junk + 8], "little")
    data[at + 4] = data[at + 8] = 48  # eight bytes more, taken from what follows
    data[junk : junk + 16] = b"\0recorder"[:8] + b"JUNK" + (size - 8).to_bytes(4, "little")
    path.write_bytes(data)
    assert logged(str(path))[0] == {"No start code is found."}
    assert one_by_one(str(path), "fail") == {k: k for k in range(FRAMES)}


@pytest.fixture
def level() -> Iterator[None]:
    before, logger = av.logging.get_level(), logging.getLogger("libav")
    logger_before = logger.level
    yield
    av.logging.set_level(before)
    logger.setLevel(logger_before)


@pytest.mark.parametrize("asked", [None, av.logging.PANIC, av.logging.ERROR, "default"])
def test_damage_is_heard_whatever_was_asked_of_the_log_and_shown_to_nobody_who_did_not_ask(
    asked: int | str | None, tmp_path: Path, level: None, caplog: pytest.LogCaptureFixture
) -> None:
    uri = damaged_file(tmp_path, "mpeg4.avi", {"codec": "mpeg4", "options": {"g": "20"}, "bit_rate": 2_000_000}, flip)
    if isinstance(asked, str):
        av.logging.restore_default_callback()
    else:
        av.logging.set_level(asked)
    found = one_by_one(uri, "fail")
    assert found[0] == 0
    assert found[FRAMES - 1] is FailureCode.VIDEO_DAMAGED
    assert [record for record in caplog.records if record.name.startswith("libav")] == []


def test_what_another_thread_decodes_at_the_same_time_is_not_held_against_a_sound_file(tmp_path: Path) -> None:
    damaged = damaged_file(tmp_path, "h264.mp4", FASTSTART, flip)
    sound = str(write_clip(tmp_path / "sound.mp4", FRAMES))
    begun, done, failures = threading.Event(), threading.Event(), []

    def read_damaged() -> None:
        while not done.is_set():
            failures.append(sum(isinstance(shown, FailureCode) for shown in one_by_one(damaged, "fail").values()))
            begun.set()

    other = threading.Thread(target=read_damaged)
    other.start()
    try:
        assert begun.wait(60)
        for _ in range(5):
            assert one_by_one(sound, "fail") == {k: k for k in range(FRAMES)}
    finally:
        done.set()
        other.join()
    assert len(failures) >= 2
    assert len(set(failures)) == 1
    assert failures[0] > 0
