"""Tracklets with their labels to "CVAT for video 1.1", the XML that CVAT imports and ``from-cvat`` reads.

A group becomes an attribute that lists ``__undefined__`` before its values, true and false for a binary group, since a
checkbox could not say that nothing is known. An exclusive group of which some tracklet's labels are more, or less, than
one of its classes becomes an attribute a class. The tracklet's id is an attribute too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import IO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray

from par_model.attributes import AttributeGroup, AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.importers.formats.cvat import ID_ATTRIBUTE
from par_model.manifest.read import Manifest
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.types import Tracklet

_UNDEFINED = "__undefined__"
_BINARY = {1: "true", 0: "false"}
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_ENDS = {"\r": "&#13;", "\n": "&#10;"}  # a reader would make one of the other


@dataclass(frozen=True, eq=False)
class CvatTrack:
    """One tracklet. boxes: float32 [n, 4], None for the whole picture. labels: 1, 0 or -1 a class, None for none."""

    tracklet_id: str
    frames: NDArray[np.int32]
    boxes: NDArray[np.float32] | None
    labels: Sequence[int] | None = None


@dataclass(frozen=True)
class CvatVideo:
    """The video that tracks are of: its name, its displayed picture in pixels, and its number of frames."""

    name: str
    width: int
    height: int
    num_frames: int


@dataclass(frozen=True)
class _Attribute:
    """One attribute of CVAT's: the classes start to stop of a schema are what it says."""

    name: str
    values: tuple[str, ...]
    span: slice

    def value(self, labels: Sequence[int]) -> str:
        mine = labels[self.span]
        if len(mine) == 1:
            return _BINARY.get(mine[0], _UNDEFINED)
        return self.values[mine.index(1)] if 1 in mine else _UNDEFINED


def cvat_tracks(manifest: Manifest) -> dict[str, list[CvatTrack]]:
    """The video tracklets of a manifest by their video's URI, in the manifest's order. Still images are passed over.

    Raises ManifestError for rows that are no tracklets, whose frames could not be written, and for those of a file's
    second video track or a later one, which CVAT does not show.
    """
    found: dict[str, list[CvatTrack]] = {}
    for batch in manifest.iter_batches([*TRACKLET_COLUMNS, "labels"]):
        for row, labels in zip(tracklets(batch), batch.column("labels").to_pylist(), strict=True):
            if not isinstance(row, Tracklet):
                raise ManifestError(f"manifest {manifest.uri}: {row.tracklet_id or row.row}: {row.message}")
            if row.video_stream:
                raise ManifestError(
                    f"manifest {manifest.uri}: {row.tracklet_id} is of video track {row.video_stream}, but CVAT shows "
                    "a file's first alone: copy the other into a file of its own"
                )
            if row.video_uri is not None and row.frame_indices is not None:
                track = CvatTrack(row.tracklet_id, row.frame_indices, row.boxes, labels)
                found.setdefault(row.video_uri, []).append(track)
    return found


def write_cvat(
    file: IO[bytes],
    tracks: Sequence[CvatTrack],
    video: CvatVideo,
    *,
    schema: AttributeSchema | None = None,
    label: str = "person",
) -> None:
    """Write the tracks of one video. schema: of their labels, None to leave labels out.

    Where a track pauses or ends, a box with outside="1" follows, so that CVAT does not draw on. Every box is a key
    frame. Raises ManifestError for a text that XML cannot hold.
    """
    attributes = _attributes(tracks, schema) if schema is not None else []
    for line in _head(video, label, attributes):
        file.write(line.encode())
    for number, track in enumerate(tracks):
        said = {ID_ATTRIBUTE: track.tracklet_id}
        labels = track.labels if track.labels is not None else [-1] * (schema.num_classes if schema else 0)
        said |= {attribute.name: attribute.value(list(labels)) for attribute in attributes}
        inside = "".join(f"<attribute name={_quoted(name)}>{_text(value)}</attribute>" for name, value in said.items())
        file.write(f'<track id="{number}" label={_quoted(label)} source="file">\n'.encode())
        for frame, outside, (left, top, right, bottom) in _boxes(track, video):
            file.write(
                f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" xtl="{left!r}" ytl="{top!r}" '
                f'xbr="{right!r}" ybr="{bottom!r}" z_order="0">{inside}</box>\n'.encode()
            )
        file.write(b"</track>\n")
    file.write(b"</annotations>\n")


