"""Sampling by cost: what is recognised against what is decoded, on a street that the shipped weights have not seen.

    python -m benchmarks.sampling [--work DIR] [--weights URI]

The held-out cameras of benchmarks/demo_weights.py, filmed at the frame rate of `parjob demo`, and the same films with
other distances of key frames. Each way of sampling decodes all tracklets in this process, one thread, knowing nothing
of the files; the network then sees the same crops as in a job. It also draws docs/sampling.svg.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.demo_weights import HELD_OUT, only_visible, rendered
from benchmarks.results import table, write_section
from benchmarks.sampling_curve import KEYS_ALONE, Point, draw
from par_model.api import read_tracklets
from par_model.attributes import AttributeSchema
from par_model.choices import DECODE_BUDGET
from par_model.demo.config import StreetConfig
from par_model.evaluation.bootstrap import macro_f1_difference
from par_model.evaluation.measures import Answers, answer, measure
from par_model.model.shipped import DEMO
from par_model.model.stage import RecogniseStage
from par_model.sampling import Sampling
from par_model.types import Crops, Failure, Prediction, Tracklet
from par_model.video import reader
from par_model.video.bytes.source import open_video
from par_model.video.containers.open import VideoContainer
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import PacketIndexCache
from par_model.video.reader import VideoReader
from par_model.video.stage import DecodeStage
from par_model.video.writer import ClipWriter

# At twelve frames a second, two minutes of twelve cameras take an hour to render.
FILMED = replace(HELD_OUT, fps=StreetConfig.fps, seconds=60, min_boxes=StreetConfig.min_boxes)
FRAMES = 6
TIGHTEST = 0.01
WITHIN, WITHIN_TIGHTEST, KEPT = 0.010, 0.025, 0.945
FIGURE = Path(__file__).parent.parent / "docs" / "sampling.svg"
BAGS, COLOURS = ("backpack", "shoulder_bag", "hand_bag"), ("top_color", "bottom_color")


@dataclass(frozen=True)
class Way:
    """How a run samples. keys_alone: each tracklet reduced to its key frames, where it has any."""

    name: str
    sampling: Sampling
    keys_alone: bool = False


@dataclass(frozen=True, eq=False)
class Scored:
    """What a way of sampling cost, in frames, bytes of packets and processor seconds, and what came of it."""

    way: Way
    frames: int
    bytes: int
    seconds: float
    said: Answers


def cheap(budget: float, frames: int = FRAMES) -> Way:
    name = {DECODE_BUDGET: "cheap, default", TIGHTEST: "cheap, tightest"}.get(budget, "cheap")
    return Way(f"{name} {budget:g}", Sampling("cheap", frames, decode_budget=budget))


def uniform(frames: int = FRAMES) -> Way:
    return Way("uniform", Sampling("uniform", frames))


def keys_alone(frames: int = FRAMES) -> Way:
    return Way(KEYS_ALONE, Sampling("cheap", frames), keys_alone=True)


def all_ways() -> Iterator[Way]:
    """Six frames at every budget, and the policies with other numbers of frames."""
    yield uniform()
    for budget in (0.7, 0.5, 0.3, DECODE_BUDGET, TIGHTEST):
        yield cheap(budget)
    yield keys_alone()
    for frames in (3, 10):
        yield from (uniform(frames), cheap(DECODE_BUDGET, frames), cheap(TIGHTEST, frames), keys_alone(frames))


def few_ways() -> Iterator[Way]:
    """Six frames, where there are more or fewer key frames."""
    yield from (uniform(), cheap(0.5), cheap(DECODE_BUDGET), cheap(TIGHTEST), keys_alone())


def with_keys(manifest: Path, work: Path, seconds: float) -> Path:
    """The same street, its films encoded again with a key frame every so many seconds."""
    folder = work / f"{manifest.parent.name}-key-{seconds:g}s"
    copy = folder / "manifest.parquet"
    if copy.exists():
        return copy
    folder.mkdir(parents=True, exist_ok=True)
    rows = pq.read_table(manifest)
    uris = rows["video_uri"].to_pylist()
    copies = {uri: str(folder / Path(uri).name) for uri in dict.fromkeys(uris)}
    distance = str(round(seconds * FILMED.fps))
    options = {"crf": str(FILMED.difficulty.crf), "g": distance, "keyint_min": distance}
    for uri, target in copies.items():
        size: dict[str, Any] = {"width": FILMED.width, "height": FILMED.height, "fps": FILMED.fps}
        with open_video(uri) as file, VideoReader(file) as film, ClipWriter(target, **size, options=options) as clip:
            for frame in film.frames():
                clip.write(frame.picture())
    at = rows.schema.get_field_index("video_uri")
    pq.write_table(rows.set_column(at, rows.schema.field(at), pa.array([copies[uri] for uri in uris])), copy)
    return copy


def key_frames(uri: str | None) -> NDArray[np.int64]:
    assert uri is not None
    with open_video(uri) as file, VideoReader(file) as film:
        packet_index = film.packet_index()
    assert packet_index is not None, uri
    return packet_index.keys


def at_key_frames(tracklets: Sequence[Tracklet]) -> list[Tracklet]:
    """The tracklets of a video with their key frames alone; one without any stays as it is."""
    keys = key_frames(tracklets[0].video_uri)
    found = []
    for tracklet in tracklets:
        assert tracklet.frame_indices is not None
        assert tracklet.boxes is not None
        at = np.isin(tracklet.frame_indices, keys)
        kept = (
            replace(tracklet, frame_indices=tracklet.frame_indices[at], boxes=tracklet.boxes[at]) if at.any() else None
        )
        found.append(kept or tracklet)
    return found


class _Counted(VideoContainer):
    """Counts the bytes of the packets that are decoded."""

    decoded_bytes = 0

    def decode(self, packet: Any, **more: Any) -> Any:
        _Counted.decoded_bytes += packet.size
        return super().decode(packet, **more)


def run(way: Way, by_video: Sequence[Sequence[Tracklet]], recognise: RecogniseStage, schema: AttributeSchema) -> Scored:
    """Decode all tracklets, video by video, then recognise them."""
    stage = DecodeStage(recognise.header.preprocess, way.sampling, DecodeOptions(isolate=False))
    crops: list[Crops | Failure] = []
    seconds = 0.0
    _Counted.decoded_bytes = 0
    reader.VideoContainer = _Counted  # type: ignore[attr-defined]
    for group in by_video:
        tracklets = at_key_frames(group) if way.keys_alone else group
        reader.packet_indexes = PacketIndexCache(most_frames=1_800_000)  # type: ignore[attr-defined]
        started = time.process_time()
        crops += stage(tracklets)
        seconds += time.process_time() - started
    said = sorted(recognise(crops), key=lambda one: one.row)
    predictions = [one for one in said if isinstance(one, Prediction)]
    assert len(predictions) == len(said), next(one for one in said if isinstance(one, Failure))
    scores = np.stack([one.scores for one in predictions])
    answers = answer(scores, schema, recognise.header.thresholds)
    return Scored(way, stage.counters.frames_decoded, _Counted.decoded_bytes, seconds, answers)


@dataclass(frozen=True, eq=False)
class Street:
    """Tracklets by video, labels int8 [B, C] of all that is so, and of what a third of the frames show."""

    by_video: list[list[Tracklet]]
    labels: NDArray[np.int8]
    visible: NDArray[np.int8]

    @classmethod
    def read(cls, manifest: Path) -> Street:
        found = [one for one in read_tracklets(str(manifest)) if isinstance(one, Tracklet)]
        by_video = [list(group) for _, group in groupby(found, key=lambda one: one.video_uri)]
        return cls(by_video, *(_labels(path) for path in (manifest, only_visible(manifest))))

    def describe(self) -> str:
        """How long tracklets are, and how many key frames they have."""
        keys = {group[0].video_uri: key_frames(group[0].video_uri) for group in self.by_video}
        tracklets = [one for group in self.by_video for one in group]
        counts = [int(np.isin(np.asarray(one.frame_indices), keys[one.video_uri]).sum()) for one in tracklets]
        lengths = [one.num_frames for one in tracklets]
        return (
            f"{len(tracklets)} tracklets, the middle 80 % of {np.percentile(lengths, 10):.0f} to "
            f"{np.percentile(lengths, 90):.0f} frames, key frames of each: {np.median(counts):.0f} in the median; "
            f"{np.mean(np.equal(counts, 0)):.0%} have none"
        )


def _labels(manifest: Path) -> NDArray[np.int8]:
    return np.array(pq.read_table(manifest, columns=["labels"])["labels"].to_pylist(), np.int8)


COLUMNS = [
    *("film", "sampling", "frames each", "frames decoded", "bytes decoded", "time"),
    *("macro F1", "less than uniform", "interval", "visible", "bags", "gait", "colours"),
]


def rows(film: str, scored: Sequence[Scored], street: Street, schema: AttributeSchema) -> list[list[str]]:
    """A row a way; shares, and differences of macro F1, are those against uniform's with as many frames."""
    return [[film, *_row(one, uniform_of(scored, one.way.sampling.frames), street, schema)] for one in scored]


