"""Files of two folders that belong together are found, and what has no partner is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.pairs import (
    Pair,
    TracksOfVideo,
    files_of_frames,
    one_file,
    one_folder,
    pair_files,
)

SHEETS = one_file(".txt", ".csv")


def touch(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return str(folder)


def test_pairs_are_found_by_path_then_by_stem(tmp_path: Path) -> None:
    videos = touch(
        tmp_path / "v", "a.mp4", "b.c.mkv", "may/x.mp4", "june/x.mp4", "may/only.mp4", ".hidden.mp4", "z.avi"
    )
    tracks = touch(tmp_path / "t", "a.txt", "b.c.csv", "june/x.txt", "may/x.txt", "only.txt", "lost.txt", "labels.txt")
    found = pair_files(videos, tracks, SHEETS)
    assert found.pairs == [
        Pair("a", f"{videos}/a.mp4", f"{tracks}/a.txt"),
        Pair("b.c", f"{videos}/b.c.mkv", f"{tracks}/b.c.csv"),
        Pair("june/x", f"{videos}/june/x.mp4", f"{tracks}/june/x.txt"),
        Pair("may/only", f"{videos}/may/only.mp4", f"{tracks}/only.txt"),
        Pair("may/x", f"{videos}/may/x.mp4", f"{tracks}/may/x.txt"),
    ]
    assert found.no_tracks == [f"{videos}/z.avi"]
    assert found.no_video == [f"{tracks}/lost.txt"]


def test_videos_and_tracks_may_lie_in_one_folder(tmp_path: Path) -> None:
    folder = touch(tmp_path, "a.mp4", "a.txt", "a.json", "b.mp4")
    found = pair_files(folder, folder, SHEETS)
    assert [pair.key for pair in found.pairs] == ["a"]
    assert (found.no_tracks, found.no_video) == ([f"{folder}/b.mp4"], [])


@pytest.mark.parametrize(
    ("videos", "tracks"),
    [(["a.mp4", "a.avi"], ["a.txt"]), (["a.mp4"], ["a.txt", "a.csv"]), (["m/a.mp4", "n/a.mp4"], ["a.txt"])],
)
def test_a_choice_is_not_guessed(videos: list[str], tracks: list[str], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot be told apart by name: .*a"):
        pair_files(touch(tmp_path / "v", *videos), touch(tmp_path / "t", *tracks), SHEETS)


def test_what_a_camera_leaves_beside_a_video_is_not_taken_for_one(tmp_path: Path) -> None:
    """Without one of that stem, a file may be a video whatever it is called."""
    videos = touch(tmp_path / "v", "a.MP4", "a.THM", "a.LRV", "small/b.jpg", "may/b.mov", "c.insv", "d.jpg")
    tracks = touch(tmp_path / "t", "a.txt", "b.txt", "c.txt")
    found = pair_files(videos, tracks, SHEETS)
    assert [pair.video for pair in found.pairs] == [f"{videos}/{name}" for name in ("a.MP4", "c.insv", "may/b.mov")]
    assert found.no_tracks == [f"{videos}/d.jpg", f"{videos}/small/b.jpg"]


def test_folders_without_a_pair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no video of .* has a file of tracks"):
        pair_files(touch(tmp_path / "v", "a.mp4"), touch(tmp_path / "t", "b.txt"), SHEETS)


@pytest.mark.parametrize(
    ("wanted", "names", "places"),
    [
        (one_file(".xml", ".zip"), ["a.zip", "sub/b.XML", "a.txt"], {"a": "a.zip", "b": "sub/b.XML"}),
        (
            one_folder(),
            ["a/00_000_000001.txt", "a/00_000_000002.txt", "b/7.txt", "b/x.md"],
            {"a": "a/*.txt", "b": "b/*.txt"},
        ),
        (files_of_frames(), ["l/a_1.txt", "l/a_2.txt", "l/b_9.txt", "l/9.txt"], {"a": "l/a_*.txt", "b": "l/b_*.txt"}),
        (files_of_frames(), ["a_1.txt", "b_1.txt", "labels.txt"], {"a": "a_*.txt", "b": "b_*.txt"}),
    ],
    ids=["files", "folders", "files of frames", "beside each other"],
)
def test_tools_put_tracks_in_files_in_folders_or_in_a_file_a_frame(
    wanted: TracksOfVideo, names: list[str], places: dict[str, str], tmp_path: Path
) -> None:
    videos, tracks = touch(tmp_path / "v", "a.mp4", "b.mp4", "c.mp4"), touch(tmp_path / "t", *names)
    found = pair_files(videos, tracks, wanted)
    assert {Path(pair.video).stem: pair.tracks for pair in found.pairs} == {
        name: str(tmp_path / "t" / place) for name, place in places.items()
    }
    assert found.no_tracks == [f"{videos}/c.mp4"]
    assert found.no_video == []


def test_what_has_no_video_is_named_by_what_one_would_look_for(tmp_path: Path) -> None:
    videos = touch(tmp_path / "v", "a.mp4")
    tracks = touch(tmp_path / "t", "a_1.txt", "b_1.txt", "b_2.txt", "a/1.txt", "b/1.txt")
    assert pair_files(videos, tracks, files_of_frames()).no_video == [f"{tracks}/b_*.txt"]
    assert pair_files(videos, tracks, one_folder()).no_video == [f"{tracks}/b"]


def test_hidden_folders_and_dots_in_names_of_folders_stand_in_nobodys_way(tmp_path: Path) -> None:
    videos = touch(tmp_path / "v", "may/cam.mp4", ".trash/cam.mp4", "_old/cam.mp4", "cam.1/README")
    tracks = touch(tmp_path / "t", "cam.csv", ".trash/cam.csv")
    found = pair_files(videos, tracks, SHEETS)
    assert found.pairs == [Pair("may/cam", f"{videos}/may/cam.mp4", f"{tracks}/cam.csv")]
    assert (found.no_tracks, found.no_video) == ([f"{videos}/cam.1/README"], [])


def test_a_folder_may_be_spelt_in_any_way(tmp_path: Path) -> None:
    videos, tracks = touch(tmp_path / "v", "may/cam.mp4"), touch(tmp_path / "t", "may/cam.csv")
    for way in (f"{videos}/../v//", f"file://{videos}/", f"{videos}/./"):
        assert [pair.key for pair in pair_files(way, f"{tracks}/../t", SHEETS).pairs] == ["may/cam"], way


def test_what_is_no_folder_of_files_is_named(tmp_path: Path) -> None:
    videos, tracks = touch(tmp_path / "v", "a.mp4"), touch(tmp_path / "t", "a.csv")
    (tmp_path / "empty").mkdir()
    for wrong in (f"{videos}/a.mp4", f"{tmp_path}/absent", f"{tmp_path}/empty"):
        with pytest.raises(ManifestError, match=f"{wrong}: is no folder with files"):
            pair_files(wrong, tracks, SHEETS)
        with pytest.raises(ManifestError, match=f"{wrong}: is no folder with files"):
            pair_files(videos, wrong, SHEETS)
