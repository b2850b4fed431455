"""The network of the small detector: one score and one box for each cell of a grid over the picture.

A residual network down to a sixteenth of the picture that it takes, three steps up again with what was finer beside,
and heads on cells of 2 pixels: how sure it is that a person's middle lies there ("Objects as points", arXiv
1904.07850), how far that person's four sides are from the cell's middle ("FCOS", arXiv 1904.01355), and whether the
cell is the one that speaks for that person: all near cells have a box, and those of two people who walk side by side
overlap as much as two of one person do, so that overlap alone does not tell how many there are ("YOLOv10", arXiv
2405.14458, has one answer a person from such). Cells are that small because two people are found apart only where a
cell lies between their middles.

Dimension letters: M images, H and W pixels of an image.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEIGHT = 180  # of the picture that it takes: half of the demo's videos
WIDEST = 4096  # of the same: what is a panorama to it
MULTIPLE = 16  # of pixels; less is filled up
STRIDE = 2
REACH = 4.0  # pixels of a side's distance for each unit of the network's answer


class Convolution(nn.Sequential):
    """3x3 (or 1x1), batch normalisation, ReLU."""

    def __init__(self, width: int, out: int, *, stride: int = 1, size: int = 3, active: bool = True) -> None:
        super().__init__(
            nn.Conv2d(width, out, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(out),
            *([nn.ReLU(inplace=True)] if active else []),
        )


class Residual(nn.Module):
    """Two convolutions beside the way past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Convolution(width, width), Convolution(width, width, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class Heads(nn.Module):
    """Features [M, width, h, w] of cells; out come logits [M, h, w] and boxes [M, 4, h, w], as x1, y1, x2, y2 in pixels
    of the picture taken."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score, self.sides = nn.Conv2d(width, 1, 1), nn.Conv2d(width, 4, 1)
        assert self.score.bias is not None
        nn.init.constant_(self.score.bias, -4.0)  # nearly all cells are nobody's middle

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = (torch.arange(n, device=features.device) for n in features.shape[-2:])
        # The order in which these two are computed is that in which their gradients are added, to the last bit.
        boxes = self.boxes(features, rows[:, None], columns)
        return self.score(features)[:, 0], boxes

    def boxes(self, features: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Of cells that lie in these rows and columns of the grid, whole numbers that broadcast to [h, w]."""
        left, top, right, bottom = (REACH * F.softplus(self.sides(features))).unbind(1)
        y, x = (STRIDE * (at.to(features.dtype) + 0.5) for at in (rows, columns))
        return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


class Speaking(nn.Sequential):
    """Features [M, width, h, w] of cells; out come logits [M, 1, h, w] of whether a cell is the one of all near it that
    speaks for its person."""

    def __init__(self, width: int) -> None:
        last = nn.Conv2d(8, 1, 1)  # before the other one: the weights come from random numbers in this order
        assert last.bias is not None
        nn.init.constant_(last.bias, -4.0)  # nearly all cells leave it to others
        super().__init__(nn.Conv2d(width, 8, 3, padding=1), nn.ReLU(inplace=True), last)

    def of_nines(self, nines: Tensor) -> Tensor:
        """The logits [k] of k cells alone. nines: the features of each and of those around it [k, 9, width], row by
        row."""
        first, _, last = self
        assert isinstance(first, nn.Conv2d)
        assert isinstance(last, nn.Conv2d)
        seen = F.relu(F.linear(nines.flatten(1), first.weight.permute(0, 2, 3, 1).flatten(1), first.bias))
        return F.linear(seen, last.weight.flatten(1), last.bias).flatten()


class Cells(NamedTuple):
    """What the network says of cells: logits and boxes as of Heads, speaking as of Speaking. Of all cells of pictures
    [M, h, w], [M, 4, h, w] and [M, h, w]; of k chosen ones of one picture [k], [k, 4] and [k]."""

    logits: Tensor
    boxes: Tensor
    speaking: Tensor


class StreetNetwork(nn.Module):
    """Float pictures [M, 3, H, W], RGB from 0 to 1, both sides multiples of 16; out come cells of STRIDE pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(Convolution(3, 16, stride=2), Convolution(16, 32, stride=2), Residual(32))
        self.middle = nn.Sequential(Convolution(32, 64, stride=2), Residual(64), Residual(64))
        self.coarse = nn.Sequential(Convolution(64, 80, stride=2), Residual(80), Residual(80))
        self.from_coarse, self.mix_middle = Convolution(80, 64, size=1), Convolution(64, 64)
        self.from_middle, self.mix_fine = Convolution(64, 32, size=1), Convolution(32, 48)
        self.from_fine, self.mix_finest = Convolution(48, 16, size=1), Convolution(16, 32)
        self.heads, self.speaks = Heads(32), Speaking(32)

    def finest_features(self, pictures: Tensor) -> Tensor:
        """Of cells of 2 pixels, [M, 32, H/2, W/2]."""
        finest = self.stem[0](pictures - 0.45)
        fine = self.stem[1:](finest)
        middle = self.middle(fine)
        up = F.interpolate(self.from_coarse(self.coarse(middle)), scale_factor=2.0)
        middle = self.mix_middle(middle + up)
        fine = self.mix_fine(fine + F.interpolate(self.from_middle(middle), scale_factor=2.0))
        mixed: Tensor = self.mix_finest(finest + F.interpolate(self.from_fine(fine), scale_factor=2.0))
        return mixed

    def forward(self, pictures: Tensor) -> Cells:
        return self.cells(self.finest_features(pictures))

    def cells(self, features: Tensor) -> Cells:
        logits, boxes = self.heads(features)
        return Cells(logits, boxes, self.speaks(features)[:, 0])

    def speakers(self, features: Tensor, least: float, surely: float, most: int) -> Cells:
        """Of one picture's finest features [32, h, w] the cells that speak for a person: those whose logits of speaking
        are ``surely`` or more, and of which no cell beside has more; the surest first, and of those beside each other
        that have the same, all. Only cells whose other logits are ``least`` or more are looked at, ``most`` of them at
        most: few are, and all would take milliseconds."""
        rows, columns = features.shape[1:]
        logits = self.heads.score(features[None]).flatten()
        likely = torch.where(logits >= least)[0]
        likely = likely[logits[likely].topk(min(most, len(likely))).indices]
        around, is_inner = nine_around(likely, rows, columns)
        speaking = self.speaks.of_nines(features.permute(1, 2, 0).flatten(0, 1)[around] * is_inner[:, :, None])
        of_all = torch.full_like(logits, -torch.inf)
        of_all[likely] = speaking
        at = torch.where((speaking >= surely) & (speaking >= of_all[around].amax(1)))[0]
        at = at[speaking[at].argsort(descending=True)]
        if not len(at):  # a convolution refuses a picture without cells
            return Cells(features.new_zeros(0), features.new_zeros(0, 4), features.new_zeros(0))
        numbers = likely[at]
        chosen = features.flatten(1)[:, numbers][None, :, :, None]
        boxes = self.heads.boxes(chosen, (numbers // columns)[:, None], (numbers % columns)[:, None])
        return Cells(logits[numbers], boxes[0, :, :, 0].T, speaking[at])

    def fused(self) -> StreetNetwork:
        """The same network for inference: each normalisation is made part of the convolution before it."""
        self.eval()
        for part in self.modules():
            if isinstance(part, Convolution):
                convolution, normalisation = part[0], part[1]
                assert isinstance(convolution, nn.Conv2d)
                assert isinstance(normalisation, nn.BatchNorm2d)
                part[0], part[1] = nn.utils.fuse_conv_bn_eval(convolution, normalisation), nn.Identity()
        return self


def nine_around(numbers: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """The numbers [k, 9] of cells [k] and of those around each, row by row, and whether they are inside the grid [k,
    9]; for one outside the number is that of the nearest inside."""
    near = torch.arange(-1, 2, device=numbers.device)
    y, x = (at[:, None] + near for at in (numbers // columns, numbers % columns))
    inner_y, inner_x = y.clamp(0, rows - 1), x.clamp(0, columns - 1)
    around = inner_y[:, :, None] * columns + inner_x[:, None, :]
    return around.flatten(1), ((y == inner_y)[:, :, None] & (x == inner_x)[:, None, :]).flatten(1)


def taken_size(height: int, width: int) -> tuple[int, int]:
    """To which height and width a picture is scaled, before it is filled up to whole multiples."""
    columns = max(1, round(width * HEIGHT / height))
    return (HEIGHT, columns) if columns <= WIDEST else (max(1, round(height * WIDEST / width)), WIDEST)


def filled_up(pictures: Tensor) -> Tensor:
    """Pictures [M, 3, H, W] with grey below and to the right, so that both sides are multiples of 16."""
    height, width = pictures.shape[-2:]
    return F.pad(pictures, (0, -width % MULTIPLE, 0, -height % MULTIPLE), value=0.45)
