"""CVAT's XML becomes boxes, what they say, and what was left out; anything else is refused with what to do."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.formats.cvat import CvatTracks, read_cvat
from par_model.manifest.importers.formats.cvat_meta import AttributeSpecification
from par_model.manifest.importers.gather import gather
from par_model.manifest.importers.tracks import TrackBox
from tests.manifest.importers.cvat_files import box, document, task, track

PERSON = [("hat", "checkbox", ["false"]), ("top_color", "select", ["__undefined__", "red", "blue"])]


def read(tmp_path: Path, text: str, *, labels: tuple[str, ...] = (), number: int | None = None) -> CvatTracks:
    path = tmp_path / "annotations.xml"
    path.write_text(text, encoding="utf-8")
    return read_cvat(str(path), labels=labels, task=number)


def boxes(found: CvatTracks) -> dict[str, list[TrackBox]]:
    return {name: list(of) for name, of in gather(found.listed).by_id.items()}


def left_out(found: CvatTracks) -> list[str]:
    return [str(part) for part in found.listed.left_out]


def test_frames_are_the_videos_own_gaps_stay_and_outside_boxes_are_dropped(tmp_path: Path) -> None:
    shapes = [
        box(30, (10.5, 20, 40.25, 100)),
        box(35, (11, 20, 41, 100), keyframe=0),
        box(40, (11, 20, 41, 100), outside=1),
        box(60, (200, 20, 230, 100)),
    ]
    found = read(tmp_path, document([track(3, shapes)], head=task({"person": PERSON})))
    assert boxes(found) == {
        "3": [TrackBox(30, 10.5, 20, 29.75, 80), TrackBox(35, 11, 20, 30, 80), TrackBox(60, 200, 20, 30, 80)]
    }
    assert left_out(found) == ["1 box marked outside"]
    assert found.size == (640, 480)


def test_what_fiftyone_writes(tmp_path: Path) -> None:
    """As FiftyOne 1.22.1 wrote it: whole pixels, no key frames, True and False, an outside box after the last frame,
    no input types, no attributes that are true or false in the specification."""
    attributes = "<attribute><name>top_color</name><values>blue\nred</values></attribute>"
    head = f"<task><id>0</id><name>v.mp4</name><labels><label><name>person</name><attributes>{attributes}</attributes>"
    head += "</label></labels><original_size><width>640</width><height>480</height></original_size></task>"
    said = '<attribute name="hat">True</attribute>\n            <attribute name="top_color">red</attribute>'
    rows = [
        f'<box frame="{frame}" xtl="64" ytl="96" xbr="128" ybr="240" outside="{outside}"  occluded="0"  keyframe="0" >'
        f"\n            {said}\n        </box>"
        for frame, outside in ((0, 0), (1, 0), (2, 1))
    ]
    found = read(tmp_path, document([track(1, rows)], head=head))
    assert boxes(found) == {"1": [TrackBox(0, 64, 96, 64, 144), TrackBox(1, 64, 96, 64, 144)]}
    assert found.votes == {"1": {"hat": Counter({"True": 2}), "top_color": Counter({"red": 2})}}
    assert found.attributes == [AttributeSpecification("top_color", "", ("blue", "red"))]


def test_attributes_are_counted_over_the_boxes_that_show_the_person(tmp_path: Path) -> None:
    shapes = [
        box(0, (1, 1, 9, 9), said={"hat": "true", "top_color": "red"}),
        box(1, (1, 1, 9, 9), said={"hat": "false", "top_color": "red"}),
        box(2, (1, 1, 9, 9), said={"hat": "false", "top_color": "blue"}, outside=1),
    ]
    found = read(tmp_path, document([track(0, shapes)], head=task({"person": PERSON})))
    assert found.votes == {"0": {"hat": Counter(true=1, false=1), "top_color": Counter(red=2)}}
    assert found.attributes == [
        AttributeSpecification("hat", "checkbox", ("false",)),
        AttributeSpecification("top_color", "select", ("__undefined__", "red", "blue")),
    ]


def test_a_turned_box_becomes_the_upright_one_around_it(tmp_path: Path) -> None:
    shapes = [box(0, (10, 10, 30, 20), more=' rotation="90"'), box(1, (10, 10, 30, 20), more=' rotation="30.00"')]
    first, second = boxes(read(tmp_path, document([track(0, shapes)])))["0"]
    assert first == pytest.approx(TrackBox(0, 15, 5, 10, 20))
    width, height = 20 * math.cos(math.pi / 6) + 5, 10 + 10 * math.cos(math.pi / 6)
    assert second == pytest.approx(TrackBox(1, 20 - width / 2, 15 - height / 2, width, height), rel=1e-6)


def test_only_boxes_of_people_are_taken_and_the_rest_is_said(tmp_path: Path) -> None:
    polygon = '<polygon frame="2" keyframe="1" outside="0" occluded="0" points="1,2;3,4;5,6" z_order="0"></polygon>'
    skeleton = (
        '<skeleton frame="3" keyframe="1" z_order="0"><points label="nose" outside="0" occluded="0" points="1,2">'
        '</points><box frame="3" xtl="1" ytl="1" xbr="2" ybr="2" outside="0"></box></skeleton>'
    )
    tracks = [
        track(0, [box(0, (1, 1, 9, 9)), polygon, skeleton]),
        track(1, [box(0, (5, 5, 9, 9))], label="car"),
        track(2, [box(0, (5, 5, 9, 9))], label="car"),
        track(3, [box(4, (5, 5, 9, 9))], label="Rider"),
    ]
    found = read(tmp_path, document(tracks))
    assert list(boxes(found)) == ["0"]
    assert left_out(found) == [
        "3 tracks of classes that are not people ('car' 2, 'Rider' 1)",
        "1 shape of another kind than boxes (polygon)",
        "1 shape of another kind than boxes (skeleton)",
    ]
    assert list(boxes(read(tmp_path, document(tracks), labels=("person", "rider")))) == ["0", "3"]


def test_single_shapes_are_tracks_of_one_box(tmp_path: Path) -> None:
    """Outside the interpolation mode CVAT exports each shape as a track that ends after it."""
    tracks = [
        track(0, [box(7, (1, 1, 9, 9)), box(8, (1, 1, 9, 9), outside=1)]),
        track(1, [box(9, (1, 1, 9, 9))]),
    ]
    assert {name: [b.frame for b in of] for name, of in boxes(read(tmp_path, document(tracks))).items()} == {
        "0": [7],
        "1": [9],
    }


def test_of_a_project_one_task_has_to_be_named(tmp_path: Path) -> None:
    head = "<project><id>1</id><name>town</name><tasks>" + task({}, number=4, name="gate.mp4", size="320x240")
    head += task({}, number=9, name="hall.mp4", size="64x48") + "</tasks></project>"
    tracks = [
        track(number, [box(0, (1, 1, 9, 9))], more=f' task_id="{of}" subset="default"')
        for number, of in enumerate((4, 9, 9))
    ]
    text = document(tracks, head=head)
    with pytest.raises(ManifestError, match=r"tracks of 2 tasks: say which with --task \(4 gate.mp4, 9 hall.mp4\)"):
        read(tmp_path, text)
    with pytest.raises(ManifestError, match=r"has no tracks of task 5; the tasks of its tracks: 4 gate"):
        read(tmp_path, text, number=5)
    found = read(tmp_path, text, number=9)
    assert (list(boxes(found)), left_out(found), found.size) == (["1", "2"], ["1 track of other tasks"], (64, 48))
    alone = document([track(0, [box(0, (1, 1, 9, 9))])], head=task({}, number=4))
    assert list(boxes(read(tmp_path, alone, number=4))) == ["0"]
    with pytest.raises(ManifestError, match="has no tracks of task 6"):
        read(tmp_path, alone, number=6)


def test_what_boxes_say_is_counted_box_by_box_also_where_it_changes_and_comes_back(tmp_path: Path) -> None:
    answers = ["yes", "yes", "no", "yes", "", "no"]
    shapes = [box(frame, (1, 1, 9, 9), said={"hat": said, "age": "33"}) for frame, said in enumerate(answers)]
    shapes.insert(2, box(9, (1, 1, 9, 9), outside=1, said={"hat": "no", "age": "1"}))
    shapes.append(box(7, (1, 1, 9, 9)))
    found = read(tmp_path, document([track(0, shapes), track(1, shapes[:1])]))
    assert found.votes == {
        "0": {"hat": Counter({"yes": 3, "no": 2, "": 1}), "age": Counter({"33": 6})},
        "1": {"hat": Counter({"yes": 1}), "age": Counter({"33": 1})},
    }


def test_an_answers_text_may_come_in_pieces(tmp_path: Path) -> None:
    """As references to characters and elements within it, and pieces longer than a reader's buffer, cut it."""
    said = {"bag": "a &amp; b", "note": "one<i>and</i>two", "long": "x" * 40_000}
    found = read(tmp_path, document([track(0, [box(0, (1, 1, 9, 9), said=said)])]))
    assert {name: next(iter(of)) for name, of in found.votes["0"].items()} == {
        "bag": "a & b",
        "note": "oneandtwo",
        "long": "x" * 40_000,
    }