def _attributes(tracks: Sequence[CvatTrack], schema: AttributeSchema) -> list[_Attribute]:
    attributes: list[_Attribute] = []
    for group, span in schema.spans():
        values = tuple(of_class.value for of_class in group.classes)
        if group.kind == "exclusive" and all(_one_or_none(track, span) for track in tracks):
            attributes.append(_Attribute(group.name, values, span))
        else:
            attributes += _one_each(group, span)
    return attributes


def _one_each(group: AttributeGroup, span: slice) -> Iterator[_Attribute]:
    for column, of_class in enumerate(group.classes, start=span.start):
        name = group.name if group.kind == "binary" else f"{group.name} {of_class.value}"
        yield _Attribute(name, tuple(_BINARY.values()), slice(column, column + 1))


def _one_or_none(track: CvatTrack, span: slice) -> bool:
    """Whether a track is of one class of a group and of no other, or nothing is said of the group."""
    mine = sorted(track.labels[span]) if track.labels is not None else [-1]
    return mine == [-1] * len(mine) or mine == [0] * (len(mine) - 1) + [1]


def _boxes(track: CvatTrack, video: CvatVideo) -> Iterator[tuple[int, int, tuple[float, float, float, float]]]:
    """Frame, whether outside, and corners of every box of a track, in float64 so that sides survive the way back."""
    frames = track.frames.tolist()
    boxes = [[0.0, 0.0, video.width, video.height]] * len(frames) if track.boxes is None else track.boxes.tolist()
    for (frame, following), (x, y, w, h) in zip(pairwise([*frames, None]), boxes, strict=True):
        corners = (x, y, x + w, y + h)
        yield frame, 0, corners
        if following != frame + 1 and frame + 1 < video.num_frames:
            yield frame + 1, 1, corners


def _head(video: CvatVideo, label: str, attributes: Sequence[_Attribute]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta>\n<task>\n'
    yield f"<name>{_text(video.name)}</name><size>{video.num_frames}</size><mode>interpolation</mode>\n"
    yield f"<start_frame>0</start_frame><stop_frame>{video.num_frames - 1}</stop_frame><frame_filter></frame_filter>\n"
    yield f"<labels>\n<label><name>{_text(label)}</name><type>rectangle</type><attributes>\n"
    yield _specification(ID_ATTRIBUTE, "text", [""])
    for attribute in attributes:
        yield _specification(attribute.name, "select", [_UNDEFINED, *attribute.values])
    yield "</attributes></label>\n</labels>\n"
    yield f"<original_size><width>{video.width}</width><height>{video.height}</height></original_size>\n"
    yield f"<source>{_text(video.name)}</source>\n</task>\n</meta>\n"


def _specification(name: str, kind: str, values: Sequence[str]) -> str:
    lines = "\n".join(escape(value) for value in values)
    return (
        f"<attribute><name>{_text(name)}</name><mutable>False</mutable><input_type>{kind}</input_type>"
        f"<default_value>{_text(values[0])}</default_value><values>{lines}</values></attribute>\n"
    )


def _text(value: str) -> str:
    _refuse_no_xml(value)
    return escape(value, _LINE_ENDS)


def _quoted(value: str) -> str:
    _refuse_no_xml(value)
    return quoteattr(value)


def _refuse_no_xml(value: str) -> None:
    if _NO_XML.search(value):
        raise ManifestError(f"{value!r}: has a character that XML cannot hold; rename it")