def _row(one: Scored, against: Scored, street: Street, schema: AttributeSchema) -> list[str]:
    groups = {name: group["macro_f1"] for name, group in measure(street.labels, one.said, schema)["groups"].items()}
    f1 = macro_f1(street.labels, one.said, schema)
    less = ["", ""]
    if one is not against:
        interval = macro_f1_difference(street.labels, one.said, against.said)
        assert interval is not None
        less = [f"{macro_f1(street.labels, against.said, schema) - f1:.3f}", "{:.3f} to {:.3f}".format(*interval)]
    return [
        one.way.name,
        str(one.way.sampling.frames),
        *(f"{share:.2f}" for share in shares(one, against)),
        f"{f1:.3f}",
        *less,
        f"{macro_f1(street.visible, one.said, schema):.3f}",
        *(f"{np.mean([groups[name] for name in names]):.3f}" for names in (BAGS, ("gait",), COLOURS)),
    ]


def uniform_of(scored: Iterable[Scored], frames: int) -> Scored:
    (found,) = (one for one in scored if one.way == uniform(frames))
    return found


def shares(one: Scored, of: Scored) -> tuple[float, float, float]:
    """Frames, bytes and processor seconds."""
    return one.frames / of.frames, one.bytes / of.bytes, one.seconds / of.seconds


