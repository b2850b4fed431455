"""Folders of crops, as MARS and DukeMTMC-VideoReID are published, to tracklets of still images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from par_model import storage
from par_model.errors import ManifestError

PERSON_COLUMN = pa.field("person_id", pa.string())


@dataclass(frozen=True)
class CropLayout:
    """How a data set names its crops.

    splits: folder below the root -> split. pattern: of a crop's path below that folder, with the groups person,
    camera, tracklet, and frame, which may be missing. example: what an error shows.
    """

    splits: Mapping[str, str]
    pattern: re.Pattern[str]
    example: str


MARS = CropLayout(
    splits={"bbox_train": "train", "bbox_test": "test"},
    # The folder names the same person; a copy of it beside it would double its crops.
    pattern=re.compile(
        r"(?:(?P<folder>\d{4}|00-1)/)?(?P<person>(?(folder)(?P=folder)|(?:\d{4}|00-1)))"
        r"C(?P<camera>\d+)T(?P<tracklet>\d+)F(?P<frame>\d+)\.jpe?g",
        re.IGNORECASE,
    ),
    example="bbox_train/0001/0001C1T0001F001.jpg",
)
# The published gallery holds copies of the query tracklets.
DUKE = CropLayout(
    splits={"train": "train", "query": "test", "gallery": "test"},
    pattern=re.compile(
        r"(?P<person>\d{4})/(?P<tracklet>\d+)/(?P=person)_C(?P<camera>\d+)_(?:F(?P<frame>\d+))?[^/]*\.jpe?g",
        re.IGNORECASE,
    ),
    example="train/0001/0001/0001_C1_F0001_X00001.jpg",
)


@dataclass(frozen=True)
class CropTracklet:
    """The crops of one person before one camera, in the order of their frames."""

    tracklet_id: str
    person_id: str
    camera_id: str
    split: str
    image_uris: list[str]


@dataclass(frozen=True)
class CropFolders:
    """What lies below a root. repeated: ids that a second folder has again. strangers: files that are no crops."""

    tracklets: list[CropTracklet]
    repeated: list[str]
    strangers: int


def tracklet_name(person: str | int, camera: str | int, tracklet: str | int) -> str:
    """The id of a tracklet: ``PPPPCcTtttt``. Person -1, MARS's junk, is written 00-1."""
    number = f"{int(person):04d}" if str(person) not in ("00-1", "-1") else "00-1"
    return f"{number}C{int(camera)}T{int(tracklet):04d}"


def find_crops(root: str, layout: CropLayout) -> CropFolders:
    """All tracklets below a root, in the order of splits and names, with one listing for each of its folders.

    Raises ManifestError if there are none, or if one is in two splits, and StorageError.
    """
    found: dict[str, CropTracklet] = {}
    repeated: list[str] = []
    strangers = 0
    for folder, split in layout.splits.items():
        tracklets, others = _list_folder(storage.join(storage.absolute(root), folder), split, layout)
        strangers += others
        for tracklet in tracklets:
            first = found.setdefault(tracklet.tracklet_id, tracklet)
            if first.split != split:
                raise ManifestError(f"{root}: tracklet {tracklet.tracklet_id} is both in {first.split} and in {split}")
            if first is not tracklet:
                repeated.append(tracklet.tracklet_id)
    if not found:
        raise ManifestError(f"{root}: no crops there; they are looked for under names such as {layout.example}")
    return CropFolders(list(found.values()), repeated, strangers)


@dataclass(frozen=True)
class MatchedCrops:
    """rows: of the manifest. not_annotated: ids without labels. no_crops: annotated ids without crops."""

    rows: list[dict[str, Any]]
    not_annotated: list[str]
    no_crops: list[str]


def match_labels(
    tracklets: Sequence[CropTracklet], labels: Mapping[str, Sequence[int]], num_classes: int, origin: str
) -> MatchedCrops:
    """Bring tracklets and labels together by id. A tracklet without labels is kept, with -1 for every class.

    Raises ManifestError if nothing matches.
    """
    rows = [
        {
            "tracklet_id": tracklet.tracklet_id,
            "image_uris": tracklet.image_uris,
            "camera_id": tracklet.camera_id,
            "split": tracklet.split,
            "labels": list(labels.get(tracklet.tracklet_id, [-1] * num_classes)),
            PERSON_COLUMN.name: tracklet.person_id,
        }
        for tracklet in tracklets
    ]
    found = {tracklet.tracklet_id for tracklet in tracklets}
    if not found & labels.keys():
        example = next(iter(labels), "none")
        raise ManifestError(f"{origin}: no tracklet is in both, for example {min(found)} and {example}")
    not_annotated = sorted(found - labels.keys())
    return MatchedCrops(rows, not_annotated, sorted(labels.keys() - found))


def _list_folder(folder: str, split: str, layout: CropLayout) -> tuple[list[CropTracklet], int]:
    crops: defaultdict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    strangers = 0
    for info in storage.list_files(folder):
        match = layout.pattern.fullmatch(info.uri.removeprefix("file://")[len(folder.removeprefix("file://")) + 1 :])
        if match is None:
            strangers += 1
            continue
        key = (match["person"], match["camera"], match["tracklet"])
        crops[key].append((int(match["frame"] or 0), info.uri))
    tracklets = [
        CropTracklet(
            tracklet_id=tracklet_name(person, camera, number),
            person_id=person,
            camera_id=str(int(camera)),
            split=split,
            image_uris=[uri for _, uri in sorted(images)],
        )
        for (person, camera, number), images in crops.items()
    ]
    return sorted(tracklets, key=lambda t: t.tracklet_id), strangers
