"""Folders of crops, with labels in a CSV file or without, for sets of one's own, to tracklets of still images.

The file names, in a row each, tracklets, which are folders below the root; or images, each a tracklet of its own, as in
PETA, PA-100K and UPAR; or images and, in another column, the tracklet that each belongs to. All other columns are
attributes, but for those of person, camera and split.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from par_model import storage
from par_model.attributes import AttributeSchema
from par_model.attributes.attribute_schema import field_name
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_votes import VotedLabels, Votes, count_votes, vote
from par_model.manifest.importers.columns import Sheet, read_sheet
from par_model.manifest.importers.formats.crop_folders import PERSON_COLUMN
from par_model.manifest.importers.track_ids import says_none
from par_model.manifest.importers.tracks import natural
from par_model.manifest.schema import SPLITS

_IMAGE = ("image", "image_path", "image_name", "img", "path", "file", "file_name", "filename")
_TRACKLET = ("tracklet_id", "tracklet", "track_id", "group", "folder")
# Column of the manifest -> the names that others give it.
_FURTHER: Mapping[str, Sequence[str]] = {
    PERSON_COLUMN.name: ("person_id", "person", "pid"),
    "camera_id": ("camera_id", "camera", "cam", "cam_id"),
    "split": ("split", "partition", "subset"),
}
_SPLITS = {name: name for name in SPLITS} | {"valid": "val", "validation": "val", "training": "train"}
_NEGATIVE = re.compile(r"-\d+(\.0*)?")  # what trackers call detections of no track
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class LabelledCrops:
    """rows: of the manifest. voted: how their labels came about. not_pictures: number of other files below the root.

    not_annotated: tracklets, and images of no tracklet, that the file does not name; only tracklets have a row.
    no_crops: what it names and is not there.
    """

    rows: list[dict[str, Any]]
    voted: VotedLabels
    not_annotated: list[str]
    no_crops: list[str]
    not_pictures: int


@dataclass(frozen=True)
class OwnCrops:
    """rows: of the manifest. not_pictures: number of other files below the root."""

    rows: list[dict[str, Any]]
    not_pictures: int


def read_own_crops(root: str, *, each_image: bool = False) -> OwnCrops:
    """The crops below ``root``, without labels: each folder is a tracklet, and so is each picture in ``root`` itself.

    each_image: each picture is a tracklet, whatever its folder. Raises ManifestError where there are none.
    """
    pictures, others = _pictures(storage.absolute(root))
    folders, loose = _folders(pictures)
    found = _alone(pictures, root) if each_image else folders | _alone(loose, root)
    rows = [
        {"tracklet_id": name, "image_uris": [pictures[path] for path in paths]}
        for name, paths in sorted(found.items(), key=lambda item: natural(item[0]))
    ]
    return OwnCrops(rows, others)


@dataclass(frozen=True)
class _Columns:
    """Names of columns. image and tracklet: one of them at least is there. further: of the manifest -> of the file."""

    image: str | None
    tracklet: str | None
    further: Mapping[str, str]

    @property
    def key(self) -> str:
        """The column that names what lies below the root."""
        return self.image or self.tracklet or ""


@dataclass(frozen=True)
class _Grouping:
    """images: tracklet -> paths of its images below the root. of_rows: row -> tracklet, of those that name something.

    unnamed: what the file does not name.
    """

    images: Mapping[str, Sequence[str]]
    of_rows: Mapping[int, str]
    unnamed: Sequence[str]


def read_labelled_crops(
    root: str, labels: str, schema: AttributeSchema, *, image: str | None = None, tracklet: str | None = None
) -> LabelledCrops:
    """The crops below ``root`` with the labels of a CSV file.

    image, tracklet: columns that name images, and tracklets or their folders; without them, those that are called so,
    else the first, which has images if its names end like pictures. Names are paths below the root, or their last parts
    where these are unique. Attributes are read as ``count_votes`` does; of a tracklet's images, the majority counts.

    Raises ManifestError, with the line, where columns are missing, names are ambiguous or nothing matches, and for
    splits that are none.
    """
    sheet = read_sheet(labels)
    columns = _columns(sheet, image, tracklet)
    root = storage.absolute(root)
    pictures, others = _pictures(root)
    grouping = _group(sheet, columns, pictures, root)
    keys = sheet.column(columns.key)
    if not grouping.of_rows:
        raise ManifestError(
            f"{root} and {labels}: nothing is in both: the column {columns.key!r} has, for example, "
            f"{next(iter(keys), None)!r}, the folder {min(grouping.unnamed, key=natural)!r}; --image and --group say "
            "which columns have the names"
        )
    further = _further(sheet, columns, grouping)
    voted = count_votes(_votes(sheet, columns, grouping), schema, labels)
    nothing = [-1] * schema.num_classes
    return LabelledCrops(
        rows=[
            {"tracklet_id": name, "image_uris": [pictures[path] for path in paths]}
            | {"labels": list(voted.labels.get(name, nothing))}
            | further.get(name, {})
            for name, paths in grouping.images.items()
        ],
        voted=voted,
        not_annotated=sorted(grouping.unnamed, key=natural),
        no_crops=[key for row, key in enumerate(keys) if row not in grouping.of_rows],
        not_pictures=others,
    )


def _columns(sheet: Sheet, image: str | None, tracklet: str | None) -> _Columns:
    for name in (image, tracklet):
        if name is not None and name not in sheet.header:
            raise ManifestError(f"{sheet.origin}: has no column {name!r}; it has {', '.join(sheet.header)}")
    image = image or _called(sheet, _IMAGE)
    tracklet = tracklet or _called(sheet, _TRACKLET)
    if image is None and tracklet is None:
        first = sheet.header[0]
        if any(cell.strip().lower().endswith(_PICTURES) for cell in sheet.column(first)):
            image = first
        else:
            tracklet = first
    further = {of: _called(sheet, known) for of, known in _FURTHER.items()}
    taken = (None, image, tracklet)
    return _Columns(image, tracklet, {of: name for of, name in further.items() if name not in taken})


def _called(sheet: Sheet, known: Sequence[str]) -> str | None:
    """The first of the header's names that is one of the known; a sign before it, as in ``# Image``, does not count."""
    return next((name for name in sheet.header if field_name(name.lstrip("# ")) in known), None)


