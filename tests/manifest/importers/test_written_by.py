"""What tools really wrote is read box by box, or refused with the line that helps.

The files in written_by/ were written by the versions that their names say; make.sh there writes them anew.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.columns import Columns
from par_model.manifest.importers.formats.cvat import read_cvat
from par_model.manifest.importers.formats.label_studio import Picture
from par_model.manifest.importers.formats.mot import read_tracks
from par_model.manifest.importers.formats.presets import read_columns, read_preset
from par_model.manifest.importers.gather import gather
from par_model.manifest.importers.options import MotOptions, SheetOptions
from par_model.manifest.importers.tracks import TrackBox, Tracks

WRITTEN = Path(__file__).parent / "written_by"
ON_REQUEST = MotOptions(skip_bad_boxes=True)


def boxes(tracks: Tracks) -> dict[str, list[TrackBox]]:
    return {name: list(track) for name, track in tracks.by_id.items()}


def left_out(tracks: Tracks) -> list[str]:
    return list(map(str, tracks.left_out))


def rows(name: str) -> list[list[float]]:
    """The first six numbers of each line, the track left out."""
    with (WRITTEN / name).open() as file:
        return [[float(cell) for cell in (row[0], *row[2:6])] for row in csv.reader(file)]


def no_picture() -> Picture:
    raise AssertionError("the video need not be asked")


def test_trackers_boxes_without_a_track_are_no_person() -> None:
    tracks = read_tracks(str(WRITTEN / "trackers-2.6.1.txt"))
    assert boxes(tracks) == {
        "0": [TrackBox(frame, 14 + 4 * frame, 20.5, 30, 59.5) for frame in range(1, 8)],
        "1": [TrackBox(frame, 147 - 3 * frame, 15, 28.25, 70) for frame in range(4, 8)],
    }
    assert left_out(tracks) == ["5 boxes of no track (negative track id)"]


@pytest.mark.parametrize(
    ("name", "track", "sound", "refused"),
    [
        (
            "norfair-2.3.0.txt",
            "1",
            25,
            "line 26: width -0.670616 and height -1.67654 must be positive (5 boxes that are none",
        ),
        (
            "deep-sort-realtime-1.3.2.txt",
            "2026-11-28_1",
            14,
            "line 15: width -0.85 and height -2.13 must be positive (3 boxes that are none",
        ),
    ],
)
def test_boxes_that_go_on_after_a_person_has_left_are_refused_where_they_turn_inside_out(
    name: str, track: str, sound: int, refused: str
) -> None:
    with pytest.raises(ManifestError) as caught:
        read_tracks(str(WRITTEN / name))
    assert refused in str(caught.value)
    assert str(caught.value).endswith("; --skip-bad-boxes leaves such boxes out")
    tracks = read_tracks(str(WRITTEN / name), ON_REQUEST)
    expected = rows(name)[:sound]
    (found,) = tracks.by_id.values()
    assert list(tracks.by_id) == [track]
    assert found.frames.tolist() == [frame - 1 for frame, *_ in expected]
    assert found.boxes.tolist() == [pytest.approx(sides) for _, *sides in expected]
    assert left_out(tracks) == [f"{len(rows(name)) - sound} boxes without a width and height"]


def test_supervisions_table_is_read_by_its_preset() -> None:
    path = str(WRITTEN / "supervision-0.31.2.csv")
    read = read_preset("supervision", path, SheetOptions(), stem="gate", picture=no_picture)
    tracks = gather(read.listed, read.numbering)
    assert boxes(tracks) == {"1": [TrackBox(frame, 10.5 + frame, 20, 29.75, 60) for frame in range(3)]}
    assert left_out(tracks) == [
        "3 boxes of classes that are not people ('car' 3)",
        "3 boxes of no track (negative track id)",
    ]


def test_motmetrics_table_names_its_columns_and_is_moved_by_one_pixel() -> None:
    """Its file had the boxes 11, 21, 30, 60 and so on, in frames counted from 1."""
    columns = Columns.parse("frame=FrameId,id=Id,x=X,y=Y,w=Width,h=Height")
    read = read_columns(str(WRITTEN / "motmetrics-1.4.0.csv"), columns, SheetOptions(first_frame=1))
    assert boxes(gather(read.listed, read.numbering)) == {
        "1": [TrackBox(0, 10, 20, 30, 60), TrackBox(1, 11.5, 20, 30, 60)],
        "2": [TrackBox(1, 100, 30, 20.5, 50)],
    }
    with pytest.raises(ManifestError, match=r"line 1: is a header or a comment, .* from-csv --columns"):
        read_tracks(str(WRITTEN / "motmetrics-1.4.0.csv"))


def test_datumaros_labels_say_who_is_a_person_and_its_frames_are_those_of_the_export() -> None:
    tracks = read_tracks(str(WRITTEN / "datumaro-1.13.12" / "gt" / "gt.txt"))
    assert boxes(tracks) == {"1": [TrackBox(place, 10 + place, 20, 30, 60) for place in range(3)]}
    assert tracks.is_export, "they were frames 30, 40 and 41, and the track was 5"
    assert left_out(tracks) == [
        "3 boxes of classes that are not people ('1' 3)",
        "1 box of no track (negative track id)",
    ]


def test_fiftyones_box_outside_is_no_box_and_its_booleans_are_answers() -> None:
    found = read_cvat(str(WRITTEN / "fiftyone-1.22.1.xml"))
    tracks = gather(found.listed)
    assert boxes(tracks) == {"1": [TrackBox(frame, left, 24, 32, 48) for frame, left in ((0, 26), (1, 51), (2, 77))]}
    assert left_out(tracks) == ["1 box marked outside"]
    assert found.votes == {"1": {"hat": Counter({"True": 2, "False": 1}), "top_color": Counter({"red": 3})}}
    assert found.size == (256, 96)
