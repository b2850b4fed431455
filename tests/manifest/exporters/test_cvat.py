"""What is written as CVAT's XML comes back equal: ids, frames, boxes, labels."""

from __future__ import annotations

import io
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.attributes import load_schema
from par_model.errors import ManifestError
from par_model.manifest.exporters.cvat import CvatTrack, CvatVideo, cvat_tracks, write_cvat
from par_model.manifest.importers.attribute_votes import count_votes
from par_model.manifest.importers.formats.cvat import read_cvat
from par_model.manifest.importers.gather import gather
from par_model.manifest.read import Manifest
from tests.manifest.examples import on_images, on_video, write

STREET = load_schema("street")
VIDEO = CvatVideo("gate & hall.mp4", 640, 480, num_frames=100)


def written(tracks: list[CvatTrack], *, video: CvatVideo = VIDEO, labelled: bool = True) -> bytes:
    file = io.BytesIO()
    write_cvat(file, tracks, video, schema=STREET if labelled else None)
    return file.getvalue()


def back(data: bytes, path: Path) -> dict[str, tuple[list[int], list[list[float]], tuple[int, ...]]]:
    path.write_bytes(data)
    found = read_cvat(str(path))
    labels = count_votes(found.votes, STREET, str(path)).labels
    return {
        found.whole_ids[name]: (track.frames.tolist(), track.boxes.tolist(), labels[name])
        for name, track in gather(found.listed).by_id.items()
    }


# What a group's labels may be: one class or none, or, in the last two, what no single value can say.
def group_labels(classes: int) -> st.SearchStrategy[list[int]]:
    one = st.integers(0, classes - 1).map(lambda k: [int(i == k) for i in range(classes)])
    return st.one_of(
        one,
        st.just([-1] * classes),
        st.just([0] * classes),
        st.lists(st.sampled_from([1, 0, -1]), min_size=classes, max_size=classes),
    )


LABELS = st.tuples(*(group_labels(len(group.classes)) for group in STREET.groups)).map(
    lambda parts: list(chain(*parts))
)
PLACE, SIDE = st.floats(-500, 8000, width=32), st.floats(0.015625, 4000, width=32)
XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)


@st.composite
def tracks(draw: st.DrawFn) -> list[CvatTrack]:
    ids = draw(st.lists(XML_TEXT.filter(str.strip), min_size=1, max_size=4, unique=True))
    found = []
    for name in ids:
        frames = sorted(draw(st.sets(st.integers(0, 99), min_size=1, max_size=12)))
        boxes = [draw(st.tuples(PLACE, PLACE, SIDE, SIDE)) for _ in frames]
        found.append(CvatTrack(name, np.array(frames, np.int32), np.array(boxes, np.float32), draw(LABELS)))
    return found


@settings(max_examples=60, deadline=None)
@given(tracks())
def test_tracks_come_back_equal(given_tracks: list[CvatTrack]) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        found = back(written(given_tracks), Path(folder) / "a.xml")
    assert found == {
        track.tracklet_id: (track.frames.tolist(), track.boxes.tolist(), tuple(track.labels or ()))
        for track in given_tracks
        if track.boxes is not None
    }


def shown(data: bytes) -> list[tuple[str, str, str]]:
    return [
        (box.attrib["frame"], box.attrib["outside"], box.attrib["keyframe"])
        for box in ElementTree.fromstring(data).iter("box")
    ]


def track(frames: list[int], labels: list[int] | None = None) -> CvatTrack:
    return CvatTrack("t", np.array(frames, np.int32), np.full((len(frames), 4), 8, np.float32), labels)


def test_a_pause_and_an_end_are_marked_so_that_nothing_is_drawn_on() -> None:
    assert shown(written([track([3, 4, 9])])) == [
        ("3", "0", "1"),
        ("4", "0", "1"),
        ("5", "1", "1"),
        ("9", "0", "1"),
        ("10", "1", "1"),
    ]
    assert shown(written([track([98, 99])])) == [("98", "0", "1"), ("99", "0", "1")], "there is no frame 100"


def test_what_annotators_can_say_begins_with_not_annotated() -> None:
    labels = [-1] * STREET.num_classes
    root = ElementTree.fromstring(written([track([0], labels)]))
    said = {of.findtext("name"): (of.findtext("values") or "").split("\n") for of in root.iter("attribute") if len(of)}
    assert list(said) == ["tracklet_id", *(group.name for group in STREET.groups)]
    assert said["hat"] == ["__undefined__", "true", "false"]
    assert said["gait"] == ["__undefined__", "walking", "running", "standing"]
    box = next(root.iter("box"))
    assert {of.attrib["name"]: of.text for of in box} == {"tracklet_id": "t"} | {
        group.name: "__undefined__" for group in STREET.groups
    }


def test_a_group_that_is_of_two_classes_is_written_class_by_class() -> None:
    labels = [-1] * STREET.num_classes
    span = next(span for group, span in STREET.spans() if group.name == "gait")
    labels[span] = [1, 1, 0]
    root = ElementTree.fromstring(written([track([0], labels)]))
    names = [of.findtext("name") for of in root.iter("attribute") if len(of)]
    assert names[-3:] == ["gait walking", "gait running", "gait standing"]


def test_the_whole_picture_is_a_box_and_labels_may_be_left_out() -> None:
    data = written([CvatTrack("t", np.array([1], np.int32), None)], labelled=False)
    root = ElementTree.fromstring(data)
    box = next(root.iter("box"))
    assert [float(box.attrib[side]) for side in ("xtl", "ytl", "xbr", "ybr")] == [0, 0, 640, 480]
    assert [of.attrib["name"] for of in box] == ["tracklet_id"]
    assert root.findtext("meta/task/source") == "gate & hall.mp4"


def test_tracklets_are_gathered_by_video_and_still_images_passed_over(tmp_path: Path) -> None:
    rows = [on_video("a"), on_images("still", "/1.jpg"), on_video("b"), on_video("c", video_uri="/other.mp4")]
    found = cvat_tracks(Manifest.open(write(tmp_path / "m.parquet", rows)))
    assert [[of.tracklet_id for of in tracks] for tracks in found.values()] == [["a", "b"], ["c"]]
    assert list(found)[1] == "/other.mp4"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (on_video("bad", frame_indices=[5, 5]), "bad: frame_indices is not strictly increasing"),
        (on_video("bad", video_stream=1), "bad is of video track 1, but CVAT shows a file's first alone"),
    ],
)
def test_rows_that_cannot_be_shown_are_refused(row: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        cvat_tracks(Manifest.open(write(tmp_path / "m.parquet", [row])))
    assert problem in str(caught.value)


def test_an_id_that_xml_cannot_hold_is_refused() -> None:
    with pytest.raises(ManifestError, match="has a character that XML cannot hold"):
        written([CvatTrack("a\x01", np.array([1], np.int32), None)])
