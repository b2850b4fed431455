"""Video regions of Label Studio's JSON export, to a box for every frame of the video.

A region is a list of key frames, sides in percent of the picture. Between two key frames Label Studio shows boxes on
the straight way from one to the other; ``enabled: false`` says that nothing is shown after a key frame until the next,
the key frame's own box being shown. After the last key frame, an enabled one, its box stays to the end.

Frames are counted from 1 at the ``<Video>`` tag's frame rate, 24 a second unless it says otherwise, which need not be
the file's. So frames are found by time: frame n is shown from (n - 1) / rate to n / rate.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_votes import Votes, vote
from par_model.manifest.importers.gather import Listed
from par_model.manifest.importers.json_file import are_objects, is_finite, read_json
from par_model.manifest.importers.people import NAMES, choose_people

_SIDES = ("x", "y", "width", "height", "rotation")
_FASTEST = 1e5  # frames a second
_EARLY = 0.1  # of a frame: Matroska rounds times to milliseconds, and none may fall before the frame that begins there


@dataclass(frozen=True, eq=False)
class Picture:
    """Of the video that was annotated. seconds: presentation time of each frame since that of frame 0."""

    width: int
    height: int
    seconds: Sequence[float]


@dataclass(frozen=True, eq=False)
class LabelStudioTracks:
    """Boxes in pixels, frames counted from 0, and what was chosen for each region, by the name of the control."""

    listed: Listed
    votes: Votes


@dataclass(frozen=True)
class _Region:
    name: str
    label: str
    where: str
    keys: Sequence[Mapping[str, float]]
    rate: float


@dataclass(frozen=True)
class _Regions:
    regions: Sequence[_Region]
    numbers: Sequence[int]

    def __call__(self, *rows: int) -> str:
        return " and ".join(self.regions[self.numbers[row]].where for row in rows)


def read_label_studio(
    uri: str, picture: Picture, *, people: Sequence[str] = (), sequence: str | None = None, first_frame: int = 1
) -> LabelStudioTracks:
    """Boxes of one task's video regions.

    people: the labels that are people, as ``choose_people`` takes them. sequence: the task's id, needed if the export
    has several. first_frame: the number of the frame that is shown first; 0 for editors that show frame n at n / rate.

    Raises ManifestError where a region is not of this form or ends after the video, and where a task has
    no or several annotations.
    """
    results, where = _results(uri, sequence)
    named = [name.casefold() for name in people or NAMES]
    regions = [_region(result, results, named, where) for result in results if result.get("type") == "videorectangle"]
    if not regions:
        raise ManifestError(f"{where}: has no video regions (videorectangle)")
    shown = [(i, *box) for i, region in enumerate(regions) for box in _boxes(region, picture, first_frame)]
    numbers = [i for i, *_ in shown]
    listed = Listed(
        ids=[regions[i].name for i in numbers],
        frames=np.array([frame for _, frame, _ in shown], np.int64),
        boxes=np.array([box for *_, box in shown], np.float64).reshape(-1, 4),
        where=_Regions(regions, numbers),
    )
    chosen, why = choose_people([region.label for region in regions], people, uri, own_names=True)
    votes: Votes = {}
    for result in results:
        for choice in _texts(result, "choices", where) if result.get("type") == "choices" else []:
            vote(votes, str(result.get("id")), str(result.get("from_name")), str(choice))
    return LabelStudioTracks(listed.keep(chosen[numbers], "box", why), votes)


def _results(uri: str, sequence: str | None) -> tuple[list[dict[str, Any]], str]:
    document = read_json(uri)
    tasks = document if isinstance(document, list) else [document]
    if not are_objects(tasks) or not all(are_objects(task.get("annotations")) for task in tasks):
        raise ManifestError(
            f"{uri}: is not Label Studio's JSON, whose tasks have 'annotations': export as JSON, not as JSON-MIN"
        )
    wanted = (
        [task for task in tasks if str(task.get("id")) == sequence]
        if sequence is not None and len(tasks) > 1
        else tasks
    )
    if len(wanted) != 1:
        ids = ", ".join(str(task.get("id")) for task in tasks)
        raise ManifestError(f"{uri}: has {len(tasks)} tasks, say which with --sequence: {ids}")
    where = f"{uri}, task {wanted[0].get('id')}"
    annotations = [a for a in wanted[0]["annotations"] if not a.get("was_cancelled")]
    if len(annotations) != 1:
        raise ManifestError(f"{where}: has {len(annotations)} annotations, one is expected: leave one in the export")
    results = annotations[0].get("result", [])
    if not are_objects(results):
        raise ManifestError(f"{where}: the 'result' of its annotation is not a list of objects")
    return results, where


def _region(
    result: Mapping[str, Any], results: Sequence[Mapping[str, Any]], people: Collection[str], where: str
) -> _Region:
    """people: of several labels of a region, one of these counts, else the first."""
    name = str(result.get("id"))
    where = f"{where}, region {name}"
    value = _value(result)
    keys = value.get("sequence")
    if not isinstance(keys, list) or not keys or not all(_is_key(key) for key in keys):
        needs = "frame, x, y, width and height, all of them numbers"
        raise ManifestError(f"{where}: needs a 'sequence' of key frames with {needs}")
    same = [other for other in results if other.get("id") == result.get("id") and other.get("type") == "labels"]
    labels = [label for of in (result, *same) for label in _texts(of, "labels", where)]
    ordered = sorted(keys, key=lambda key: float(key["frame"]))
    for key, following in pairwise(ordered):
        if key["frame"] == following["frame"]:
            raise ManifestError(f"{where}: has two key frames of number {key['frame']:g}")
    label = next((of for of in labels if of.casefold() in people), next(iter(labels), ""))
    return _Region(name, label, where, ordered, _rate(value, ordered, where))


def _value(result: Mapping[str, Any]) -> Mapping[str, Any]:
    value = result.get("value")
    return value if isinstance(value, dict) else {}


def _texts(result: Mapping[str, Any], key: str, where: str) -> list[str]:
    found = _value(result).get(key, [])
    if not isinstance(found, list):
        raise ManifestError(f"{where}: its {key!r} are {found!r}, not a list")
    return list(map(str, found))


def _is_key(key: object) -> bool:
    if not isinstance(key, dict) or not all(is_finite(key.get(name)) for name in ("frame", *_SIDES[:4])):
        return False
    return all(key.get(name) is None or is_finite(key[name]) for name in ("rotation", "time"))


def _rate(value: Mapping[str, Any], keys: Sequence[Mapping[str, float]], where: str) -> float:
    """Frames a second of the numbering, as each key frame's time or else the whole duration tells."""
    told = [key["frame"] / key["time"] for key in _drawn(keys) if key.get("time")]
    count, duration = value.get("framesCount"), value.get("duration")
    if not told and is_finite(count) and is_finite(duration) and duration:
        told = [count / duration]
    if not told:
        raise ManifestError(
            f"{where}: tells neither the time of a key frame nor the duration, so its frames have no time"
        )
    rate = statistics.median(told)
    if not 0 < rate < _FASTEST:
        raise ManifestError(f"{where}: by its times it has {rate:g} frames a second, which no video has")
    return rate


