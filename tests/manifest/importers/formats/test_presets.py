"""Each preset reads what its tool writes, and refuses what does not apply to it or cannot be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from par_model.errors import ManifestError, UsageError
from par_model.manifest.importers.columns import Columns
from par_model.manifest.importers.formats.label_studio import Picture
from par_model.manifest.importers.formats.presets import Read, read_columns, read_preset
from par_model.manifest.importers.gather import gather
from par_model.manifest.importers.options import Preset, SheetOptions
from par_model.manifest.importers.tracks import TrackBox

HEADER = "x_min,y_min,x_max,y_max,class_id,confidence,tracker_id"


def boxes(read: Read) -> dict[str, list[TrackBox]]:
    return {name: list(of) for name, of in gather(read.listed, read.numbering).by_id.items()}


def no_picture() -> Picture:
    raise AssertionError("the video need not be asked")


def preset(name: Preset, path: Path, frames: int | None = None, **asked: Any) -> Read:
    picture = no_picture if frames is None else lambda: Picture(200, 100, [i / 25 for i in range(frames)])
    return read_preset(name, str(path), SheetOptions(**asked), stem="v", picture=picture)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize("frame", ["frame_number", "frame_index", "frame"])
def test_supervisions_frames_are_what_was_given_as_custom_data(frame: str, tmp_path: Path) -> None:
    rows = "10.5,20.0,60.25,140.0,0,0.9,1,0\n10.5,21.0,60.25,141.0,0,0.9,1,4\n"
    read = preset("supervision", write(tmp_path / "t.csv", f"{HEADER},{frame}\n{rows}"))
    assert boxes(read) == {"1": [TrackBox(0, 10.5, 20, 49.75, 120), TrackBox(4, 10.5, 21, 49.75, 120)]}
    strided = preset("supervision", tmp_path / "t.csv", frame_step=3)
    assert [box.frame for box in boxes(strided)["1"]] == [0, 12]


def test_supervision_without_frames_is_told_how_to_have_them(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", f"{HEADER}\n10.5,20.0,60.25,140.0,0,0.9,1\n")
    with pytest.raises(
        ManifestError, match=r"CSVSink writes none of its own; give them, as in sink\.append\(detections"
    ):
        preset("supervision", path)


def test_tables_count_frames_from_0_and_say_so_where_that_is_not_seen(tmp_path: Path) -> None:
    """In frame 0 there may just be nobody, or nobody of the wanted class."""
    path = write(tmp_path / "t.csv", f"{HEADER},frame\n10.5,20.0,60.25,140.0,0,0.9,1,5\n")
    told = {first: preset("supervision", path, first_frame=first) for first in (None, 0, 1)}
    assert {first: boxes(read)["1"][0].frame for first, read in told.items()} == {None: 5, 0: 5, 1: 4}
    note = "frames, from 5 on, are taken to be counted from 0: if from 1, say --first-frame 1"
    assert {first: read.notes for first, read in told.items()} == {None: [note], 0: [], 1: []}
    seen = write(tmp_path / "t.csv", f"{path.read_text()}1,2,3,4,2,0.9,5,0\n")
    assert preset("supervision", seen, people=("0",)).notes == []


def test_columns_may_be_corners_though_they_are_called_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "f,i,a,b,c,d\n0,1,10,20,40,90\n")
    columns = Columns.parse("frame=f,id=i,x=a,y=b,w=c,h=d")
    plain, corners = (read_columns(str(path), columns, SheetOptions(corners=corners)) for corners in (False, True))
    assert (boxes(plain)["1"], plain.corners_known) == ([TrackBox(0, 10, 20, 40, 90)], False)
    assert (boxes(corners)["1"], corners.corners_known) == ([TrackBox(0, 10, 20, 30, 70)], True)
    with pytest.raises(UsageError, match="--corners is for columns that are called x, y, w and h"):
        read_columns(str(path), Columns.parse("frame=f,id=i,x1=a,y1=b,x2=c,y2=d"), SheetOptions(corners=True))


def test_ultralytics_is_in_shares_and_its_stride_renumbers(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"v_{number}.txt", "0 0.5 0.5 0.25 0.5 9\n")
    read = preset("ultralytics", tmp_path, frame_step=3)
    assert read.relative
    assert boxes(read) == {"9": [TrackBox(frame, 0.375, 0.25, 0.25, 0.5) for frame in (2, 5)]}


def motsynth(tmp_path: Path, images: int) -> Path:
    document = {
        "images": [{"id": n, "frame_n": n + 1} for n in range(images)],
        "annotations": [{"image_id": 6, "ped_id": 4, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "person"}],
    }
    return write(tmp_path / "000.json", json.dumps(document))


def test_motsynths_published_videos_begin_two_frames_before_their_images(tmp_path: Path) -> None:
    note = "the video is longer than 1,800 frames: image 1 is taken for frame 2, as in MOTSynth's own videos"
    for images in (1800, 20):  # or a part of them is annotated
        file = motsynth(tmp_path, images)
        shifted = preset("motsynth", file, frames=1803)
        assert ([box.frame for box in boxes(shifted)["4"]], shifted.notes) == ([8], [note])
        made_of_images = preset("motsynth", file, frames=1800)
        assert ([box.frame for box in boxes(made_of_images)["4"]], made_of_images.notes) == ([6], [])
        told = {first: preset("motsynth", file, frames=1803, first_frame=first) for first in (0, 1)}
        assert {first: boxes(read)["4"][0].frame for first, read in told.items()} == {0: 7, 1: 6}
        assert [box.frame for box in boxes(preset("coco-video", file))["4"]] == [6]


def test_motsynths_images_count_from_1_whichever_are_annotated(tmp_path: Path) -> None:
    document = json.loads(motsynth(tmp_path, 20).read_text())
    document["images"] = document["images"][6:]
    some = write(tmp_path / "000.json", json.dumps(document))
    assert [box.frame for box in boxes(preset("motsynth", some, frames=20))["4"]] == [6]


def test_kitti_and_deepstream_count_from_0(tmp_path: Path) -> None:
    rest = "0 0 -10 10 20 40 90 1 1 1 1 1 1 1"
    read = preset("kitti", write(tmp_path / "0000.txt", f"2 7 Pedestrian {rest}\n"), frame_step=2)
    assert boxes(read) == {"7": [TrackBox(4, 10, 20, 30, 70)]}
    (tmp_path / "dump").mkdir()
    write(tmp_path / "dump" / "00_000_000003.txt", "person 7 0.0 0 0.0 10 20 40 90 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.5\n")
    assert boxes(preset("deepstream-kitti", tmp_path / "dump")) == {"7": [TrackBox(3, 10, 20, 30, 70)]}


def test_label_studio_asks_the_video(tmp_path: Path) -> None:
    keys = [{"frame": 2, "enabled": False, "x": 10, "y": 0, "width": 20, "height": 50, "rotation": 0, "time": 0.08}]
    result = {"id": "r", "type": "videorectangle", "value": {"sequence": keys, "labels": ["Person"]}}
    path = write(tmp_path / "t.json", json.dumps([{"id": 1, "annotations": [{"id": 2, "result": [result]}]}]))
    assert boxes(preset("label-studio", path, frames=5)) == {"r": [TrackBox(1, 20, 0, 40, 50)]}
    assert boxes(preset("label-studio", path, frames=5, first_frame=0)) == {"r": [TrackBox(2, 20, 0, 40, 50)]}


@pytest.mark.parametrize(
    ("name", "asked", "option"),
    [
        ("ultralytics", {"first_frame": 1}, "--first-frame"),
        ("kitti", {"first_frame": 0}, "--first-frame"),
        ("label-studio", {"frame_step": 2}, "--frame-step"),
        ("supervision", {"sequence": "a"}, "--sequence"),
        ("coco-video", {"corners": True}, "--corners"),
    ],
)
def test_options_that_would_be_passed_over_are_wrong_usage(
    name: Preset, asked: dict[str, Any], option: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=f"{option} does not apply to --preset {name}"):
        preset(name, tmp_path / "none", **asked)


@pytest.mark.parametrize("name", ["ultralytics", "kitti", "deepstream-kitti", "motsynth", "coco-video"])
def test_labels_are_not_looked_for_where_the_tool_writes_none(name: Preset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--preset {name}: its files have boxes but no labels: .* --labels FILE"):
        preset(name, tmp_path / "none", labelled=True)


def test_people_of_supervision_need_a_column_of_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "x_min,y_min,x_max,y_max,tracker_id,frame\n10,20,60,140,1,0\n")
    assert boxes(preset("supervision", path)) == {"1": [TrackBox(0, 10, 20, 50, 120)]}
    with pytest.raises(UsageError, match=r"--people does not apply: .* has neither class_name nor class_id"):
        preset("supervision", path, people=("0",))
