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
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pyarrow.parquet as pq
import safetensors.torch
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss

from benchmarks.demo_weights import rendered
from benchmarks.results import table, write_section
from par_model.demo.config import StreetConfig
from par_model.tracking.street_detector import StreetDetector, scaled_down, weights_file
from par_model.tracking.street_network import Backbone, Heads, StreetNetwork, filled_up

TRAINING = StreetConfig(  # many cameras, few frames of each, far apart: variety teaches more than repetition
    seed=4004, first_camera=200, cameras=56, seconds=60, fps=0.5, min_boxes=1
)
HELD_OUT = StreetConfig(seed=5005, first_camera=0, cameras=4, seconds=24, fps=2, min_boxes=1)
SEED = 7
WINDOW = 208  # columns of a picture that a step sees: a third of the work less, and more people at edges
SURE = 0.5  # score of boxes that count: all that are handed on
SAME = 0.5  # overlap from which a box counts as found


class Stage(NamedTuple):
    """Of training. batch: pictures in a step."""

    name: str
    epochs: int
    batch: int
    rate: float


# First with heads on cells of 4 pixels, of which there are a quarter, then with those of 2, which find people apart.
COARSE = Stage("coarse", epochs=10, batch=8, rate=3e-3)
FINE = Stage("fine", epochs=2, batch=4, rate=1e-3)


class CoarseNetwork(Backbone):
    """What the first stage trains: the network without its last step up."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = Heads(48, 4)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        answer: tuple[Tensor, Tensor] = self.heads(self.features(pictures)[1])
        return answer


Trained = CoarseNetwork | StreetNetwork


class Filmed(NamedTuple):
    """A frame as the network takes it, and its people: uint8 [3, H, W], float32 [n, 4] in its pixels."""

    picture: Tensor
    boxes: Tensor


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


def filmed(manifest: Path) -> list[Filmed]:
    found = []
    for _, picture, corners in frames_of(manifest):
        scaled = scaled_down(torch.from_numpy(picture).permute(2, 0, 1)[None])[0]
        scale = torch.tensor([scaled.shape[2] / picture.shape[1], scaled.shape[1] / picture.shape[0]] * 2)
        found.append(Filmed(scaled, torch.from_numpy(corners) * scale))
    return found


def mirrored(one: Filmed) -> Filmed:
    width = one.picture.shape[2]
    x1, y1, x2, y2 = one.boxes.unbind(1)
    return Filmed(one.picture.flip(2), torch.stack([width - x2, y1, width - x1, y2], 1))


def window_of(one: Filmed, left: int) -> Filmed:
    """WINDOW columns of it, and its people, as far as a quarter of them or more is in there."""
    x1, y1, x2, y2 = one.boxes.unbind(1)
    a, b = (x - left for x in (x1, x2))
    a, b = a.clamp(0, WINDOW), b.clamp(0, WINDOW)
    boxes = torch.stack([a, y1, b, y2], 1)[b - a >= (x2 - x1) / 4]
    return Filmed(one.picture[:, :, left : left + WINDOW], boxes)


def wanted(boxes: Tensor, rows: int, columns: int, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a picture's grid of cells of ``stride`` pixels should say: how near each cell is to a person's middle
    [rows, columns], exactly 1 in one cell for each person; and the persons' boxes [k, 4] for the k cells that are near,
    with those cells [k]."""
    if not len(boxes):
        return torch.zeros(rows, columns), boxes, torch.zeros(0, dtype=torch.long)
    y, x = (stride * (torch.arange(n) + 0.5) for n in (rows, columns))
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    wide, high = (size * torch.tensor([0.16, 0.11])).clamp(min=0.6 * stride).unbind(1)
    across = ((x - middle[:, :1]) / wide[:, None]) ** 2
    down = ((y - middle[:, 1:]) / high[:, None]) ** 2
    nearness = torch.exp(-0.5 * (down[:, :, None] + across[:, None, :])).flatten(1)
    best, whose = nearness.max(0)
    cells = torch.where(best > 0.5)[0]
    heat = best.clone()
    heat[nearness.argmax(1)] = 1.0
    return heat.view(rows, columns), boxes[whose[cells]], cells


