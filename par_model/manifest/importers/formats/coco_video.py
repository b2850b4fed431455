"""COCO with videos, the JSON of MOTSynth, TAO, CocoVID, scalabel and others.

Images are frames, annotations are boxes of tracks. An image says which frame it is by ``frame_id``, ``frame_index``,
``frame_number`` or, in MOTSynth, ``frame_n``; an annotation says whose box it is by ``track_id``, ``instance_id`` or,
in MOTSynth, ``ped_id``. Boxes are left, top, width, height in pixels of the image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from par_model import storage
from par_model.errors import ManifestError
from par_model.manifest.importers.gather import Listed
from par_model.manifest.importers.json_file import are_objects, is_finite, read_json
from par_model.manifest.importers.people import choose_people
from par_model.manifest.importers.track_ids import track_ids, with_ids
from par_model.manifest.importers.tracks import LeftOut

_FRAME_KEYS = ("frame_id", "frame_index", "frame_number", "frame_n")
_TRACK_KEYS = ("track_id", "instance_id", "ped_id", "object_id")
_NOT_COUNTED = ("iscrowd", "ignore")
_IDS = ("id", "name", "video_id", "image_id", "category_id")
_REFERENCES = ("id", "video_id", "image_id", "category_id", *_TRACK_KEYS)
_ID = (int, float, str, type(None))
_KEYS = {"images", "annotations", "categories", "videos", "bbox", *_IDS, *_FRAME_KEYS, *_TRACK_KEYS, *_NOT_COUNTED}
_MOTSYNTH_IMAGES, _MOTSYNTH_SKIPPED = 1800, 2


@dataclass(frozen=True)
class _Annotations:
    """Where rows came from, for messages. numbers: position of each in the list ``annotations``."""

    origin: str
    numbers: Sequence[int]

    def __call__(self, *rows: int) -> str:
        named = [str(self.numbers[row]) for row in rows]
        return f"{self.origin}, annotation{'s' if len(rows) > 1 else ''} {' and '.join(named)}"


def read_coco_video(
    uri: str, *, people: Sequence[str] = (), sequence: str | None = None, first_frame: int | None = None
) -> Listed:
    """Boxes of one video, frames counted from 0.

    people: the categories that are people, as ``choose_people`` takes them. sequence: name or id of the video, needed
    if the file has several. first_frame: the number of a video's first frame; without it that of the first image, which
    must be 0 or 1. Annotations that do not count (``iscrowd``, ``ignore``) are left out.

    Raises ManifestError where a key is missing or it cannot be told what is meant.
    """
    document = _load(uri)
    images = _images_of(document, sequence, uri)
    frames = {image["id"]: _frame(image, uri) for image in images}
    _refuse_repeated(frames, uri)
    first = _first(list(frames.values()), first_frame, uri)
    categories = {category.get("id"): str(category.get("name", "")) for category in document.get("categories", [])}
    numbered = [(i, a) for i, a in enumerate(document["annotations"]) if a.get("image_id") in frames]
    where = _Annotations(uri, [i for i, _ in numbered])
    listed = Listed(
        ids=track_ids([_track(a, where(row)) for row, (_, a) in enumerate(numbered)], where, in_table=True),
        frames=np.array([frames[a["image_id"]] - first for _, a in numbered], np.int64),
        boxes=np.array([_box(a, where(row)) for row, (_, a) in enumerate(numbered)], np.float64).reshape(-1, 4),
        where=where,
        left_out=_others(document, frames),
    )
    names = [categories.get(a.get("category_id")) or str(a.get("category_id", "")) for _, a in numbered]
    chosen, why = choose_people(names, people, uri)
    counts = np.array([not any(a.get(key) for key in _NOT_COUNTED) for _, a in numbered], bool)
    listed = listed.keep(chosen, "box", why).keep(counts[chosen], "box", "not to be counted (iscrowd, ignore)")
    return with_ids(listed)


def motsynth_shift(num_frames: int) -> int:
    """How many frames of a MOTSynth video come before that of its first image.

    A published video has more frames than the 1,800 images of a sequence: the data set's own tool (motsynth-baselines,
    tools/anns/to_frames.py) passes over two frames before it numbers images. A video that was made of the images has
    none before them.
    """
    return _MOTSYNTH_SKIPPED if num_frames > _MOTSYNTH_IMAGES else 0


def _load(uri: str) -> dict[str, Any]:
    document = read_json(uri, object_hook=_needed)
    if not isinstance(document, dict) or not all(are_objects(document.get(key)) for key in ("images", "annotations")):
        raise ManifestError(f"{uri}: is not COCO with videos: it needs the lists 'images' and 'annotations'")
    document |= {key: document.get(key) or [] for key in ("videos", "categories")}
    for of in ("images", "annotations", "videos", "categories"):
        if not are_objects(document[of]):
            raise ManifestError(f"{uri}: {of!r} is not a list of objects")
        _refuse_ids(document[of], of, uri)
    return dict(document)


def _refuse_ids(entries: Sequence[Mapping[str, Any]], of: str, uri: str) -> None:
    for number, entry in enumerate(entries):
        for key in _REFERENCES:
            if not isinstance(entry.get(key), _ID) or isinstance(entry.get(key), bool):
                raise ManifestError(f"{uri}: {of} {number}: {key} {entry[key]!r} is neither a number nor a text")
        if of == "images" and entry.get("id") is None:
            raise ManifestError(f"{uri}: {of} {number}: has no id, by which annotations are of an image")
    if of == "images":
        twice = [name for name, count in Counter(entry["id"] for entry in entries).items() if count > 1]
        if twice:
            raise ManifestError(f"{uri}: several images have the same id, such as {twice[0]!r}: give each its own")


def _needed(entry: dict[str, Any]) -> dict[str, Any]:
    """What is used of an object: outlines and joints, which are many times as much, are dropped as they come."""
    return {key: value for key, value in entry.items() if key in _KEYS}


def _images_of(document: Mapping[str, Any], sequence: str | None, uri: str) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = document["images"]
    videos = {image.get("video_id") for image in images}
    names = {video.get("id"): str(video.get("name", video.get("id"))) for video in document["videos"]}
    if sequence is not None:
        wanted = {video for video in videos if sequence in (str(video), names.get(video), _stem(names.get(video, "")))}
        if len(wanted) == 1:
            return [image for image in images if image.get("video_id") in wanted]
    if len(videos) > 1:
        listed = ", ".join(names.get(video, str(video)) for video in sorted(videos, key=str)[:8])
        raise ManifestError(f"{uri}: has {len(videos)} videos, say which with --sequence: {listed}")
    return images


def _others(document: Mapping[str, Any], frames: Mapping[Any, int]) -> list[LeftOut]:
    known = {image["id"] for image in document["images"]}
    absent = [a.get("image_id") for a in document["annotations"] if a.get("image_id") not in frames]
    unknown = sum(image not in known for image in absent)
    left_out = [
        LeftOut(len(absent) - unknown, "box", "of other videos"),
        LeftOut(unknown, "box", "of images that the file does not have"),
    ]
    return [part for part in left_out if part.count]


def _stem(name: str) -> str:
    return storage.name(name).rpartition(".")[0] or storage.name(name)


def _frame(image: Mapping[str, Any], uri: str) -> int:
    numbers = {key: image[key] for key in _FRAME_KEYS if image.get(key) is not None}
    number = next(iter(numbers.values()), None)
    if any(other != number for other in numbers.values()):
        told = ", ".join(f"{key} {value!r}" for key, value in numbers.items())
        raise ManifestError(f"{uri}: image {image.get('id')} is several frames at once, {told}: leave one of them in")
    if not is_finite(number) or not isinstance(number, int):
        raise ManifestError(
            f"{uri}: image {image.get('id')} does not say which frame it is: {', '.join(_FRAME_KEYS)}, a whole number"
        )
    return number


def _refuse_repeated(frames: Mapping[Any, int], uri: str) -> None:
    """Frames of several videos in one: each would be a person's that was not there."""
    image_of: dict[int, Any] = {}
    for image, frame in frames.items():
        other = image_of.setdefault(frame, image)
        if other != image:
            raise ManifestError(
                f"{uri}: images {other!r} and {image!r} are both frame {frame}: are they of two videos? Then give "
                "images a video_id"
            )


def _first(frames: Sequence[int], first_frame: int | None, uri: str) -> int:
    if first_frame is not None:
        return first_frame
    lowest = min(frames, default=0)
    if lowest not in (0, 1):
        raise ManifestError(
            f"{uri}: its images begin with frame {lowest}: say with --first-frame whether it counts from 0 or from 1"
        )
    return lowest


def _track(annotation: Mapping[str, Any], where: str) -> str:
    track = next((annotation[key] for key in _TRACK_KEYS if annotation.get(key) is not None), None)
    if track is None:
        raise ManifestError(f"{where}: has no track: {', '.join(_TRACK_KEYS)} are looked for")
    return str(track)


def _box(annotation: Mapping[str, Any], where: str) -> list[float]:
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_finite, box)):
        raise ManifestError(f"{where}: its bbox is {box!r}, not left, top, width, height, each a number")
    return [float(side) for side in box]
