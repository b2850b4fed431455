"""Folders with a text file for each frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.frame_files import Origins, read_frame_files, read_lines


def write(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return str(folder)


def test_lines_come_by_file_with_the_frame_of_its_name(tmp_path: Path) -> None:
    found = read_frame_files(write(tmp_path, v_2="0 1 2\n\n  3  4\n", v_10="5\n", notes="hello\n"))
    assert [(line.frame, list(line.words), line.number) for line in found.lines] == [
        (10, ["5"], 1),
        (2, ["0", "1", "2"], 1),
        (2, ["3", "4"], 3),
    ]
    assert [str(left) for left in found.left_out] == ["1 file not named by a frame of this video"]
    where = Origins(found.lines)
    assert where(0, 2) == f"{tmp_path}/v_10.txt, line 1 and {tmp_path}/v_2.txt, line 3"


def test_names_may_be_numbers_alone_and_a_pattern_chooses(tmp_path: Path) -> None:
    folder = write(tmp_path, **{"0007": "a\n", "w_1": "b\n"})
    assert [line.frame for line in read_frame_files(f"{folder}/0*.txt").lines] == [7]
    assert [list(line.words) for line in read_frame_files(folder, series="w").lines] == [["b"]]


def test_frames_of_several_videos_are_not_mixed(tmp_path: Path) -> None:
    folder = write(tmp_path, **{f"{name}_1": "0\n" for name in "abcd"})
    with pytest.raises(ManifestError, match=r"has the frames of 4 videos \(a, b, c, \.\.\.\): name one's files .*a_\*"):
        read_frame_files(folder)
    with pytest.raises(ManifestError, match=r"no file there is called like v_12\.txt"):
        read_frame_files(f"{folder}/*.csv")


def test_frames_of_one_video_in_several_folders_are_not_mixed(tmp_path: Path) -> None:
    """As a tool leaves them that has run twice."""
    for run in ("track", "track2"):
        (tmp_path / run).mkdir()
        write(tmp_path / run, v_1="0\n", w_1="0\n")
    for place in (str(tmp_path), f"{tmp_path}/*/v_*.txt"):
        with pytest.raises(
            ManifestError, match=rf"several folders there \({tmp_path}/track, {tmp_path}/track2\): give"
        ):
            read_frame_files(place, series="v")
    assert len(read_frame_files(f"{tmp_path}/track2", series="v").lines) == 1


def test_what_is_no_text_is_named_with_its_byte(tmp_path: Path) -> None:
    (tmp_path / "v_1.txt").write_bytes(b"0 1\n\xff")
    with pytest.raises(ManifestError, match=r"v_1\.txt: is not UTF-8 text: invalid start byte at byte 4"):
        read_lines(f"{tmp_path}/v_1.txt")
