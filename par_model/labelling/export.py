"""A manifest's tracklets, labelled or to be labelled, as files for other tools: one a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from par_model import storage
from par_model.attributes import AttributeSchema, load_schema
from par_model.errors import ManifestError, SchemaError
from par_model.manifest.exporters.cvat import CvatTrack, CvatVideo, cvat_tracks, write_cvat
from par_model.manifest.importers.videos import stem
from par_model.manifest.labels import read_labels, schema_of_labels
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.progress import Start, unseen
from par_model.video.survey import survey

_BEYOND_ALL = 2**31 - 1  # no frame index is larger, so that the survey counts to the end


@dataclass(frozen=True)
class Exported:
    """One file: of which video, and how many tracks."""

    uri: str
    video: str
    tracks: int


@dataclass(frozen=True)
class Exports:
    """Files in the manifest's order of videos. stills: tracklets of still images, which have no video and are left
    out."""

    files: list[Exported]
    stills: int


def export_cvat(
    manifest_uri: str,
    output: str,
    schema: str | None = None,
    start: Start = unseen,
) -> Exports:
    """Write a file of "CVAT for video 1.1" for each video below the folder ``output``, called after the video.

    schema: of the attributes; by default that of the manifest's labels. start: is told the number of videos, and gives
    what counts them. Raises ParError where there is nothing to write, two schemas differ, or a video cannot be read.
    """
    manifest = Manifest.open(manifest_uri)
    refuse_ambiguous(manifest, None)
    attributes = _schema(manifest, schema)
    tracks = cvat_tracks(manifest)
    stills = manifest.num_rows - sum(map(len, tracks.values()))
    if not tracks:
        raise ManifestError(f"manifest {manifest_uri}: has still images alone, which CVAT knows no tracks of")
    names = _names(list(tracks))
    advance = start(len(tracks))
    files = []
    for video, of_video in tracks.items():
        shown = _video(video, of_video, manifest_uri)
        uri = storage.join(storage.absolute(output), f"{names[video]}.xml")
        with storage.atomic_writer(uri) as file:
            write_cvat(file, of_video, shown, schema=attributes)
        files.append(Exported(uri, video, len(of_video)))
        advance(1)
    return Exports(files, stills)


def _schema(manifest: Manifest, given: str | None) -> AttributeSchema:
    own = manifest.label_schema
    schema = schema_of_labels(manifest, None if given is None else load_schema(given))
    if own is not None and own != schema:
        raise SchemaError(
            f"manifest {manifest.uri}: its labels follow schema {own.name!r}, not {schema.name!r}: leave out --schema"
        )
    read_labels(manifest, schema, labelled_by=schema)  # refuses labels of another number of classes, with the row
    return schema


def _video(uri: str, tracks: Sequence[CvatTrack], origin: str) -> CvatVideo:
    """The video as CVAT wants to know it. Raises ManifestError for frames that it does not have."""
    last = max(int(of.frames[-1]) for of in tracks)
    seen = survey(uri, _BEYOND_ALL)
    count = seen.frames
    if last >= count:
        late = next(of.tracklet_id for of in tracks if of.frames[-1] == last)
        raise ManifestError(
            f"manifest {origin}: {late} is on frame {last}, but {uri} ends with frame {count - 1}: `parjob manifest "
            "check --videos` names all such rows"
        )
    return CvatVideo(storage.name(uri), seen.width, seen.height, count)


def _names(videos: Sequence[str]) -> dict[str, str]:
    """A file's name for each video: its stem, with a number where two have the same."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video in videos:
        name, number = stem(video), 1
        while name.lower() in taken:
            number += 1
            name = f"{stem(video)}-{number}"
        taken.add(name.lower())
        names[video] = name
    return names