def _drawn(keys: Sequence[Mapping[str, float]]) -> Sequence[Mapping[str, float]]:
    """Those of the key frames that people drew; all of them where none is.

    An export with interpolated key frames has those between and after them as well, marked ``auto``. Their times are
    rounded to hundredths of a second, and end where the sound does, which may be behind the last picture.
    """
    return [key for key in keys if not key.get("auto")] or keys


def _boxes(region: _Region, picture: Picture, first_frame: int) -> list[tuple[int, tuple[float, ...]]]:
    """Frame and box, in pixels, of each frame of the video in which the region is shown."""
    seconds = picture.seconds
    if region.keys[0]["frame"] < first_frame:
        raise ManifestError(
            f"{region.where}: has a key frame {region.keys[0]['frame']:g}, but frames are counted from {first_frame}; "
            "if they are counted from 0, say --first-frame 0"
        )
    last = (_drawn(region.keys)[-1]["frame"] - first_frame) / region.rate
    end = seconds[-1] + (seconds[-1] - seconds[-2] if len(seconds) > 1 else 1 / region.rate)
    if last > end:
        raise ManifestError(
            f"{region.where}: its last key frame is at {last:.3f} s, but the video ends at {end:.3f} s: another video?"
        )
    boxes = []
    at = -1
    for frame, time in enumerate(seconds):
        number = math.floor(time * region.rate + _EARLY) + first_frame
        while at + 1 < len(region.keys) and region.keys[at + 1]["frame"] <= number:
            at += 1
        if at < 0:
            continue
        key = region.keys[at]
        if key["frame"] == number or key.get("enabled", True):
            following = region.keys[at + 1] if at + 1 < len(region.keys) else key
            boxes.append((frame, _between(key, following, number, picture)))
    return boxes


def _between(
    key: Mapping[str, float], following: Mapping[str, float], number: int, picture: Picture
) -> tuple[float, ...]:
    span = following["frame"] - key["frame"]
    share = (number - key["frame"]) / span if span else 0.0
    x, y, w, h, turn = (
        float(key.get(side) or 0) + (float(following.get(side) or 0) - float(key.get(side) or 0)) * share
        for side in _SIDES
    )
    left, width = x * picture.width / 100, w * picture.width / 100
    top, height = y * picture.height / 100, h * picture.height / 100
    if not turn:
        return left, top, width, height
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    across = (0.0, width * cos, width * cos - height * sin, -height * sin)  # its corners, turned about the first
    down = (0.0, width * sin, width * sin + height * cos, height * cos)
    return left + min(across), top + min(down), max(across) - min(across), max(down) - min(down)
