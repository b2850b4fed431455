"""The folder of files that Ultralytics writes; its lines as ultralytics 8.4.190 wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.formats.ultralytics import read_ultralytics
from par_model.manifest.importers.gather import gather

TRACKED = "0 0.0552734 0.166667 0.0777344 0.25 1\n2 0.195312 0.197917 0.078125 0.270833 7\n"
UNTRACKED = "0 0.0578125 0.166667 0.078125 0.25 1\n0 0.195312 0.197917 0.078125 0.270833\n"
WITH_CONFIDENCE = "0 0.0552734 0.166667 0.0777344 0.25 0.9 1\n0 0.195312 0.197917 0.078125 0.270833 0.8\n"


def write(folder: Path, **files: str) -> str:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    return str(folder)


def test_frames_are_those_of_the_files_and_ids_are_told_by_the_number_of_columns(tmp_path: Path) -> None:
    uri = write(tmp_path / "labels", v_1=TRACKED, v_2=UNTRACKED, v_12=TRACKED)
    tracks = gather(read_ultralytics(uri, people=("0",)))
    assert {name: track.frames.tolist() for name, track in tracks.by_id.items()} == {"1": [0, 1, 11]}
    assert tracks.by_id["1"].boxes[0].tolist() == pytest.approx([0.0164062, 0.041667, 0.0777344, 0.25])
    assert [str(part) for part in tracks.left_out] == [
        "2 boxes of classes that are not people ('2' 2)",
        "1 box of no track (no track id)",
    ]


def test_the_last_number_of_a_shorter_line_is_no_id(tmp_path: Path) -> None:
    tracks = gather(read_ultralytics(write(tmp_path, v_1=WITH_CONFIDENCE)))
    assert list(tracks.by_id) == ["1"]
    assert tracks.left_out[-1].count == 1


def test_with_a_stride_the_files_are_numbered_anew(tmp_path: Path) -> None:
    """vid_stride=3 reads the frames 2, 5, 8 and calls their files 1, 2, 3."""
    uri = write(tmp_path, v_1=UNTRACKED, v_2=UNTRACKED, v_3=UNTRACKED)
    assert gather(read_ultralytics(uri, stride=3)).by_id["1"].frames.tolist() == [2, 5, 8]


def test_the_video_chooses_among_several_and_a_pattern_does_too(tmp_path: Path) -> None:
    uri = write(tmp_path, gate_1=UNTRACKED, hall_north_2=UNTRACKED, hall_north_3=UNTRACKED, notes="x")
    tracks = gather(read_ultralytics(uri, stem="hall_north"))
    assert tracks.by_id["1"].frames.tolist() == [1, 2]
    assert str(tracks.left_out[0]) == "2 files not named by a frame of this video"
    assert gather(read_ultralytics(f"{uri}/gate_*.txt", stem="other")).by_id["1"].frames.tolist() == [0]
    with pytest.raises(ManifestError, match=r"has the frames of 2 videos \(gate, hall_north\): name one's files by a"):
        read_ultralytics(uri, stem="cellar")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0 0.5 0.5 0.1 0.2\n", "no box has a track id"),
        ("0 0.5 0.5 0.1 0.2 0.87\n0 0.5 0.5 0.1 0.2 0.75\n", "no box has a track id"),
        ("0 0.5 0.5 0.1\n", "v_1.txt, line 1: 4 numbers, expected 5 to 7"),
        ("0 0.5 0.5 0.1 0.2 1\n0 0.5 0.5 0.1 0.2 0.4 0.4 0.4\n", "v_1.txt, line 2: 8 numbers, expected 5 to 7"),
        ("person 0.5 0.5 0.1 0.2 1\n", "v_1.txt, line 1: 'person' is not a number"),
        ("0 0.5 0.5 0.1 0.2 0.9 1.5\n", "v_1.txt, line 1: track id 1.5 is not a whole number"),
        ("0 0.5 0.5 0.1 0.2 0.9 1\n0 0.5 0.5 0.1 0.2 0.9 nan\n", "v_1.txt, line 2: track id nan is not a whole number"),
        ("0 0.5 0.5 0.1 0.2 0.9 inf\n", "v_1.txt, line 1: track id inf is not a whole number"),
        (
            "0 0.5 0.5 0.1 0.2 1\n3 0.5 0.5 0.1 0.2 2\n",
            "say with --people which classes are people; it has '0' 1, '3' 1",
        ),
    ],
)
def test_what_is_no_track_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read_ultralytics(write(tmp_path, v_1=text))
    assert problem in str(caught.value)


def test_a_folder_without_such_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no file there is called like v_12"):
        read_ultralytics(str(tmp_path))
    with pytest.raises(ManifestError, match="frame 0, but these files are numbered from 1"):
        read_ultralytics(write(tmp_path, v_0=TRACKED))


def test_different_boxes_of_one_track_in_a_frame_are_refused_with_both_places(tmp_path: Path) -> None:
    uri = write(tmp_path, v_1="0 0.5 0.5 0.1 0.2 4\n0 0.5 0.5 0.1 0.3 4\n")
    with pytest.raises(ManifestError, match=r"v_1\.txt, line 1 and .*v_1\.txt, line 2: frame 0 has track 4 twice"):
        gather(read_ultralytics(uri))