def test_ids_may_be_whole_where_the_file_says_so(tmp_path: Path) -> None:
    shapes = [box(frame, (1, 1, 9, 9), said={"tracklet_id": "cam-1-7"}) for frame in (0, 1)]
    tracks = [track(0, shapes), track(1, [box(0, (1, 1, 9, 9), said={"tracklet_id": ""})])]
    found = read(tmp_path, document(tracks))
    assert found.whole_ids == {"0": "cam-1-7"}
    assert "tracklet_id" not in found.votes.get("0", {})
    with pytest.raises(ManifestError, match="tracks 0 and 1 have the same tracklet_id 'cam-1-7'"):
        read(tmp_path, document([track(0, shapes), track(1, shapes)]))
    with pytest.raises(ManifestError, match="track 2 says two tracklet_id: a, b"):
        read(
            tmp_path,
            document([track(2, [box(i, (1, 1, 9, 9), said={"tracklet_id": of}) for i, of in enumerate("ab")])]),
        )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<annotations></annotations>", "has no tracks"),
        ("<annotations><image id='0' name='a.png'><box/></image></annotations>", "is 'CVAT for images', 1 of them"),
        ("<osm><track id='0' label='person'/></osm>", "begins with <osm>, not with <annotations>"),
        (
            document([track(0, [], label="a"), track(1, [], label="b")]),
            "say with --label which classes are people; it has 'a' 1, 'b' 1",
        ),
        (document([track(0, ['<box frame="1" xtl="1" ytl="2" xbr="3"/>'])]), "line 6: a <box> needs a frame and the"),
        (document([track(0, ['<box frame="x" xtl="1" ytl="2" xbr="3" ybr="4"/>'])]), "line 6: a <box> needs"),
        (document(['<track id="1"></track>']), "line 5: a <track> needs an id and a label"),
        ("<annotations><track", "is not XML: "),
        ("frame,id\n", "is not XML: "),
    ],
)
def test_what_is_no_such_file_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/annotations.xml")
    assert problem in str(caught.value)