def _pictures(root: str) -> tuple[dict[str, str], int]:
    """URI of each picture below a folder by its path there, in natural order, and the number of other files.

    Raises ManifestError where there are none.
    """
    start = len(root.removeprefix("file://").rstrip("/")) + 1
    files = storage.list_files(root)
    by_path = {info.uri.removeprefix("file://")[start:]: info.uri for info in files}
    found = {path: uri for path, uri in by_path.items() if _is_picture(path)}
    if not found:
        raise ManifestError(f"{root}: no pictures there ({', '.join(_PICTURES)})")
    return dict(sorted(found.items(), key=lambda item: natural(item[0]))), len(files) - len(found)


def _is_picture(path: str) -> bool:
    """By its name; not what systems hide beside pictures, such as the ``._1.jpg`` of macOS."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))
    return path.lower().endswith(_PICTURES) and not hidden


def _folders(pictures: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The pictures of each folder, and those in none."""
    folders: dict[str, list[str]] = {}
    for path in pictures:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    loose = folders.pop("", [])
    return folders, loose


def _alone(pictures: Iterable[str], root: str) -> dict[str, list[str]]:
    """Each picture by its path without suffix."""
    paths = list(pictures)
    alone = {path.rpartition(".")[0]: [path] for path in paths}
    if len(alone) < len(paths):
        raise ManifestError(f"{root}: some pictures differ in nothing but their suffix; rename them")
    return alone


