"""How the small detector that ships is trained; `python -m benchmarks.street_detector --train` runs it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_iou, generalized_box_iou_loss

from benchmarks.demo_weights import rendered
from benchmarks.street_detector import frames_of
from par_model.demo.config import StreetConfig
from par_model.tracking.street_detector import scaled_down
from par_model.tracking.street_network import REACH, Backbone, Cells, Heads, StreetNetwork, filled_up

# Many cameras, few frames of each, far apart: variety teaches more than repetition. The others, which later stages see
# too, have half as many people again as the first.
FIRST_STREET = StreetConfig(seed=4004, first_camera=200, cameras=56, seconds=60, fps=0.5, min_boxes=1)
SECOND_STREET = StreetConfig(
    seed=4104, first_camera=400, cameras=40, seconds=40, fps=0.5, min_boxes=1, people_per_minute=33
)
THIRD_STREET = StreetConfig(
    seed=4204, first_camera=500, cameras=48, seconds=40, fps=0.5, min_boxes=1, people_per_minute=33
)
FOURTH_STREET = StreetConfig(
    seed=4304, first_camera=600, cameras=64, seconds=40, fps=0.5, min_boxes=1, people_per_minute=33
)
SEED = 7
WINDOW = 208  # columns of a picture that a step sees: a third of the work less, and more people at edges


class Stage(NamedTuple):
    """Of training. batch: pictures in a step. speaking: whether it is learnt which cell speaks for its person. beside:
    whether it is learnt who walks beside whom. cooling: epochs at the end, over which the rate falls to nothing; None
    is a rate that rises and falls over all of them."""

    name: str
    epochs: int
    batch: int
    rate: float
    speaking: bool = False
    beside: bool = False
    cooling: int | None = None


# First with heads on cells of 4 pixels, of which there are a quarter, then with those of 2, which find people apart,
# then on two streets, and one cell speaks for each person, then long on three, and each cell knows who walks beside its
# person, and then longer on four. Still longer helps no more (LOG.md).
COARSE = Stage("coarse", epochs=10, batch=8, rate=3e-3)
FINE = Stage("fine", epochs=2, batch=4, rate=1e-3)
APART = Stage("apart", epochs=4, batch=4, rate=1e-3, speaking=True, cooling=2)
LONG = Stage("long", epochs=8, batch=4, rate=1e-3, speaking=True, beside=True, cooling=5)
LONGER = Stage("longer", epochs=18, batch=4, rate=1e-3, speaking=True, beside=True, cooling=12)
BESIDE = 0.3  # overlap from which one walks beside another


class CoarseNetwork(Backbone):
    """What the first stage trains: the network without its last step up."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = Heads(48, 4)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        answer: tuple[Tensor, Tensor] = self.heads(self.features(pictures)[1])
        return answer


