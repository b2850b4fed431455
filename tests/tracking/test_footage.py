"""Which videos there are, and what their ids begin with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from par_model import storage
from par_model.errors import ManifestError, UsageError
from par_model.manifest.importers.name_pattern import NamePattern
from par_model.tracking.footage import Naming, find_footage


def touch(root: Path, *names: str) -> str:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return str(root)


def test_a_folder_gives_what_is_called_as_videos_are(tmp_path: Path) -> None:
    folder = touch(tmp_path, "b.MP4", "deep/a.mkv", "notes.txt", ".hidden.mp4", "_track/c.mp4", "deep/cam.dav")
    found = find_footage([folder], Naming())
    assert [one.uri for one in found.footage] == [f"{folder}/b.MP4", f"{folder}/deep/a.mkv", f"{folder}/deep/cam.dav"]
    assert [one.key for one in found.footage] == ["b", "a", "cam"]
    assert found.others == [f"{folder}/notes.txt"]


def test_a_hidden_folder_that_is_named_counts_however_it_is_spelt(tmp_path: Path) -> None:
    folder = touch(tmp_path / ".data", "v/a.mp4", "v/.b.mp4")
    for way in ("v", "v/../v", "v//", "./v"):
        assert [one.uri for one in find_footage([f"{folder}/{way}"], Naming()).footage] == [f"{folder}/v/a.mp4"], way


def test_files_and_patterns_are_taken_as_they_are_and_each_once(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.bin", "b.mp4", "c.mp4")
    found = find_footage([f"{folder}/*.mp4", f"{folder}/a.bin", f"{folder}/b.mp4", f"{folder}/gone.mp4"], Naming())
    assert [storage.name(one.uri) for one in found.footage] == ["a.bin", "b.mp4", "c.mp4", "gone.mp4"]


def test_s3_folders_and_patterns(s3: Callable[[], str]) -> None:
    bucket = s3()
    for name in ("v/a.mp4", "v/b.mp4", "v/c.txt"):
        storage.write_bytes(f"{bucket}/{name}", b"x")
    for place in (f"{bucket}/v", f"{bucket}/v/*.mp4"):
        assert [one.uri for one in find_footage([place], Naming()).footage] == [
            f"{bucket}/v/a.mp4",
            f"{bucket}/v/b.mp4",
        ]


@pytest.mark.parametrize(
    ("names", "naming", "keys"),
    [
        (["cam1.mp4"], Naming(), ["cam1"]),
        (["cam1.mp4"], Naming(camera="north"), ["north"]),
        (["cam1.mp4"], Naming(camera="north", id_prefix="x"), ["x"]),
        (["a.mp4", "b.mp4"], Naming(camera="north"), ["a", "b"]),
        (["a.mp4", "b.mp4"], Naming(id_prefix="x"), ["x-a", "x-b"]),
        (["a.avi", "a.mp4"], Naming(), ["a.avi", "a.mp4"]),
        (["m/1.mp4", "t/1.mp4"], Naming(), ["m/1", "t/1"]),
        (["m/1.avi", "m/1.mp4", "t/1.mp4"], Naming(), ["m/1.avi", "m/1.mp4", "t/1.mp4"]),
    ],
)
def test_ids_begin_with_what_tells_videos_apart(
    tmp_path: Path, names: list[str], naming: Naming, keys: list[str]
) -> None:
    assert [one.key for one in find_footage([touch(tmp_path, *names)], naming).footage] == keys


def test_names_tell_camera_and_time(tmp_path: Path) -> None:
    folder = touch(tmp_path, "north_20260501-080000.mp4", "south_20260501-090000.mp4")
    naming = Naming(camera="x", pattern=NamePattern("{camera}_{time:%Y%m%d-%H%M%S}.mp4"))
    found = find_footage([folder], naming).footage
    assert [one.camera for one in found] == ["north", "south"]
    assert [one.start_time for one in found] == [datetime(2026, 5, 1, hour, tzinfo=UTC) for hour in (8, 9)]


def test_all_names_that_do_not_fit_are_counted_before_anything_is_done(tmp_path: Path) -> None:
    folder = touch(tmp_path, "north_1.mp4", *(f"{letter}.mp4" for letter in "abcd"))
    with pytest.raises(ManifestError, match=r"4 names of videos do not fit .*: a\.mp4, b\.mp4, c\.mp4 and 1 more"):
        find_footage([folder], Naming(pattern=NamePattern("{camera}_{}.mp4")))


def test_a_start_time_is_one_videos(tmp_path: Path) -> None:
    naming = Naming(start_time=datetime(2026, 5, 1))
    assert find_footage([touch(tmp_path, "a.mp4")], naming).footage[0].start_time == datetime(2026, 5, 1)
    with pytest.raises(UsageError, match="--name-pattern"):
        find_footage([touch(tmp_path, "b.mp4")], naming)


def test_a_place_without_a_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no video, but 1 other file"):
        find_footage([touch(tmp_path, "a.txt")], Naming())
    with pytest.raises(ManifestError, match="there is no video"):
        find_footage([f"{tmp_path}/*.mp4"], Naming())