def test_a_label_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no class 'man'; it has 'person' 1"):
        read(tmp_path, document([track(0, [box(0, (1, 1, 9, 9))])]), labels=("man",))


def test_the_only_label_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    assert list(boxes(read(tmp_path, document([track(0, [box(0, (1, 1, 9, 9))], label="Fussgänger")])))) == ["0"]


def test_two_tracks_of_one_id_do_not_become_one_person(tmp_path: Path) -> None:
    here, there = [box(0, (10, 20, 40, 100))], [box(50, (200, 20, 230, 100))]
    with pytest.raises(ManifestError, match=r"line 9: a track of id '3' is there already, in line 5: two people would"):
        read(tmp_path, document([track(3, here), track(3, there)]))
    of_tasks = [track(3, here, more=' task_id="1"'), track(3, there, more=' task_id="2"')]
    assert boxes(read(tmp_path, document(of_tasks), number=2)) == {"3": [TrackBox(50, 200, 20, 30, 80)]}


def test_images_with_boxes_of_no_track_are_counted(tmp_path: Path) -> None:
    image = '<image id="0" name="a.jpg"><box label="person" xtl="1" ytl="1" xbr="5" ybr="5"/></image>'
    found = read(tmp_path, document([track(3, [box(0, (10, 20, 40, 100))]), image]))
    assert left_out(found) == ["1 image with boxes of no track"]


@pytest.mark.parametrize(
    ("tracks", "problem"),
    [
        (
            track(1, [box(0, (1, 2, 3, 4)).replace('outside="0"', 'outside="True"')]),
            "outside='True' is neither 0 nor 1",
        ),
        (track(1, [box(0, (1, 2, 3, 4), more=' rotation="inf"')]), "rotation inf"),
        (track(1, [box(0, (1, 2, 3, 4), more=' rotation="nan"')]), "rotation nan"),
        (track(1, [], more=' task_id="a"'), "task_id 'a' is not a whole number"),
        (track(1, [box(0, (1, 2, 3, 4)).replace('frame="0"', 'frame="1_0"')]), "frame '1_0'"),
        (track(1, [box(0, (1, 2, 3, 4)).replace('xtl="1.00"', 'xtl="\u0661"')]), "xtl '\u0661'"),
        (track(1, [], more=f' task_id="{"9" * 5000}"'), "is not a whole number"),
    ],
)
def test_values_that_mean_nothing_are_refused_with_their_line(tracks: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"annotations\.xml, line \d+: ") as caught:
        read(tmp_path, document([tracks]))
    assert problem in str(caught.value)


def test_numbers_of_thousands_of_digits_in_the_head_say_nothing(tmp_path: Path) -> None:
    head = task({"person": PERSON}, size=f"{'9' * 5000}x480").replace("<id>5</id>", f"<id>{'9' * 5000}</id>")
    assert read(tmp_path, document([track(3, [box(0, (10, 20, 40, 100))])], head=head)).size is None


@pytest.mark.parametrize("number", [None, 2])
def test_tracks_that_do_not_say_of_which_task_they_are_are_refused(number: int | None, tmp_path: Path) -> None:
    head = task({"person": PERSON}, number=1, name="a") + task({"person": PERSON}, number=2, name="b")
    with pytest.raises(ManifestError, match=r"lists 2 tasks \(1 a, 2 b\), and its tracks do not say of which they are"):
        read(tmp_path, document([track(3, [box(0, (10, 20, 40, 100))])], head=head), number=number)