def _group(sheet: Sheet, columns: _Columns, pictures: Mapping[str, str], root: str) -> _Grouping:
    keys = sheet.column(columns.key)
    if columns.image is None:
        folders, loose = _folders(pictures)
        named = _match(sheet, keys, folders, root)
        return _Grouping(folders, named, [*(folders.keys() - set(named.values())), *loose])
    named = _match(sheet, keys, pictures, root)
    unnamed = pictures.keys() - set(named.values())
    if columns.tracklet is None:
        return _Grouping(
            _alone(pictures, root), {row: path.rpartition(".")[0] for row, path in named.items()}, list(unnamed)
        )
    cells = sheet.column(columns.tracklet)
    of_rows: dict[int, str] = {}
    tracklet_of: dict[str, str] = {}
    for row, path in named.items():
        where = f"{sheet.origin}, line {sheet.lines[row]}"
        name = of_rows[row] = cells[row].strip()
        if says_none(name, in_table=True) or _NEGATIVE.fullmatch(name):
            says = f"says {name!r}, which is no tracklet," if name else "is empty"
            raise ManifestError(
                f"{where}: the column {columns.tracklet!r}, of tracklets, {says} for image {keys[row]!r}"
            )
        before = tracklet_of.setdefault(path, name)
        if before != name:
            raise ManifestError(
                f"{where}: image {keys[row]!r} is of tracklet {before!r} in a line before, and here of {name!r}"
            )
    groups: dict[str, list[str]] = {}
    for path in sorted(tracklet_of, key=natural):
        groups.setdefault(tracklet_of[path], []).append(path)
    in_order = {name: groups[name] for name in dict.fromkeys(of_rows.values())}
    return _Grouping(in_order, of_rows, list(unnamed))


def _match(sheet: Sheet, keys: Sequence[str], names: Iterable[str], root: str) -> dict[int, str]:
    """Row -> the name that it means: one that is equal, else the one that ends with it."""
    exact = set(names)
    by_last: dict[str, list[str]] = {}
    for name in exact:
        by_last.setdefault(storage.name(name), []).append(name)
    found: dict[int, str] = {}
    for row, key in enumerate(keys):
        wanted = key.strip().removeprefix("./").strip("/")
        if wanted in exact:
            found[row] = wanted
            continue
        ending = [name for name in by_last.get(storage.name(wanted), []) if f"/{name}".endswith(f"/{wanted}")]
        if len(ending) > 1:
            raise ManifestError(
                f"{sheet.origin}, line {sheet.lines[row]}: {key!r} may be {' or '.join(sorted(ending)[:2])} in {root}; "
                "write more of the path"
            )
        if ending:
            found[row] = ending[0]
    return found


def _further(sheet: Sheet, columns: _Columns, grouping: _Grouping) -> dict[str, dict[str, str]]:
    """Person, camera and split of each tracklet that the file says them of."""
    found: dict[str, dict[str, str]] = {}
    for of, name in columns.further.items():
        cells = sheet.column(name)
        for row, tracklet in grouping.of_rows.items():
            value = cells[row].strip()
            where = f"{sheet.origin}, line {sheet.lines[row]}"
            if not value:
                continue
            if of == "split":
                if value.lower() not in _SPLITS:
                    raise ManifestError(f"{where}: split {value!r} is none of {', '.join(_SPLITS)}")
                value = _SPLITS[value.lower()]
            if found.setdefault(tracklet, {}).setdefault(of, value) != value:
                raise ManifestError(f"{where}: tracklet {tracklet!r} has another {name} in a line before")
    return found


def _votes(sheet: Sheet, columns: _Columns, grouping: _Grouping) -> Votes:
    votes: Votes = {}
    keys = {columns.image, columns.tracklet, *columns.further.values()}
    for column, name in enumerate(sheet.header):
        if name not in keys:
            for row, tracklet in grouping.of_rows.items():
                vote(votes, tracklet, name, sheet.rows[row][column])
    return votes
