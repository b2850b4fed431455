"""Label Studio's video regions: percent, key frames, and numbers that follow the tag's frame rate."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.formats.label_studio import Picture, read_label_studio
from par_model.manifest.importers.gather import gather
from par_model.manifest.importers.tracks import TrackBox


def key(frame: int, x: float, *, rate: float = 25, enabled: bool = True, **more: float) -> dict[str, Any]:
    """A key frame as the editor serialises it: its time is frame / rate."""
    sides = {"x": x, "y": 10, "width": 20, "height": 50, "rotation": 0} | more
    return sides | {"frame": frame, "enabled": enabled, "time": frame / rate}


def region(name: str, *keys: dict[str, Any], label: str | None = "Person", **more: Any) -> dict[str, Any]:
    value = {"framesCount": 100, "duration": 4.0, "sequence": list(keys), **more}
    value |= {"labels": [label]} if label else {}
    return {"id": name, "type": "videorectangle", "from_name": "box", "to_name": "video", "value": value}


def task(*results: dict[str, Any], number: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": number, "annotations": [{"id": 5, "was_cancelled": False, "result": list(results)} | more]}


def picture(frames: int = 20, *, rate: float = 25) -> Picture:
    return Picture(width=200, height=100, seconds=[frame / rate for frame in range(frames)])


def read(
    tmp_path: Path, *tasks: dict[str, Any], of: Picture | None = None, **options: Any
) -> dict[str, list[TrackBox]]:
    (tmp_path / "t.json").write_text(json.dumps(list(tasks)))
    found = read_label_studio(str(tmp_path / "t.json"), of or picture(), **options)
    return {name: list(track) for name, track in gather(found.listed).by_id.items()}


def test_boxes_lie_on_the_straight_way_between_key_frames(tmp_path: Path) -> None:
    found = read(tmp_path, task(region("aB_3", key(3, 0), key(7, 8, enabled=False), key(11, 50, enabled=False))))
    sides = {2: 0, 3: 4, 4: 8, 5: 12, 6: 16, 10: 100}  # frame from 0 -> left edge in pixels
    assert found == {"aB_3": [TrackBox(frame, x, 10, 40, 50) for frame, x in sides.items()]}


def test_enabled_to_the_end_is_shown_to_the_end(tmp_path: Path) -> None:
    found = read(tmp_path, task(region("r", key(18, 10))), of=picture(20))
    assert found["r"] == [TrackBox(frame, 20, 10, 40, 50) for frame in (17, 18, 19)]


def test_numbers_follow_the_tags_frame_rate_and_not_the_files(tmp_path: Path) -> None:
    """A file of 30 frames a second under a tag of 24: number n is shown from (n - 1) / 24 to n / 24."""
    clip = picture(61, rate=30)
    found = read(tmp_path, task(region("r", key(25, 0, rate=24), key(49, 48, rate=24, enabled=False))), of=clip)
    numbers = {frame: math.floor(frame / 30 * 24 + 1e-9) + 1 for frame in range(30, 61)}
    assert [box.frame for box in found["r"]] == list(numbers)
    assert [box.x for box in found["r"]] == pytest.approx(
        [(number - 25) * 2 * 2 for number in numbers.values()], rel=1e-6
    )


def test_times_that_are_not_regular_find_the_frame_that_is_shown(tmp_path: Path) -> None:
    clip = Picture(200, 100, [0.0, 0.04, 0.4, 0.44, 1.0])
    found = read(tmp_path, task(region("r", key(10, 0), key(14, 0, enabled=False))), of=clip)
    assert [box.frame for box in found["r"]] == [2, 3]


@pytest.mark.parametrize("rate", [24, 30, 60])
def test_times_that_are_rounded_to_milliseconds_find_every_frame(rate: int, tmp_path: Path) -> None:
    """As Matroska and WebM have them: at 30 a second, frame 1 begins at 0.033 and not at 0.0333."""
    clip = Picture(200, 100, [round(frame / rate, 3) for frame in range(300)])
    keys = key(1, 0, rate=rate), key(300, 29.9, rate=rate, enabled=False)
    found = read(tmp_path, task(region("r", *keys)), of=clip)
    assert [(box.frame, round(box.x, 3)) for box in found["r"]] == [
        (frame, round(0.2 * frame, 3)) for frame in range(300)
    ]


def test_without_times_the_duration_tells_the_rate(tmp_path: Path) -> None:
    keys = [{k: v for k, v in of.items() if k != "time"} for of in (key(1, 0), key(5, 8, enabled=False))]
    found = read(tmp_path, task(region("r", *keys)))
    assert [box.frame for box in found["r"]] == [0, 1, 2, 3, 4]
    with pytest.raises(ManifestError, match="region r: tells neither the time of a key frame nor the duration"):
        read(tmp_path, task(region("r", *keys, duration=0)))


def interpolated(first: dict[str, Any], last: dict[str, Any], count: int, duration: float) -> list[dict[str, Any]]:
    """Both with what label-studio-sdk 2.0.5 puts between them, and after the last one up to the frame ``count``."""

    def towards(key: dict[str, Any], frame: int, x: float, time: float) -> list[dict[str, Any]]:
        steps = frame - key["frame"]
        return [
            key
            | {"x": key["x"] + (x - key["x"]) * step / steps, "frame": key["frame"] + step, "auto": True}
            | {"time": round(key["time"] + (time - key["time"]) * step / steps, 2)}
            for step in range(1, steps + 1)
        ]

    between = towards(first, last["frame"], last["x"], last["time"])[:-1]
    return [first, *between, last, *towards(last, count, last["x"], duration)]


@pytest.mark.parametrize(("frames", "duration", "start", "stop"), [(75, 3.02, 20, 40), (20, 0.875, 5, 15)])
def test_an_export_with_interpolated_key_frames_says_the_same(
    frames: int, duration: float, start: int, stop: int, tmp_path: Path
) -> None:
    """The times between are rounded, and end where the sound does: the rate that they tell is not the tag's, and the
    last of them may lie behind the last picture."""
    keys = key(start, 0, rate=24), key(stop, 40, rate=24)
    plain = read(tmp_path, task(region("r", *keys)), of=picture(frames))["r"]
    full = interpolated(*keys, round(duration * 24), duration)
    found = read(tmp_path, task(region("r", *full)), of=picture(frames))["r"]
    assert [box.frame for box in found] == [box.frame for box in plain]
    assert [box.x for box in found] == pytest.approx([box.x for box in plain], abs=1e-4)


def test_a_turned_region_becomes_the_upright_box_around_it(tmp_path: Path) -> None:
    """It is turned about its left upper corner, in pixels and not in percent."""
    found = read(tmp_path, task(region("r", key(1, 50, rotation=90, enabled=False))))
    assert found["r"] == [pytest.approx(TrackBox(0, 50, 10, 50, 40))]


def test_people_are_chosen_by_label_wherever_it_stands(tmp_path: Path) -> None:
    labelled = {"id": "b", "type": "labels", "from_name": "tag", "value": {"labels": ["Car"]}}
    results = [region("a", key(1, 0)), region("b", key(1, 0), label=None), labelled]
    assert list(read(tmp_path, task(*results))) == ["a"]
    assert list(read(tmp_path, task(*results), people=("car",))) == ["b"]


def test_choices_about_a_region_are_what_it_says_of_its_attributes(tmp_path: Path) -> None:
    said = [
        {"id": "a", "type": "choices", "from_name": "hat", "value": {"choices": ["yes"]}},
        {"id": "a", "type": "choices", "from_name": "top color", "value": {"choices": ["red"]}},
    ]
    (tmp_path / "t.json").write_text(json.dumps([task(region("a", key(1, 0)), *said)]))
    assert read_label_studio(str(tmp_path / "t.json"), picture()).votes == {
        "a": {"hat": {"yes": 1}, "top color": {"red": 1}}
    }


def test_one_task_of_several_is_named(tmp_path: Path) -> None:
    tasks = [task(region(f"r{number}", key(1, 0)), number=number) for number in (7, 9)]
    assert list(read(tmp_path, *tasks, sequence="9")) == ["r9"]
    with pytest.raises(ManifestError, match="has 2 tasks, say which with --sequence: 7, 9"):
        read(tmp_path, *tasks)


def test_cancelled_annotations_do_not_count_and_two_are_refused(tmp_path: Path) -> None:
    good = task(region("a", key(1, 0)))
    cancelled = task(region("b", key(1, 0)), was_cancelled=True)["annotations"]
    assert list(read(tmp_path, good | {"annotations": [*cancelled, *good["annotations"]]})) == ["a"]
    with pytest.raises(ManifestError, match="task 1: has 2 annotations, one is expected"):
        read(tmp_path, good | {"annotations": good["annotations"] * 2})


def test_a_region_that_goes_on_after_the_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ManifestError, match=r"region r: its last key frame is at 0\.840 s, but the video ends at 0\.800 s"
    ):
        read(tmp_path, task(region("r", key(1, 0), key(22, 0))))
    assert [box.frame for box in read(tmp_path, task(region("r", key(20, 0))))["r"]] == [19]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([{"id": 1, "video": "v.mp4", "box": []}], "export as JSON, not as JSON-MIN"),
        ([task()], "task 1: has no video regions"),
        ([task(region("r"))], "region r: needs a 'sequence' of key frames"),
        ([task(region("r", {"frame": 1, "x": 1}))], "region r: needs a 'sequence' of key frames"),
        ([], "has 0 tasks"),
    ],
)
def test_what_is_no_such_export_is_refused(document: Any, problem: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps(document))
    with pytest.raises(ManifestError) as caught:
        read_label_studio(str(tmp_path / "t.json"), picture())
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.update(annotations=[5]), "is not Label Studio's JSON"),
        (lambda t: t["annotations"][0].update(result=5), "the 'result' of its annotation is not a list of objects"),
        (lambda t: t["annotations"][0].update(result=[5]), "the 'result' of its annotation is not a list of objects"),
        (lambda t: value_of(t).update(labels=5), "its 'labels' are 5, not a list"),
        (lambda t: key_of(t).update(frame=math.nan), "needs a 'sequence' of key frames"),
        (lambda t: key_of(t).update(x=10**400), "needs a 'sequence' of key frames"),
        (lambda t: key_of(t).update(time="1"), "needs a 'sequence' of key frames"),
        (lambda t: key_of(t).update(rotation=math.inf), "needs a 'sequence' of key frames"),
        (lambda t: key_of(t).update(frame=0), "by its times it has 0 frames a second, which no video has"),
        (lambda t: key_of(t).update(time=-1), "by its times it has -3 frames a second, which no video has"),
        (lambda t: (key_of(t).update(time=0), value_of(t).update(duration="x")), "so its frames have no time"),
        (lambda t: (key_of(t).update(time=0), value_of(t).update(framesCount=0)), "it has 0 frames a second"),
    ],
)
def test_values_of_another_kind_are_refused(
    change: Callable[[dict[str, Any]], object], problem: str, tmp_path: Path
) -> None:
    changed = task(region("r", key(3, 10)))
    change(changed)
    with pytest.raises(ManifestError) as caught:
        read(tmp_path, changed)
    assert problem in str(caught.value)


def test_choices_that_are_no_list_are_refused(tmp_path: Path) -> None:
    choices = {"id": "r", "type": "choices", "from_name": "hat", "value": {"choices": 5}}
    with pytest.raises(ManifestError, match="its 'choices' are 5, not a list"):
        read(tmp_path, task(region("r", key(3, 10)), choices))


def value_of(of_task: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = of_task["annotations"][0]["result"][0]["value"]
    return value


def key_of(of_task: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = value_of(of_task)["sequence"][0]
    return first


def test_of_several_labels_of_a_region_the_one_of_people_counts(tmp_path: Path) -> None:
    both = region("r", key(18, 10), label=None, labels=["Car", "Person"])
    assert list(read(tmp_path, task(both, region("c", key(18, 10), label="Car")))) == ["r"]
    assert list(read(tmp_path, task(both, region("c", key(18, 10), label="Van")), people=("Car",))) == ["r"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([(3, 0), (3, 50)], "region r: has two key frames of number 3"),
        ([(0, 0), (3, 50)], "has a key frame 0, but frames are counted from 1; .* say --first-frame 0"),
    ],
)
def test_key_frames_that_mean_two_things_are_refused(
    keys: list[tuple[int, float]], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError, match=problem):
        read(tmp_path, task(region("r", *(key(frame, x) for frame, x in keys))))
