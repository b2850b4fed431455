"""Which tracker follows best, and with which options: on cameras by which nothing else is judged.

    python -m benchmarks.tracker_choice [--work DIR]

Renders two rounds of the demo's four scenes with other people and in other light than those of `benchmarks.tracking`,
finds people with the detector that ships, and follows them with each tracker of `parjob track`, as that command does.
With the renderer's own boxes a tracker shows what it loses by itself. LOG.md says what this and real footage had to do
with the choice of the default.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import av
import numpy as np

from benchmarks.demo_weights import rendered
from benchmarks.results import table, write_section
from benchmarks.street_detector import boxes_of
from benchmarks.tracking import CROWDED, Frames, scored, sequence
from par_model.demo.config import StreetConfig
from par_model.tracking.clothes import colours_in
from par_model.tracking.detector import load_detector
from par_model.tracking.options import FollowOptions, TrackerName
from par_model.tracking.street_detector import scaled_picture
from par_model.tracking.tracker import Sightings, follow

VALIDATION = StreetConfig(seed=6006, first_camera=300, cameras=8, seconds=15)
PLAIN = (FollowOptions(), FollowOptions(appearance="none"), FollowOptions(appearance="none", overlap="iou"))
TRIED = (*PLAIN, FollowOptions(keep_lost=2), FollowOptions(start_score=0.5))


def sightings(of_frames: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Sightings:
    """Boxes [n, 4], scores [n] and colours [n, NUMBERS] of each frame of a video, as ``follow`` takes them."""
    boxes, scores, colours = zip(*of_frames, strict=True)
    numbers = np.arange(len(boxes))
    return Sightings(
        frames=numbers,
        seconds=numbers / VALIDATION.fps,
        counts=np.array([len(one) for one in scores], np.int64),
        boxes=np.concatenate(boxes).astype(np.float32),
        scores=np.concatenate(scores).astype(np.float32),
        colours=np.concatenate(colours),
    )


def seen_in(video: str, true: Frames) -> tuple[Sightings, Sightings]:
    """What the detector finds, and what the renderer drew, all of it sure."""
    detector = load_detector("demo", device="cpu", threads=1)
    size = VALIDATION.width, VALIDATION.height
    found, drawn = [], []
    with av.open(video) as container:
        for number, frame in enumerate(container.decode(video=0)):
            picture = scaled_picture(frame.to_ndarray(format="rgb24"))
            (one,) = detector.detect([picture], size)
            found.append((one.boxes, one.scores, colours_in(picture, one.boxes, size)))
            boxes = np.array(list(true.get(number, {}).values()), np.float32).reshape(-1, 4)
            drawn.append((boxes, np.full(len(boxes), 0.95), colours_in(picture, boxes, size)))
    return sightings(found), sightings(drawn)


def followed(seen: Sightings, options: FollowOptions) -> Frames:
    frames: Frames = {}
    for name, track in enumerate(follow(seen, 1, options)):
        for frame, box in zip(track.frames.tolist(), track.boxes.tolist(), strict=True):
            frames.setdefault(frame, {})[str(name)] = box
    return frames


def rows_of(truth: dict[str, Frames]) -> Iterator[list[str]]:
    """A row for each tracker and each way of asking it."""
    both = {video: seen_in(video, frames) for video, frames in truth.items()}
    found, drawn = ({video: sides[at] for video, sides in both.items()} for at in (0, 1))
    for tracker in get_args(TrackerName):
        for tried in TRIED:
            options = FollowOptions(**asdict(tried) | {"tracker": tracker})
            values = {v: scored(sequence(frames, followed(found[v], options))) for v, frames in truth.items()}
            crowded = [one for video, one in values.items() if Path(video).stem.startswith(CROWDED)]
            others = [one for video, one in values.items() if not Path(video).stem.startswith(CROWDED)]
            plain = tried in PLAIN
            alone = [scored(sequence(f, followed(drawn[v], options)))["IDF1"] for v, f in truth.items() if plain]
            yield [
                tracker,
                options.overlap,
                options.appearance,
                f"{options.real_start_score:g}",
                f"{options.keep_lost:g} s",
                *(f"{np.mean([one[name] for one in others]):.3f}" for name in ("HOTA", "IDF1", "MOTA")),
                *(f"{np.mean([one[name] for one in crowded]):.3f}" for name in ("HOTA", "IDF1", "MOTA")),
                f"{np.mean(alone):.3f}" if plain else "",
            ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("parjob-demo") / "tracking")
    work: Path = parser.parse_args().work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    truth = boxes_of(rendered(VALIDATION, work, "validation"), "person_id")
    explained = (
        f"{VALIDATION.cameras} cameras of another street (seed {VALIDATION.seed}), {VALIDATION.seconds:g} s at "
        f"{VALIDATION.fps:g} frames a second, boxes of the detector that ships; means over the six that are not "
        f"crowded, and over the two that are. The last column is IDF1 with the renderer's own boxes, over all."
    )
    header = [
        "tracker",
        "overlap",
        "appearance",
        "start score",
        "keep lost",
        "HOTA",
        "IDF1",
        "MOTA",
        "crowded HOTA",
        "IDF1",
        "MOTA",
        "own boxes",
    ]
    body = f"{explained}\n\n{table(header, list(rows_of(truth)))}"
    print(body)
    write_section("Choice of the tracker", body)


if __name__ == "__main__":
    main()
