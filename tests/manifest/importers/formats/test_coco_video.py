"""COCO with videos: MOTSynth's keys, scalabel's, and those of CocoVID."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.formats.coco_video import motsynth_shift, read_coco_video
from par_model.manifest.importers.gather import gather
from par_model.manifest.importers.tracks import TrackBox

# As scalabel 0.3.1's to_coco wrote it, without what is not read: two videos, whose instance ids begin again.
SCALABEL: dict[str, Any] = {
    "categories": [{"id": 1, "name": "pedestrian"}, {"id": 2, "name": "car"}],
    "videos": [{"id": 1, "name": "a", "attributes": None}, {"id": 2, "name": "b", "attributes": None}],
    "images": [
        {"video_id": video, "frame_id": frame, "file_name": f"{frame}.jpg", "id": 3 * video + frame - 2}
        for video in (1, 2)
        for frame in (0, 1, 2)
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "instance_id": 1, "iscrowd": 0, "bbox": [10.0, 20.0, 51.0, 121.0]},
        {"id": 2, "image_id": 1, "category_id": 2, "instance_id": 2, "iscrowd": 0, "bbox": [100.0, 20.0, 61.0, 61.0]},
        {"id": 3, "image_id": 3, "category_id": 1, "instance_id": 1, "iscrowd": 0, "bbox": [12.0, 20.0, 51.0, 121.0]},
        {"id": 5, "image_id": 4, "category_id": 1, "instance_id": 1, "iscrowd": 0, "bbox": [30.0, 20.0, 51.0, 121.0]},
    ],
}
MOTSYNTH: dict[str, Any] = {
    "info": {"img_height": 1080},
    "categories": [{"id": 1, "name": "person"}],
    "images": [{"id": 10 + n, "file_name": f"000/rgb/{n - 1:04}.jpg", "frame_n": n} for n in (1, 2, 3)],
    "annotations": [
        {"id": 1, "image_id": 11, "category_id": 1, "ped_id": 77, "iscrowd": 0, "bbox": [1, 2, 30, 40]},
        {"id": 2, "image_id": 13, "category_id": 1, "ped_id": 77, "iscrowd": 0, "bbox": [3, 2, 30, 40]},
        {"id": 3, "image_id": 13, "category_id": 1, "ped_id": 78, "iscrowd": 1, "bbox": [3, 2, 30, 40]},
    ],
}


def write(tmp_path: Path, document: Any) -> str:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_one_of_several_videos_is_read(tmp_path: Path) -> None:
    uri = write(tmp_path, SCALABEL)
    for name in ("a", "1"):
        tracks = gather(read_coco_video(uri, sequence=name))
        boxes = {track: list(of) for track, of in tracks.by_id.items()}
        assert boxes == {"1": [TrackBox(0, 10, 20, 51, 121), TrackBox(2, 12, 20, 51, 121)]}
        assert [str(part) for part in tracks.left_out] == [
            "1 box of other videos",
            "1 box of classes that are not people ('car' 1)",
        ]
    assert list(gather(read_coco_video(uri, sequence="b")).by_id["1"]) == [TrackBox(0, 30, 20, 51, 121)]
    with pytest.raises(ManifestError, match="has 2 videos, say which with --sequence: a, b"):
        read_coco_video(uri)
    with pytest.raises(ManifestError, match="has 2 videos"):
        read_coco_video(uri, sequence="c")


def test_motsynths_keys_and_what_does_not_count(tmp_path: Path) -> None:
    tracks = gather(read_coco_video(write(tmp_path, MOTSYNTH)))
    assert {name: list(of) for name, of in tracks.by_id.items()} == {
        "77": [TrackBox(0, 1, 2, 30, 40), TrackBox(2, 3, 2, 30, 40)]
    }
    assert [str(part) for part in tracks.left_out] == ["1 box not to be counted (iscrowd, ignore)"]


@pytest.mark.parametrize(("frames", "shift"), [(1803, 2), (1802, 2), (1800, 0), (1700, 0)])
def test_published_motsynth_videos_have_two_frames_before_the_first_image(frames: int, shift: int) -> None:
    assert motsynth_shift(frames) == shift


@pytest.mark.parametrize(
    ("image", "annotation", "message"),
    [
        ({"frame_id": 3, "frame_index": 2}, {}, "image 1 is several frames at once, frame_id 3, frame_index 2"),
        ({"frame_id": 3, "frame_index": 3}, {"track_id": True}, "annotations 0: track_id True is neither a number"),
    ],
)
def test_what_disagrees_or_is_no_id_is_refused(
    image: dict[str, Any], annotation: dict[str, Any], message: str, tmp_path: Path
) -> None:
    box = {"id": 1, "image_id": 1, "track_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]} | annotation
    people = [{"id": 1, "name": "person"}]
    document = {"images": [{"id": 1, **image}], "annotations": [box], "categories": people}
    with pytest.raises(ManifestError, match=message):
        read_coco_video(write(tmp_path, document), first_frame=0)


def test_where_the_images_begin_elsewhere_the_first_frame_is_said(tmp_path: Path) -> None:
    document = MOTSYNTH | {"images": [image | {"frame_n": image["frame_n"] + 10} for image in MOTSYNTH["images"]]}
    uri = write(tmp_path, document)
    with pytest.raises(ManifestError, match="its images begin with frame 11: say with --first-frame"):
        read_coco_video(uri)
    assert gather(read_coco_video(uri, first_frame=1)).by_id["77"].frames.tolist() == [10, 12]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"images": None}, "it needs the lists 'images' and 'annotations'"),
        ({"images": [{"id": 11}]}, "image 11 does not say which frame it is: frame_id, frame_index"),
        ({"images": [{"id": 11, "frame_id": "one"}]}, "image 11 does not say which frame it is"),
        ({"annotations": [{"image_id": 11, "category_id": 1, "bbox": [1, 2, 3, 4]}]}, "annotation 0: has no track"),
        ({"annotations": [{"image_id": 11, "track_id": 1, "bbox": [1, 2, 3]}]}, "annotation 0: its bbox is [1, 2, 3]"),
        ({"annotations": [{"image_id": 11, "track_id": 1}]}, "annotation 0: its bbox is None"),
    ],
)
def test_what_is_no_such_file_is_refused(change: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read_coco_video(write(tmp_path, MOTSYNTH | change))
    assert str(caught.value).startswith(f"{tmp_path}/t.json")
    assert problem in str(caught.value)


def test_text_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("1,2,3")
    with pytest.raises(ManifestError, match="is not JSON"):
        read_coco_video(str(tmp_path / "t.json"))
    with pytest.raises(ManifestError, match="is not COCO with videos"):
        read_coco_video(write(tmp_path, [1]))


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("categories",), 5, "'categories' is not a list of objects"),
        (("videos",), ["a"], "'videos' is not a list of objects"),
        (("images", 0, "id"), [1], "images 0: id [1] is neither a number nor a text"),
        (("images", 0, "id"), None, "images 0: has no id"),
        (("images", 0, "video_id"), {}, "images 0: video_id {} is neither"),
        (("annotations", 1, "image_id"), [1], "annotations 1: image_id [1] is neither"),
        (("annotations", 1, "category_id"), [1], "annotations 1: category_id [1] is neither"),
        (("annotations", 0, "instance_id"), [1], "annotations 0: instance_id [1] is neither"),
        (("categories", 0, "id"), [1], "categories 0: id [1] is neither"),
        (("images", 0, "frame_id"), 10**30, "image 1 does not say which frame it is"),
        (("annotations", 0, "bbox", 0), 10**400, "not left, top, width, height, each a number"),
        (("annotations", 0, "bbox", 0), math.nan, "not left, top, width, height, each a number"),
    ],
)
def test_values_of_another_kind_are_refused_with_their_place(
    path: tuple[str | int, ...], value: Any, problem: str, tmp_path: Path
) -> None:
    document: Any = copy.deepcopy(SCALABEL)
    inner = document
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    with pytest.raises(ManifestError) as caught:
        read_coco_video(write(tmp_path, document), sequence="a")
    assert problem in str(caught.value)


def test_lists_within_lists_without_end_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ManifestError, match="within each other more often than any tool writes"):
        read_coco_video(str(path))


def test_images_of_one_frame_or_one_id_are_of_two_videos(tmp_path: Path) -> None:
    images = [{"id": number, "frame_id": frame} for number, frame in ((1, 0), (2, 1), (3, 0))]
    box = {"category_id": 1, "bbox": [1, 2, 30, 40]}
    annotations = [{"image_id": 1, "track_id": 5, **box}, {"image_id": 3, "track_id": 6, **box}]
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    with pytest.raises(
        ManifestError, match=r"images 1 and 3 are both frame 0: are they of two videos\? Then give images"
    ):
        read_coco_video(write(tmp_path, document))
    images[2] = {"id": 1, "frame_id": 2}
    with pytest.raises(ManifestError, match="several images have the same id, such as 1"):
        read_coco_video(write(tmp_path, document))


def test_boxes_on_images_that_are_not_there_are_counted_as_such(tmp_path: Path) -> None:
    document = copy.deepcopy(MOTSYNTH)
    document["annotations"][0]["image_id"] = "11"
    left_out = read_coco_video(write(tmp_path, document)).left_out
    assert str(left_out[0]) == "1 box of images that the file does not have"


def test_words_for_no_id_are_no_person(tmp_path: Path) -> None:
    """NaN is what pandas makes of a missing id; two people without one are not one person."""
    ids = [77, math.nan, "", "None", 77.0]
    annotations = [
        {"id": n, "image_id": 11 + n % 3, "category_id": 1, "ped_id": of, "bbox": [n, 2, 30, 40]}
        for n, of in enumerate(ids)
    ]
    tracks = gather(read_coco_video(write(tmp_path, MOTSYNTH | {"annotations": annotations})))
    assert {track: [box.frame for box in of] for track, of in tracks.by_id.items()} == {"77": [0, 1]}
    assert [str(part) for part in tracks.left_out] == ["3 boxes of no track (no track id)"]
    broken = MOTSYNTH | {"annotations": [annotations[0] | {"ped_id": 4.5}]}
    with pytest.raises(ManifestError, match=r"annotation 0: track id 4\.5 is not a whole number"):
        read_coco_video(write(tmp_path, broken))
