"""How the small detector that ships is trained; `python -m benchmarks.street_detector --train` runs it."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss

from benchmarks.demo_weights import rendered
from benchmarks.street_detector import frames_of
from par_model.demo.config import StreetConfig
from par_model.tracking.street_detector import scaled_down
from par_model.tracking.street_network import STRIDE, Cells, StreetNetwork, filled_up

# Many cameras, few frames of each, far apart: variety teaches more than repetition.
STREET = StreetConfig(
    seed=4004, first_camera=1000, cameras=1024, seconds=32, fps=0.5, min_boxes=1, people_per_minute=30
)
SEED = 7
WINDOW = 208  # columns of a picture that a step sees: a third of the work less, and more people at edges
WORKERS = 2  # processes of one thread, each with every second frame: the weights depend on how many there are
BATCH = 4  # pictures in a step of each of them
EPOCHS = 32
RATE = 2e-3
WARMING = 0.05  # of all steps: over so many the rate rises; then it falls to nothing
# What another training differs in has a checkpoint of its own.
RECIPE = (STREET, SEED, WINDOW, WORKERS, BATCH, EPOCHS, RATE, WARMING)


class Filmed(NamedTuple):
    """A frame as the network takes it, and its people: uint8 [3, H, W], float32 [n, 4] in its pixels."""

    picture: Tensor
    boxes: Tensor


class Wanted(NamedTuple):
    """What a picture's grid of cells should say.

    heat: how near each cell is to a person's middle [rows, columns], exactly 1 in one cell for each person. cells: the
    k cells that are near [k], by their flat numbers; whose: the number of their person [k]; boxes: that one's [k, 4].
    """

    heat: Tensor
    cells: Tensor
    whose: Tensor
    boxes: Tensor


def filmed(manifest: Path, worker: int) -> list[Filmed]:
    """The frames that this worker sees: every WORKERS-th."""
    found = []
    for number, (_, picture, corners) in enumerate(frames_of(manifest)):
        if number % WORKERS == worker:
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


def wanted(boxes: Tensor, rows: int, columns: int) -> Wanted:
    """Of people [n, 4] in a grid of cells of STRIDE pixels."""
    if not len(boxes):
        nobody = torch.zeros(0, dtype=torch.long)
        return Wanted(torch.zeros(rows, columns), nobody, nobody, boxes)
    y, x = (STRIDE * (torch.arange(n) + 0.5) for n in (rows, columns))
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    wide, high = (size * torch.tensor([0.16, 0.11])).clamp(min=0.6 * STRIDE).unbind(1)
    across = ((x - middle[:, :1]) / wide[:, None]) ** 2
    down = ((y - middle[:, 1:]) / high[:, None]) ** 2
    nearness = torch.exp(-0.5 * (down[:, :, None] + across[:, None, :])).flatten(1)
    best, whose = nearness.max(0)
    cells = torch.where(best > 0.5)[0]
    heat = best.clone()
    heat[nearness.argmax(1)] = 1.0
    whose = whose[cells]
    return Wanted(heat.view(rows, columns), cells, whose, boxes[whose])


def speakers(goal: Wanted, logits: Tensor, boxes: Tensor) -> Tensor:
    """The flat numbers of the cells that should speak, one for each person who has a cell: of the person's cells that
    which speaks already and has the best box ("YOLOv10", arXiv 2405.14458, has one answer a person from such). logits
    [rows, columns] of speaking, boxes [4, rows, columns], as the network gives them."""
    if not len(goal.cells):
        return goal.cells
    given = boxes.detach().flatten(1)[:, goal.cells].T
    overlap = box_iou(given, goal.boxes).diagonal()
    worth = logits.detach().flatten()[goal.cells].sigmoid() ** 0.5 * overlap**4
    people = goal.whose.unique()
    own = people[:, None] == goal.whose
    return goal.cells[torch.where(own, worth, -1.0).argmax(1)]


def focal(logits: Tensor, heat: Tensor) -> Tensor:
    """Loss of cells that should say ``heat``, of the same shape, as a sum: less the nearer to 1 a cell that should not
    be sure lies ("Objects as points", arXiv 1904.07850)."""
    p = logits.sigmoid()
    sure = (1 - p) ** 2 * F.logsigmoid(logits) * (heat == 1)
    unsure = (1 - heat) ** 4 * p**2 * F.logsigmoid(-logits) * (heat < 1)
    return -(sure + unsure).sum()


def loss_of(cells: Cells, batch: list[Filmed]) -> Tensor:
    """Of what the network says of the pictures of a batch."""
    goals = [wanted(one.boxes, *cells.logits.shape[1:]) for one in batch]
    spoken = torch.zeros_like(cells.speaking).flatten(1)
    for number, goal in enumerate(goals):
        spoken[number, speakers(goal, cells.speaking[number], cells.boxes[number])] = 1.0
    given = torch.cat([four.flatten(1)[:, goal.cells].T for four, goal in zip(cells.boxes, goals, strict=True)])
    true = torch.cat([goal.boxes for goal in goals])
    sure = focal(cells.logits, torch.stack([goal.heat for goal in goals])) + focal(cells.speaking.flatten(1), spoken)
    persons = sum(len(one.boxes) for one in batch)
    return sure / max(1, persons) + 2 * generalized_box_iou_loss(given, true, reduction="sum") / max(1, len(true))


class Learner(nn.Module):
    """The network with its loss, which workers share. Its features are computed in bf16, which processors that know it
    do in two thirds of the time; cells, whose boxes are numbers of pixels, in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.network = StreetNetwork().to(memory_format=torch.channels_last)

    def forward(self, batch: list[Filmed], pictures: Tensor) -> Tensor:
        return loss_of(self.cells(pictures), batch)

    def cells(self, pictures: Tensor) -> Cells:
        with torch.autocast("cpu", torch.bfloat16):
            features = self.network.finest_features(pictures)
        return self.network.cells(features.float())


