"""Files of two folders that belong together are found, and what has no partner is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.videos import Pair, pair_files, stem


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
    found = pair_files(videos, tracks)
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
    folder = touch(tmp_path, "a.mp4", "a.txt", "b.mp4")
    found = pair_files(folder, folder)
    assert [pair.key for pair in found.pairs] == ["a"]
    assert (found.no_tracks, found.no_video) == ([f"{folder}/b.mp4"], [])


@pytest.mark.parametrize(
    ("videos", "tracks"),
    [(["a.mp4", "a.avi"], ["a.txt"]), (["a.mp4"], ["a.txt", "a.csv"]), (["m/a.mp4", "n/a.mp4"], ["a.txt"])],
)
def test_a_choice_is_not_guessed(videos: list[str], tracks: list[str], tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot be told apart by name: .*a"):
        pair_files(touch(tmp_path / "v", *videos), touch(tmp_path / "t", *tracks))


def test_folders_without_a_pair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no video of .* has a file of tracks"):
        pair_files(touch(tmp_path / "v", "a.mp4"), touch(tmp_path / "t", "b.txt"))


def test_a_stem_is_a_name_without_its_suffix() -> None:
    assert [stem(uri) for uri in ("s3://b/a.b.mp4", "/x/.mp4", "plain")] == ["a.b", ".mp4", "plain"]
