"""The small detector that ships: how well it finds the people of a street that it has not seen, and, with --train, how
it is made.

    python -m benchmarks.street_detector [--train] [--work DIR] [--threads N]

Renders the demo's own cameras with other people and scores the shipped weights on them, box by box. --train first
renders other cameras, trains from random weights, and puts the result in the weights' place. Broken off, it goes on
with the epoch where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import safetensors.torch
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torchvision.ops import box_iou

from benchmarks.demo_weights import rendered
from benchmarks.results import table, write_section
from par_model.demo.config import StreetConfig
from par_model.tracking.street_detector import StreetDetector, weights_file
from par_model.tracking.street_network import StreetNetwork

HELD_OUT = StreetConfig(seed=5005, first_camera=0, cameras=4, seconds=24, fps=2, min_boxes=1)
SURE = 0.5  # score of boxes that count: all that are handed on
SAME = 0.5  # overlap from which a box counts as found


def boxes_of(manifest: Path, identity: str) -> dict[str, dict[int, dict[str, list[float]]]]:
    """By video, frame and who it is (a column of the manifest): the box, as corners."""
    rows = pq.read_table(manifest, columns=["video_uri", "frame_indices", "boxes", identity]).to_pylist()
    found: dict[str, dict[int, dict[str, list[float]]]] = {}
    for row in rows:
        frames = found.setdefault(row["video_uri"], {})
        for frame, b in zip(row["frame_indices"], row["boxes"], strict=True):
            frames.setdefault(frame, {})[row[identity]] = [b["x"], b["y"], b["x"] + b["w"], b["y"] + b["h"]]
    return found


def frames_of(manifest: Path) -> Iterator[tuple[str, NDArray[np.uint8], NDArray[np.float32]]]:
    """Of each video in turn, each frame: the camera, the picture, and all boxes in it as corners."""
    for video, frames in boxes_of(manifest, "person_id").items():
        with av.open(video) as container:
            for number, frame in enumerate(container.decode(video=0)):
                corners = np.array(list(frames.get(number, {}).values()), np.float32).reshape(-1, 4)
                yield Path(video).stem, frame.to_ndarray(format="rgb24"), corners


def save(network: StreetNetwork) -> None:
    """Half precision on disk, in which nothing is lost that a test could see."""
    state = {name: tensor.half().contiguous() for name, tensor in network.fused().state_dict().items()}
    safetensors.torch.save_file(state, str(weights_file()))


def score(manifest: Path, threads: int) -> list[list[str]]:
    """A row for each camera: of the true boxes, how many are found, and of those found, how many are true."""
    detector = StreetDetector(device="cpu", threads=threads)
    counts: dict[str, NDArray[np.int64]] = {}
    for camera, picture, true in frames_of(manifest):
        (found,) = detector.detect([picture])
        sure = found.boxes[found.scores >= SURE]
        overlap = box_iou(torch.from_numpy(true), torch.from_numpy(sure)).numpy()
        pairs = linear_sum_assignment(overlap, maximize=True)
        hits = int((overlap[pairs] >= SAME).sum())
        counts[camera] = counts.get(camera, np.zeros(3, np.int64)) + np.array([len(true), len(sure), hits])
    return [
        [camera, str(true), f"{hits / max(1, true):.3f}", f"{hits / max(1, sure):.3f}"]
        for camera, (true, sure, hits) in counts.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--train", action="store_true", help="make the weights anew and put them in place")
    parser.add_argument("--work", type=Path, default=Path("parjob-demo") / "street-detector")
    parser.add_argument("--threads", type=int, default=1, help="of scoring")
    options = parser.parse_args()
    work: Path = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    if options.train:
        from benchmarks.street_training import train

        network, seconds = train(work)
        sys.stderr.write(f"Training took {seconds / 60:.0f} minutes of processor time.\n")
        save(network)
    found = score(rendered(HELD_OUT, work, "held-out"), options.threads)
    explained = (
        f"The detector that ships ({Path(str(weights_file())).stat().st_size / 1e6:.2f} MB), on the demo's own cameras "
        f"with other people (seed {HELD_OUT.seed}), at a score of {SURE}; a box is found that overlaps a true one by "
        f"{SAME} or more. It was trained on other cameras."
    )
    body = f"{explained}\n\n{table(['camera', 'true boxes', 'recall', 'precision'], found)}"
    print(body)
    write_section("Street detector", body)


if __name__ == "__main__":
    main()