class Companions(nn.Module):
    """Features [M, width, h, w] and each cell's own box [M, 4, h, w]; out come logits [M, h, w] of whether somebody
    walks beside the cell's person, and that one's box [M, 4, h, w]: the own one, moved and scaled ("Detection in
    crowded scenes: one proposal, multiple predictions", arXiv 2003.09163). It starts with nobody, in the very same
    place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # Made without a random number: with one, all that is made after it would start otherwise than it did.
        self.score = nn.Conv2d(width, 1, 1, device="meta").to_empty(device="cpu")
        self.aside = nn.Conv2d(width, 4, 1, device="meta").to_empty(device="cpu")
        for tensor in self.parameters():
            nn.init.zeros_(tensor)
        assert self.score.bias is not None
        nn.init.constant_(self.score.bias, -2.0)

    def forward(self, features: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
        moved, scaled = self.aside(features).split(2, dim=1)
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2 + REACH * moved
        half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scaled.clamp(-1, 1).exp()
        return self.score(features)[:, 0], torch.cat([middle - half, middle + half], dim=1)


class Beside(NamedTuple):
    """What Companions say of all cells."""

    logits: Tensor
    boxes: Tensor


class AccompaniedNetwork(StreetNetwork):
    """What the others train: the network that ships, which also says who walks beside whom. Cells that know it find
    people apart; tracks of boxes so found are no better than by cells that speak (LOG.md), so it does not ship."""

    def __init__(self) -> None:
        super().__init__()
        self.companions = Companions(32)

    def forward(self, pictures: Tensor) -> tuple[Cells, Beside]:  # type: ignore[override]
        features = self.finest_features(pictures)
        logits, boxes = self.heads(features)
        beside = Beside(*self.companions(features, boxes))
        return Cells(logits, boxes, self.speaks(features)[:, 0]), beside

    def alone(self) -> StreetNetwork:
        """The network that ships."""
        network = StreetNetwork()
        own = {name: one for name, one in self.state_dict().items() if not name.startswith("companions.")}
        network.load_state_dict(own)
        return network


Trained = CoarseNetwork | AccompaniedNetwork


class Filmed(NamedTuple):
    """A frame as the network takes it, and its people: uint8 [3, H, W], float32 [n, 4] in its pixels."""

    picture: Tensor
    boxes: Tensor


class Wanted(NamedTuple):
    """What a picture's grid of cells should say.

    heat: how near each cell is to a person's middle [rows, columns], exactly 1 in one cell for each person. cells: the
    k cells that are near [k], by their flat numbers; whose: the number of their person [k]; boxes: that one's [k, 4].
    accompanied: whether somebody walks beside that one [k]; beside: the box of who does so most [k, 4].
    """

    heat: Tensor
    cells: Tensor
    whose: Tensor
    boxes: Tensor
    accompanied: Tensor
    beside: Tensor


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


def wanted(boxes: Tensor, rows: int, columns: int, stride: int) -> Wanted:
    """Of people [n, 4] in a grid of cells of ``stride`` pixels."""
    if not len(boxes):
        nobody = torch.zeros(0, dtype=torch.long)
        return Wanted(torch.zeros(rows, columns), nobody, nobody, boxes, nobody.bool(), boxes)
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
    whose = whose[cells]
    most, beside = box_iou(boxes, boxes).fill_diagonal_(0).max(1)
    return Wanted(heat.view(rows, columns), cells, whose, boxes[whose], (most >= BESIDE)[whose], boxes[beside[whose]])


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


def one_in_each(goals: list[Wanted], logits: Tensor, boxes: Tensor) -> Tensor:
    """Focal loss of cells that should speak alone, a sum. logits [M, rows, columns], boxes [M, 4, rows, columns]."""
    spoken = torch.zeros_like(logits).flatten(1)
    for number, goal in enumerate(goals):
        spoken[number, speakers(goal, logits[number], boxes[number])] = 1.0
    flat = logits.flatten(1)
    p = flat.sigmoid()
    sure = (1 - p) ** 2 * F.logsigmoid(flat) * spoken
    unsure = p**2 * F.logsigmoid(-flat) * (1 - spoken)
    return -(sure + unsure).sum()


def of_companions(goals: list[Wanted], beside: Beside) -> Tensor:
    """Loss of whether somebody walks beside each near cell's person, and of that one's box."""
    logits = torch.cat([one.flatten()[goal.cells] for one, goal in zip(beside.logits, goals, strict=True)])
    given = torch.cat([four.flatten(1)[:, goal.cells].T for four, goal in zip(beside.boxes, goals, strict=True)])
    accompanied = torch.cat([goal.accompanied for goal in goals])
    true = torch.cat([goal.beside for goal in goals])[accompanied]
    unsure = F.binary_cross_entropy_with_logits(logits, accompanied.float(), reduction="sum") / max(1, len(logits))
    return unsure + 2 * generalized_box_iou_loss(given[accompanied], true, reduction="sum") / max(1, len(true))


def loss_of(network: Trained, batch: list[Filmed], generator: torch.Generator, stage: Stage) -> Tensor:
    pictures = filled_up(torch.stack([one.picture for one in batch]).float() / 255)
    gain = 1 + 0.25 * (torch.rand(len(batch), 3, 1, 1, generator=generator) - 0.5)
    shift = 0.1 * (torch.rand(len(batch), 1, 1, 1, generator=generator) - 0.5)
    pictures = (pictures * gain + shift).contiguous(memory_format=torch.channels_last)
    if isinstance(network, AccompaniedNetwork):
        (logits, boxes, spoken), beside = network(pictures)
    else:
        logits, boxes = network(pictures)
    goals = [wanted(one.boxes, *logits.shape[1:], network.heads.stride) for one in batch]
    heat = torch.stack([goal.heat for goal in goals])
    p = logits.sigmoid()
    sure = (1 - p) ** 2 * F.logsigmoid(logits) * (heat == 1)
    unsure = (1 - heat) ** 4 * p**2 * F.logsigmoid(-logits) * (heat < 1)
    persons = max(1, sum(len(one.boxes) for one in batch))
    given = torch.cat([four.flatten(1)[:, goal.cells].T for four, goal in zip(boxes, goals, strict=True)])
    true = torch.cat([goal.boxes for goal in goals])
    overlap = generalized_box_iou_loss(given, true, reduction="sum") / max(1, len(true))
    alone = one_in_each(goals, spoken, boxes) if stage.speaking else 0
    companions = of_companions(goals, beside) if stage.beside else 0
    return (alone - (sure + unsure).sum()) / persons + 2 * overlap + companions


def train(work: Path, threads: int) -> tuple[StreetNetwork, float]:
    """The trained network, and how many seconds of processor time its epochs took."""
    torch.set_num_threads(threads)
    frames = filmed(rendered(FIRST_STREET, work, "training"))
    torch.manual_seed(SEED)
    coarse = CoarseNetwork().to(memory_format=torch.channels_last)
    seconds = train_stage(COARSE, coarse, frames, work)
    torch.manual_seed(SEED)
    network = AccompaniedNetwork().to(memory_format=torch.channels_last)
    shared = {name: tensor for name, tensor in coarse.state_dict().items() if not name.startswith("heads.")}
    network.load_state_dict({**network.state_dict(), **shared})
    seconds += train_stage(FINE, network, frames, work)
    frames += filmed(rendered(SECOND_STREET, work, "training"))
    seconds += train_stage(APART, network, frames, work)
    frames += filmed(rendered(THIRD_STREET, work, "training"))
    seconds += train_stage(LONG, network, frames, work)
    frames += filmed(rendered(FOURTH_STREET, work, "training"))
    seconds += train_stage(LONGER, network, frames, work)
    return network.alone(), seconds


def scheduled(stage: Stage, optimiser: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """steps: of an epoch."""
    total = stage.epochs * steps
    if stage.cooling is None:
        return torch.optim.lr_scheduler.OneCycleLR(optimiser, stage.rate, total_steps=total)
    cooling = stage.cooling * steps

    def share(step: int) -> float:
        return min(1.0, (step + 1) / 200, (total - step) / cooling)

    return torch.optim.lr_scheduler.LambdaLR(optimiser, share)


def train_stage(stage: Stage, network: Trained, frames: list[Filmed], work: Path) -> float:
    """Train in place, from the last epoch on that is kept; how many seconds of processor time the epochs took."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=stage.rate, weight_decay=0.02)
    steps = len(frames) // stage.batch
    schedule = scheduled(stage, optimiser, steps)
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
            loss = loss_of(network, batch, generator, stage)
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
