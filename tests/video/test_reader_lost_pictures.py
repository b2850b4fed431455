"""Files that lack whole pictures, as recordings over a network do: what was made from those is never called sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from par_model.errors import FailureCode, TrackletError
from par_model.video.bytes.source import open_video
from par_model.video.collect import RawCrops
from par_model.video.decord_reader import DecordReader
from par_model.video.packet_index import packet_indexes
from tests.video import camera_files
from tests.video.containers.test_complaints import remux
from tests.video.damaged_files import FRAMES, one_by_one, read_each, whole_file
from tests.video.frame_numbers import read

NO_B: dict[str, Any] = {"options": {"g": "20", "bf": "0"}}
B_FRAMES: dict[str, Any] = {"options": {"g": "20", "bf": "2", "sc_threshold": "0"}}
OPEN: dict[str, Any] = {
    "options": {"g": "20", "bf": "3", "sc_threshold": "0", "x264-params": "open-gop=1:b-pyramid=normal"}
}
FIELDS: dict[str, Any] = {"options": B_FRAMES["options"] | {"x264-params": "interlaced=1"}}
X265 = "log-level=none:pools=1:keyint=20:min-keyint=20:scenecut=0:open-gop=0"
HEVC: dict[str, Any] = {"codec": "libx265", "options": {"x265-params": f"{X265}:bframes=0"}}
HEVC_B: dict[str, Any] = {"codec": "libx265", "options": {"x265-params": f"{X265}:bframes=3"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lost")


def without(folder: Path, name: str, settings: dict[str, Any], lost: int) -> Path:
    """A clip without its packet number ``lost``."""
    path = folder / f"without-{lost}-{name}"
    if not path.exists():
        remux(whole_file(folder, name, settings), path, lambda number, content: None if number == lost else content)
    return path


def pictures(path: Path) -> dict[int, NDArray[np.uint8]]:
    """The pictures of a sound file by the number that each shows."""
    with av.open(str(path)) as container:
        found = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return {read(picture): picture for picture in found}


KINDS = {"p": NO_B, "b": B_FRAMES, "open": OPEN, "fields": FIELDS}
FORMS = [("p", "mp4"), ("b", "ts"), ("open", "mp4"), ("fields", "ts"), ("b", "avi")]
MORE = [(name, form) for name in KINDS for form in ("mp4", "mkv", "ts", "avi", "flv") if (name, form) not in FORMS]


@pytest.mark.parametrize(("name", "form"), [*FORMS, *(pytest.param(*more, marks=pytest.mark.slow) for more in MORE)])
def test_what_was_made_from_a_lost_picture_is_never_passed_off_as_sound(name: str, form: str, folder: Path) -> None:
    """FFmpeg puts a copy of the picture before in its place, and says nothing."""
    settings = KINDS[name]
    whole = whole_file(folder, f"{name}.{form}", settings)
    sound = pictures(whole)
    with av.open(str(whole)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    largest = sorted(range(22, 38), key=lambda number: sizes[number])[-1:]
    failed = 0
    for lost in (*largest, 2, 40):
        for result in read_each(str(without(folder, whole.name, settings, lost)), "fail", range(FRAMES - 1)):
            if isinstance(result, RawCrops):
                shown = read(result.images[0])
                assert shown in (result.row, result.row + 1)
                assert np.array_equal(result.images[0], sound[shown]), (lost, result.row)
            else:
                assert result.code is FailureCode.VIDEO_DAMAGED
                failed += 1
    assert failed >= 10


@pytest.mark.parametrize("form", ["mp4", pytest.param("mkv", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "settings", "lost"),
    [("p", NO_B, 25), ("b", B_FRAMES, 26), ("hevc", HEVC, 20), ("hevc", HEVC, 25), ("hevc-b", HEVC_B, 20)],
)
def test_groups_of_pictures_after_the_damaged_one_are_counted_by_packets_however_they_are_read(
    name: str, settings: dict[str, Any], lost: int, form: str, folder: Path
) -> None:
    """Of HEVC, FFmpeg gives no frame for some packets that follow a lost one: 55 frames of 74 packets."""
    whole = whole_file(folder, f"{name}.{form}", settings)
    uri = str(without(folder, whole.name, settings, lost))
    together = one_by_one(uri, "fail", range(FRAMES - 1))
    assert [together[k] for k in range(15)] == list(range(15))
    assert isinstance(together[35], FailureCode)
    assert [together[k] for k in range(45, FRAMES - 1)] == list(range(46, FRAMES))
    wrong = {k: n for k, n in together.items() if not isinstance(n, FailureCode) and n not in (k, k + 1)}
    assert wrong == {}
    for wanted in (range(18, 24), [45]):
        packet_indexes._indexes.clear()
        for again in (wanted, wanted):
            assert one_by_one(uri, "fail", again) == {k: together[k] for k in again}


@pytest.mark.parametrize(("name", "settings"), [("hevc.ts", HEVC), ("hevc-b.ts", HEVC_B)])
def test_without_a_table_all_that_follows_a_lost_key_frame_is_damaged(
    name: str, settings: dict[str, Any], folder: Path
) -> None:
    found = one_by_one(str(without(folder, name, settings, 20)), "fail", range(FRAMES - 1))
    assert [found[k] for k in range(15)] == list(range(15))
    assert {found[k] for k in range(20, FRAMES - 1)} == {FailureCode.VIDEO_DAMAGED}


def test_a_lost_picture_of_a_dhav_recording_is_told_by_what_follows(folder: Path) -> None:
    n = camera_files.FRAMES
    assert one_by_one(str(camera_files.dhav(folder / "whole.dav")), "fail", range(n)) == {k: k for k in range(n)}
    found = one_by_one(str(camera_files.dhav(folder / "lost.dav", without=25)), "fail", range(n - 1))
    assert [found[k] for k in range(9)] == list(range(9))
    assert {found[k] for k in range(25, n - 1)} == {FailureCode.VIDEO_DAMAGED}


@pytest.mark.parametrize("form", ["mp4", "ts"])
def test_numbers_that_always_jump_are_an_encoders_habit(form: str, folder: Path) -> None:
    """Where a recorder leaves out the upper layer of a hierarchy, they jump all the time and the pictures are sound: so
    they say nothing there. The clip stands for such a file, though its own pictures need those that are left out."""
    whole = whole_file(folder, f"all-references.{form}", {"options": {"g": "20", "bf": "0", "refs": "1"}})
    path = folder / f"thinned.{form}"
    remux(whole, path, lambda number, content: content if number % 2 == 0 else None)
    found = one_by_one(str(path), "fail", range(38))
    assert not any(isinstance(shown, FailureCode) for shown in found.values())


def test_decord_refuses_a_file_that_lacks_pictures(folder: Path) -> None:
    whole = whole_file(folder, "p.mp4", NO_B)
    with open_video(str(whole)) as file, DecordReader(file) as reader:
        assert reader.count == FRAMES
    lacking = without(folder, whole.name, NO_B, 25)
    with open_video(str(lacking)) as file, pytest.raises(TrackletError, match="frame numbers jump"):
        DecordReader(file)
