"""Tracks and attributes of "CVAT for video 1.1", the XML that CVAT exports and FiftyOne writes too.

    <annotations>
      <meta> ... <labels><label><name>person</name><attributes> ... </attributes></label></labels> ... </meta>
      <track id="0" label="person">
        <box frame="7" outside="0" occluded="0" keyframe="1" xtl="1.5" ytl="2" xbr="31.5" ybr="82" rotation="0">
          <attribute name="hat">true</attribute>
        </box>
      </track>
    </annotations>

Frames are the video's own, from 0, also where a task has a frame step. CVAT writes a box for every frame in which the
track is seen and one more, outside="1", for the frame in which it no longer is; nothing is interpolated here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from xml.etree import ElementTree

import numpy as np

from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_votes import Votes, vote
from par_model.manifest.importers.formats.cvat_meta import AttributeSpecification, CvatMeta, is_number
from par_model.manifest.importers.gather import Lines, Listed
from par_model.manifest.importers.people import choose_people
from par_model.manifest.importers.tracks import LeftOut
from par_model.manifest.importers.xml_stream import read_xml

ID_ATTRIBUTE = "tracklet_id"  # gives a track its whole tracklet_id, where it is a text that is not empty
_SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton")
_NEEDED = ("frame", "xtl", "ytl", "xbr", "ybr")
_SHOWN = 40  # characters of a value in a message


@dataclass(frozen=True, eq=False)
class CvatTracks:
    """The tracks of one video.

    votes: what the boxes of each track say of its attributes. whole_ids: track id -> tracklet_id, of those that say.
    attributes: what the label's boxes may say, by the file's own specification, empty without one.
    size: width and height of the picture that was annotated, None where the file does not say.
    """

    listed: Listed
    votes: Votes
    whole_ids: Mapping[str, str]
    attributes: Sequence[AttributeSpecification]
    size: tuple[int, int] | None


def read_cvat(uri: str, *, labels: Sequence[str] = (), task: int | None = None) -> CvatTracks:
    """Tracks of an XML file or of a zip archive that holds one.

    labels: those that are people, as ``choose_people`` takes them.
    task: which of a project's tasks is meant; needed if the file has tracks of several.

    Raises ManifestError where there is nothing to take or it cannot be told what to take, and for values that are no
    boxes, with the line; as ``read_xml`` for what is no such file.
    """
    file = _File()
    origin = read_xml(uri, file, preferred="annotations.xml")
    file.refuse_other_formats(origin)
    of_task = _of_task(file.tracks, file.meta.task_names(), task, origin)
    people, why = choose_people([track.label for track in of_task], labels, origin, option="--label", own_names=True)
    wanted = [track for track, is_person in zip(of_task, people.tolist(), strict=True) if is_person]
    left_out = [LeftOut(len(file.tracks) - len(of_task), "track", "of other tasks")]
    left_out.append(LeftOut(len(of_task) - len(wanted), "track", why))
    left_out.append(LeftOut(file.images, "image", "with boxes of no track"))
    left_out.append(LeftOut(sum(track.outside for track in wanted), "box", "marked outside"))
    for shape, count in sum((track.shapes for track in wanted), Counter[str]()).items():
        left_out.append(LeftOut(count, "shape", f"of another kind than boxes ({shape})"))
    return CvatTracks(
        listed=_listed(wanted, origin, [part for part in left_out if part.count]),
        votes=_votes(wanted),
        whole_ids=_whole_ids(wanted, origin),
        attributes=file.meta.attributes({track.label for track in wanted}),
        size=file.meta.size(task),
    )


@dataclass
class _Track:
    """A track as it is read.

    lines, frames: of each box. sides: left, top, width, height of each, one after the other. said: attribute and value
    -> boxes that say so, once the track is ended. last: names and values, one after the other, that the last box said,
    and so many before it.
    """

    name: str
    label: str
    task: int | None
    lines: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)
    said: Counter[tuple[str, str]] = field(default_factory=Counter)
    last: list[str] = field(default_factory=list)
    last_boxes: int = 0
    shapes: Counter[str] = field(default_factory=Counter)
    outside: int = 0

    def say(self, answers: list[str]) -> None:
        """Count what a box says; most boxes say what the one before said."""
        if answers != self.last:
            self.end()
            self.last = answers
        self.last_boxes += 1

    def end(self) -> None:
        for said in zip(self.last[::2], self.last[1::2], strict=True):
            self.said[said] += self.last_boxes
        self.last_boxes = 0


class _File:
    """The handler of ``read_xml``: what a file says, its boxes track by track, the head of it as a tree.

    Most elements of a large file are attributes of boxes, so each method looks for those first.
    """

    def __init__(self) -> None:
        self.origin = ""
        self.line: Callable[[], int] = lambda: 0
        self.tracks: list[_Track] = []
        self._named: dict[tuple[int | None, str], int] = {}  # task and id of each track -> its line
        self.images = 0
        self.root: str | None = None
        self.meta = CvatMeta()
        self._builder: ElementTree.TreeBuilder | None = None
        self._track: _Track | None = None
        self._shape: str | None = None
        self._answers: list[str] | None = None  # names and values of attributes, in a box that shows its person
        self._attribute: str | None = None  # the one that such a box is just giving
        self._texts: list[str] = []
        self.data = self._texts.append

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._builder is not None:
            self._build_text(self._builder)
            self._builder.start(tag, attributes)
            return
        if self._attribute is None:
            self._texts.clear()
        if self._answers is not None and tag == "attribute":
            self._attribute = attributes.get("name")
        elif self._track is not None:
            if self._shape is None and tag in _SHAPES:
                self._shape = tag
                self._begin_shape(self._track, tag, attributes)
        elif tag == "track":
            self._track = self._new_track(attributes)
        elif tag == "image":
            self.images += 1
        elif self.root is None:
            self.root = tag
        elif tag == "meta":
            self._builder = ElementTree.TreeBuilder()
            self._builder.start(tag, attributes)

    def end(self, tag: str) -> None:
        if self._attribute is not None:
            if tag == "attribute" and self._answers is not None:
                self._answers.append(self._attribute)
                self._answers.append("".join(self._texts))
                self._attribute = None
        elif self._builder is not None:
            self._build_text(self._builder)
            self._builder.end(tag)
            if tag == "meta":
                self.meta, self._builder = CvatMeta(self._builder.close()), None
        elif tag == self._shape:
            if self._track is not None and self._answers is not None:
                self._track.say(self._answers)
            self._shape = self._answers = None
        elif tag == "track":
            if self._track is not None:
                self._track.end()
            self._track = None

    def _build_text(self, builder: ElementTree.TreeBuilder) -> None:
        builder.data("".join(self._texts))
        self._texts.clear()

    @property
    def _where(self) -> str:
        return f"{self.origin}, line {self.line()}"

    def _new_track(self, attributes: dict[str, str]) -> _Track:
        name, label = attributes.get("id"), attributes.get("label")
        if name is None or label is None:
            raise ManifestError(f"{self._where}: a <track> needs an id and a label")
        task = attributes.get("task_id")
        if task is not None and not is_number(task):
            raise ManifestError(f"{self._where}: task_id {task[:_SHOWN]!r} is not a whole number")
        track = _Track(name, label, int(task) if task is not None else None)
        key = track.task, name
        if key in self._named:
            raise ManifestError(
                f"{self._where}: a track of id {name[:_SHOWN]!r} is there already, in line {self._named[key]}: two "
                "people would become one, so give one of them another id"
            )
        self._named[key] = self.line()
        self.tracks.append(track)
        return track

    def _begin_shape(self, track: _Track, tag: str, attributes: dict[str, str]) -> None:
        if tag != "box":
            track.shapes[tag] += 1
            return
        outside = attributes.get("outside", "0")
        if outside not in ("0", "1"):
            raise ManifestError(f"{self._where}: outside={outside[:_SHOWN]!r} is neither 0 nor 1")
        if outside == "1":
            track.outside += 1
            return
        self._answers = []
        try:
            x, y = float(attributes["xtl"]), float(attributes["ytl"])
            right, bottom = float(attributes["xbr"]), float(attributes["ybr"])
            turn = float(attributes.get("rotation", 0))
            frame = int(attributes["frame"])
            foreign = [name for name in _NEEDED if "_" in attributes[name] or not attributes[name].isascii()]
            if foreign:
                raise ValueError(f"{foreign[0]} {attributes[foreign[0]]!r}")
            if frame.bit_length() > 62:
                raise ValueError(f"frame {frame}")
            if not math.isfinite(turn):
                raise ValueError(f"rotation {turn}")
        except (KeyError, ValueError) as error:
            needs = "a frame and the sides xtl, ytl, xbr and ybr, all of them numbers, as its rotation is"
            raise ManifestError(f"{self._where}: a <box> needs {needs}: {error}") from error
        if turn:
            x, y, right, bottom = _enclosing(x, y, right, bottom, turn)
        track.lines.append(self.line())
        track.frames.append(frame)
        track.sides += (x, y, right - x, bottom - y)

    def refuse_other_formats(self, origin: str) -> None:
        if self.root != "annotations":
            raise ManifestError(f"{origin}: is not CVAT's XML: it begins with <{self.root}>, not with <annotations>")
        if not self.tracks and self.images:
            raise ManifestError(
                f"{origin}: is 'CVAT for images', {self.images} of them, which forgets which boxes are one person: "
                "export the task as 'CVAT for video 1.1'"
            )
        if not self.tracks:
            raise ManifestError(f"{origin}: has no tracks")


def _of_task(tracks: Sequence[_Track], names: Mapping[int, str], task: int | None, origin: str) -> Sequence[_Track]:
    in_tracks = {track.task for track in tracks if track.task is not None}
    known = {number: names.get(number, "") for number in sorted(in_tracks or names)}
    listed = ", ".join(f"{number} {name}".strip() for number, name in known.items())
    if not in_tracks and len(names) > 1:
        raise ManifestError(
            f"{origin}: lists {len(names)} tasks ({listed}), and its tracks do not say of which they are: export "
            "each task alone"
        )
    if task is not None and task not in known:
        raise ManifestError(f"{origin}: has no tracks of task {task}; the tasks of its tracks: {listed or 'not said'}")
    if task is None and len(in_tracks) > 1:
        raise ManifestError(
            f"{origin}: is a project, with tracks of {len(in_tracks)} tasks: say which with --task ({listed})"
        )
    return [track for track in tracks if task is None or track.task in (task, None)]


def _listed(tracks: Sequence[_Track], origin: str, left_out: Sequence[LeftOut]) -> Listed:
    return Listed(
        ids=list(chain.from_iterable([track.name] * len(track.frames) for track in tracks)),
        frames=np.fromiter(chain.from_iterable(track.frames for track in tracks), np.int64),
        boxes=np.fromiter(chain.from_iterable(track.sides for track in tracks), np.float64).reshape(-1, 4),
        where=Lines(origin, list(chain.from_iterable(track.lines for track in tracks))),
        left_out=left_out,
    )


def _votes(tracks: Sequence[_Track]) -> Votes:
    votes: Votes = {}
    for track in tracks:
        for (name, value), boxes in track.said.items():
            if name != ID_ATTRIBUTE:
                vote(votes, track.name, name, value, boxes)
    return votes


def _whole_ids(tracks: Sequence[_Track], origin: str) -> dict[str, str]:
    whole: dict[str, str] = {}
    taken: dict[str, str] = {}
    for track in tracks:
        said = {value for name, value in track.said if name == ID_ATTRIBUTE and value.strip()}
        if len(said) > 1:
            raise ManifestError(f"{origin}: track {track.name} says two {ID_ATTRIBUTE}: {', '.join(sorted(said))}")
        for value in said:
            other = taken.setdefault(value, track.name)
            if other != track.name:
                raise ManifestError(f"{origin}: tracks {other} and {track.name} have the same {ID_ATTRIBUTE} {value!r}")
            whole[track.name] = value
    return whole


def _enclosing(
    left: float, top: float, right: float, bottom: float, degrees: float
) -> tuple[float, float, float, float]:
    """The upright box around one that is turned about its middle."""
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    width, height = right - left, bottom - top
    half_width, half_height = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height