def loss_of(network: Trained, batch: list[Filmed], generator: torch.Generator) -> Tensor:
    pictures = filled_up(torch.stack([one.picture for one in batch]).float() / 255)
    gain = 1 + 0.25 * (torch.rand(len(batch), 3, 1, 1, generator=generator) - 0.5)
    shift = 0.1 * (torch.rand(len(batch), 1, 1, 1, generator=generator) - 0.5)
    logits, boxes = network((pictures * gain + shift).contiguous(memory_format=torch.channels_last))
    goals = [wanted(one.boxes, *logits.shape[1:], network.heads.stride) for one in batch]
    heat = torch.stack([goal[0] for goal in goals])
    p = logits.sigmoid()
    sure = (1 - p) ** 2 * F.logsigmoid(logits) * (heat == 1)
    unsure = (1 - heat) ** 4 * p**2 * F.logsigmoid(-logits) * (heat < 1)
    persons = max(1, sum(len(one.boxes) for one in batch))
    given = torch.cat([four.flatten(1)[:, cells].T for four, (_, _, cells) in zip(boxes, goals, strict=True)])
    true = torch.cat([goal[1] for goal in goals])
    overlap = generalized_box_iou_loss(given, true, reduction="sum") / max(1, len(true))
    return -(sure + unsure).sum() / persons + 2 * overlap


def train(work: Path, threads: int) -> tuple[StreetNetwork, float]:
    """The trained network, and how many seconds its epochs took."""
    torch.set_num_threads(threads)
    frames = filmed(rendered(TRAINING, work, "training"))
    torch.manual_seed(SEED)
    coarse = CoarseNetwork().to(memory_format=torch.channels_last)
    seconds = train_stage(COARSE, coarse, frames, work)
    torch.manual_seed(SEED)
    network = StreetNetwork().to(memory_format=torch.channels_last)
    shared = {name: tensor for name, tensor in coarse.state_dict().items() if not name.startswith("heads.")}
    network.load_state_dict({**network.state_dict(), **shared})
    return network, seconds + train_stage(FINE, network, frames, work)


def train_stage(stage: Stage, network: Trained, frames: list[Filmed], work: Path) -> float:
    """Train in place, from the last epoch on that is kept; how many seconds of processor time the epochs took."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=stage.rate, weight_decay=0.02)
    steps = len(frames) // stage.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, stage.rate, total_steps=stage.epochs * steps)
    checkpoint, first, seconds = work / f"street-detector-{stage.name}.pt", 0, 0.0
    if checkpoint.exists():
        kept = torch.load(checkpoint)
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        schedule.load_state_dict(kept["schedule"])
        first, seconds = kept["epoch"], kept["seconds"]
    for epoch in range(first, stage.epochs):
        network.train()
        began, generator, total = time.process_time(), torch.Generator().manual_seed(SEED + epoch), 0.0
        order = torch.randperm(len(frames), generator=generator).tolist()
        flips = (torch.rand(len(frames), generator=generator) < 0.5).tolist()
        most = frames[0].picture.shape[2] - WINDOW
        lefts = torch.randint(most + 1, (len(frames),), generator=generator).tolist()
        for step in range(steps):
            chosen = order[step * stage.batch : (step + 1) * stage.batch]
            batch = [window_of(mirrored(frames[i]) if flips[i] else frames[i], lefts[i]) for i in chosen]
            loss = loss_of(network, batch, generator)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 10)
            optimiser.step()
            schedule.step()
            total += loss.item()
        seconds += time.process_time() - began
        sys.stderr.write(
            f"{stage.name} {epoch + 1}: loss {total / steps:.3f}, {seconds:.0f} s of processor time so far\n"
        )
        state = {
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
        }
        torch.save(state | {"epoch": epoch + 1, "seconds": seconds}, checkpoint)
    return seconds


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
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    work: Path = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    if options.train:
        network, seconds = train(work, options.threads)
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