def varied(batch: list[Filmed], generator: torch.Generator) -> Tensor:
    """Their pictures [M, 3, H, W] as the network takes them, each in a light of its own."""
    pictures = filled_up(torch.stack([one.picture for one in batch]).float() / 255)
    gain = 1 + 0.25 * (torch.rand(len(batch), 3, 1, 1, generator=generator) - 0.5)
    shift = 0.1 * (torch.rand(len(batch), 1, 1, 1, generator=generator) - 0.5)
    return (pictures * gain + shift).contiguous(memory_format=torch.channels_last)


def train(work: Path) -> tuple[StreetNetwork, float]:
    """The trained network, and for how many seconds its workers computed, by the first one's processor time."""
    name = f"street-detector-{hashlib.sha256(repr(RECIPE).encode()).hexdigest()[:8]}.pt"
    manifest, checkpoint = rendered(STREET, work, "training"), work / name
    meeting = work / "workers"  # where they find each other; left over by who broke off, it would mislead
    meeting.unlink(missing_ok=True)
    torch.multiprocessing.spawn(train_together, (manifest, checkpoint, meeting), nprocs=WORKERS)
    learner, kept = Learner(), torch.load(checkpoint)
    learner.load_state_dict(kept["learner"])
    return learner.network, kept["seconds"]


def train_together(worker: int, manifest: Path, checkpoint: Path, meeting: Path) -> None:
    """What each worker does, from the last epoch on that is kept."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=worker, world_size=WORKERS)
    frames = filmed(manifest, worker)
    torch.manual_seed(SEED)
    learner = Learner()
    shared = nn.parallel.DistributedDataParallel(learner)
    optimiser = torch.optim.AdamW(learner.parameters(), lr=RATE, weight_decay=0.02)
    fewest = torch.tensor(len(frames))
    dist.all_reduce(fewest, dist.ReduceOp.MIN)
    steps = int(fewest) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * steps, pct_start=WARMING)
    first, seconds = 0, 0.0
    if checkpoint.exists():
        kept = torch.load(checkpoint)
        learner.load_state_dict(kept["learner"])
        optimiser.load_state_dict(kept["optimiser"])
        schedule.load_state_dict(kept["schedule"])
        first, seconds = kept["epoch"], kept["seconds"]
    learner.train()
    for epoch in range(first, EPOCHS):
        # The same for all workers, so that a step sees a camera two seconds apart in the same light: the weights that
        # ship were made so. The next ones may rather have a generator for each.
        began, generator, total = time.process_time(), torch.Generator().manual_seed(SEED + epoch), 0.0
        order = torch.randperm(len(frames), generator=generator).tolist()
        flips = (torch.rand(len(frames), generator=generator) < 0.5).tolist()
        most = frames[0].picture.shape[2] - WINDOW
        lefts = torch.randint(most + 1, (len(frames),), generator=generator).tolist()
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            batch = [window_of(mirrored(frames[i]) if flips[i] else frames[i], lefts[i]) for i in chosen]
            loss = shared(batch, varied(batch, generator))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learner.parameters(), 10)
            optimiser.step()
            schedule.step()
            total += loss.item()
        seconds += WORKERS * (time.process_time() - began)
        if worker == 0:
            sys.stderr.write(f"{epoch + 1}: loss {total / steps:.3f}, {seconds:.0f} s of processor time so far\n")
            states = {"learner": learner.state_dict(), "optimiser": optimiser.state_dict()}
            states["schedule"] = schedule.state_dict()
            torch.save({**states, "epoch": epoch + 1, "seconds": seconds}, checkpoint.with_suffix(".new"))
            os.replace(checkpoint.with_suffix(".new"), checkpoint)
    dist.destroy_process_group()
