"""KITTI's tracking labels, and DeepStream's files of the same kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.formats.kitti import read_deepstream, read_kitti
from par_model.manifest.importers.gather import gather
from par_model.manifest.importers.tracks import TrackBox

REST = "1.8 0.6 0.8 1.5 1.4 9.2 0.1"
KITTI = f"""\
0 2 Pedestrian 0 0 -2.5 1106.13 166.57 1204.25 323.87 {REST}
0 -1 DontCare -1 -1 -10.0 219.31 188.49 245.50 218.56 -1000 -1000 -1000 -10 -1 -1 -1
1 2 Pedestrian 0 0 -2.5 1100 166 1200 326 {REST}
1 5 Car 0 0 -2.5 10 20 60 80 {REST}
3 7 Person 0 0 -2.5 10 20 60 80 {REST}
"""


def test_a_label_file_of_the_data_set(tmp_path: Path) -> None:
    (tmp_path / "0000.txt").write_text(KITTI)
    tracks = gather(read_kitti(str(tmp_path / "0000.txt")))
    first = TrackBox(0, 1106.13, 166.57, 1204.25 - 1106.13, 323.87 - 166.57)
    assert list(tracks.by_id) == ["2", "7"]
    assert next(iter(tracks.by_id["2"])) == pytest.approx(first, rel=1e-6)
    assert list(tracks.by_id["2"])[1:] == [TrackBox(1, 1100, 166, 100, 160)]
    assert list(tracks.by_id["7"]) == [TrackBox(3, 10, 20, 50, 60)]
    assert [str(part) for part in tracks.left_out] == ["2 boxes of classes that are not people ('DontCare' 1, 'Car' 1)"]
    assert list(gather(read_kitti(str(tmp_path / "0000.txt"), people=("car",))).by_id) == ["5"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("0 2 Pedestrian 0 0 -2.5 1 2 3", "line 2: 9 columns, expected 17 or 18"),
        (f"-1 2 Pedestrian 0 0 -2.5 1 2 3 4 {REST}", "line 2: '-1' is not a frame, counted from 0"),
        (f"0 2 Pedestrian 0 0 -2.5 1 2 x 4 {REST}", "line 2: 'x' is not a number"),
    ],
)
def test_other_lines_are_refused(line: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(f"\n{line}\n")
    with pytest.raises(ManifestError) as caught:
        read_kitti(str(tmp_path / "t.txt"))
    assert problem in str(caught.value)


def dumped(label: str, track: int | None, sides: str, confidence: str = "0.91") -> str:
    """A line as deepstream-app prints it: of a tracker with an id, of a detector without."""
    number = "" if track is None else f"{track} "
    return f"{label} {number}0.0 0 0.0 {sides} 0.0 0.0 0.0 0.0 0.0 0.0 0.0 {confidence}\n"


def write(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name.lstrip('f')}.txt").write_text(text)
    return str(folder)


def test_a_folder_that_deepstream_dumped(tmp_path: Path) -> None:
    """Frames from 0, labels with blanks in them, and the largest number for what no tracker has seen yet."""
    uri = write(
        tmp_path,
        f00_000_000000=dumped("person", 11, "10.5 20.0 60.5 140.0") + dumped("person", 2**64 - 1, "1.0 2.0 3.0 4.0"),
        f00_000_000001="",
        f00_000_000007=dumped("person", 11, "12.0 20.0 62.0 140.0") + dumped("traffic light", 3, "1.0 2.0 3.0 4.0"),
    )
    tracks = gather(read_deepstream(uri))
    assert {name: list(track) for name, track in tracks.by_id.items()} == {
        "11": [TrackBox(0, 10.5, 20, 50, 120), TrackBox(7, 12, 20, 50, 120)]
    }
    assert [str(part) for part in tracks.left_out] == [
        "1 box of classes that are not people ('traffic light' 1)",
        "1 box of no track (DeepStream's id of untracked objects)",
    ]


def test_a_folder_of_several_streams_wants_a_pattern(tmp_path: Path) -> None:
    line = dumped("person", 1, "1.0 2.0 3.0 4.0")
    uri = write(tmp_path, f00_000_000000=line, f00_001_000004=line)
    with pytest.raises(ManifestError, match=r"frames of 2 videos \(00_000, 00_001\).*--tracks '.*/00_000_\*\.txt'"):
        read_deepstream(uri)
    assert gather(read_deepstream(f"{uri}/00_001_*.txt")).by_id["1"].frames.tolist() == [4]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (dumped("person", None, "1.0 2.0 3.0 4.0"), "line 1: has no track id: this is what a detector gave"),
        ("person 1 2 3\n", "line 1: is not a line such as 'person 7 0.0"),
        ("", "its files are all empty"),
    ],
)
def test_what_has_no_tracks_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read_deepstream(write(tmp_path, f00_000_000000=text))
    assert problem in str(caught.value)