def macro_f1(labels: NDArray[np.int8], said: Answers, schema: AttributeSchema) -> float:
    return float(measure(labels, said, schema)["means"]["macro_f1"])


def goals(scored: Sequence[Scored], street: Street, schema: AttributeSchema) -> str:
    """Which of the goals are met, with six frames of each tracklet."""
    f1 = {one.way: macro_f1(street.labels, one.said, schema) for one in scored}
    best = f1[uniform()]
    met = [f"Macro F1 of {KEPT} or more under uniform: {'met' if best >= KEPT else 'missed'}, {best:.3f}."]
    for way, within in ((cheap(DECODE_BUDGET), WITHIN), (cheap(TIGHTEST), WITHIN_TIGHTEST)):
        less = best - f1[way]
        met.append(f"{way.name} at most {within:.3f} below: {'met' if less <= within else 'missed'}, {less:.3f}.")
    return " ".join(met)


def scored_street(
    film: str, name: str, manifest: Path, ways: Iterable[Way], recognise: RecogniseStage
) -> tuple[list[str], list[Point]]:
    """What is said of a street, and the points of its curve. film: how rows of its table call it."""
    schema = recognise.header.schema
    street = Street.read(manifest)
    scored = []
    for way in ways:
        print(f"{name}: {way.name}, {way.sampling.frames} frames", file=sys.stderr)
        scored.append(run(way, street.by_video, recognise, schema))
    best = uniform_of(scored, FRAMES)
    points = [
        Point(shares(one, best)[2], macro_f1(street.labels, one.said, schema), one.way.keys_alone)
        for one in scored
        if one.way.sampling.frames == FRAMES
    ]
    told = [f"{street.describe()}.", goals(scored, street, schema), table(COLUMNS, rows(film, scored, street, schema))]
    return [f"### {name.capitalize()}", *told], points


_EXPLAINED = """The weights that ship, on cameras of the street that they have not seen: seed {seed}, cameras {first} to
{last}, filmed for {seconds:g} s at the {fps:g} frames a second of `parjob demo`, H.264, {width}x{height}. Shares are of
what uniform takes with as many frames of each tracklet: frames and packets' bytes that were decoded, and processor time
of the decode stage, crops cut and scaled included, one thread. Macro F1, and that of bags, gait and colours (means of
their groups), are over all labels; "visible" is as under "Demo weights". "less than uniform" is of macro F1, with its
95 % interval by a bootstrap that draws the same tracklets for both. Key frames alone: a tracklet's key frames by
uniform sampling, repeated where there are fewer; all its frames so where it has none. Films are called by the distance
of their key frames: 2 s is how the writer of clips sets them, the others are the same pictures encoded again."""


def explained() -> str:
    first = FILMED.first_camera + 1
    last = first + FILMED.cameras - 1
    size = {"width": FILMED.width, "height": FILMED.height}
    return _EXPLAINED.format(seed=FILMED.seed, first=first, last=last, seconds=FILMED.seconds, fps=FILMED.fps, **size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("parjob-demo") / "demo-weights")
    parser.add_argument("--weights", default=DEMO, help="other weights than those that ship: prints, writes nothing")
    options = parser.parse_args()
    work: Path = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    recognise = RecogniseStage(options.weights, device="cpu", batch_size=32)
    filmed = rendered(FILMED, work, "filmed")
    body = [explained()]
    streets: list[tuple[str, Path, Iterator[Way]]] = [
        ("2 s", filmed, all_ways()),  # as the writer of clips sets them
        ("1 s", with_keys(filmed, work, 1), few_ways()),
        ("10 s", with_keys(filmed, work, 10), few_ways()),
    ]
    curves: dict[str, list[Point]] = {}
    for film, manifest, ways in streets:
        name = f"a key frame every {film}"
        section, curves[name] = scored_street(film, name, manifest, ways, recognise)
        body += section
    seldom = "two frames a second, for two minutes, a key frame every 2 s"
    body += scored_street("2 fps", seldom, rendered(HELD_OUT, work, "held-out"), few_ways(), recognise)[0]
    text = "\n\n".join(body)
    print(text)
    if options.weights == DEMO:
        write_section("Sampling", text)
        draw(curves, FIGURE)


if __name__ == "__main__":
    main()
