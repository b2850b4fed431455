"""The one transformer block that the image tower, the side networks and the fusion share, and the aggregations.

Dimension letters: M images (in the fusion and the temporal side what stands for them), N tokens, P patches,
D width, H and W pixels, B tracklets, A things to aggregate (frames or streams).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from par_model.model.config import Activation, Aggregate

QUICK_GELU = 1.702
SIDE_EPS = 1e-6  # LayerNorm epsilon of timm's ViT, on which the side networks and the fusion are modelled


def activate(x: Tensor, activation: Activation) -> Tensor:
    """quickgelu: x * sigmoid(1.702 x), from OpenAI's CLIP; gelu: exact, with erf; gelu_tanh: its approximation; silu:
    x * sigmoid(x), what ``Mlp.fold_quickgelu`` leaves.

    Without gradients, quickgelu and silu reuse ``x``: the largest tensor of a block is read and written, never copied.
    """
    learns = torch.is_grad_enabled() and x.requires_grad
    if activation == "gelu":
        return F.gelu(x)
    if activation == "gelu_tanh":
        return F.gelu(x, approximate="tanh")
    if activation == "silu":
        return F.silu(x, inplace=not learns)
    if learns:
        return x * torch.sigmoid(QUICK_GELU * x)
    return x.mul_(torch.sigmoid(QUICK_GELU * x))


class PatchEmbed(nn.Conv2d):
    """Images [M, 3, H, W] to patch tokens [M, P, D], row by row of patches.

    A convolution whose windows do not overlap is one matrix product: on a GPU, cuDNN's convolution takes several times
    as long (benchmarks/LOG.md).
    """

    def __init__(self, width: int, patch: int, *, bias: bool = True) -> None:
        super().__init__(3, width, kernel_size=patch, stride=patch, bias=bias)

    def forward(self, images_M3HW: Tensor) -> Tensor:
        size = self.kernel_size[0]
        pixels = rearrange(images_M3HW, "m rgb (r p) (k q) -> m (r k) (rgb p q)", p=size, q=size)
        return F.linear(pixels, self.weight.flatten(1), self.bias)


class Attention(nn.Module):
    """Multi-head self-attention with one joint projection, scaled by 1 / sqrt(width / heads)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x_MND: Tensor) -> Tensor:
        q, k, v = rearrange(self.qkv(x_MND), "m n (three heads d) -> three m heads n d", three=3, heads=self.heads)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.proj(rearrange(mixed, "m heads n d -> m n (heads d)"))
        return out


class Mlp(nn.Module):
    """Two Linears with an activation between them."""

    def __init__(self, width: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x_MND: Tensor) -> Tensor:
        out: Tensor = self.fc2(activate(self.fc1(x_MND), self.activation))
        return out

    def fold_quickgelu(self) -> None:
        """x sigmoid(a x) is silu(a x) / a: with a = 1.702 in the Linears' weights, one pass over the block's largest
        tensor instead of three. For inference; other activations stay as they are."""
        if self.activation != "quickgelu":
            return
        with torch.no_grad():
            self.fc1.weight.mul_(QUICK_GELU)
            self.fc1.bias.mul_(QUICK_GELU)
            self.fc2.weight.div_(QUICK_GELU)
        self.activation = "silu"


class Block(nn.Module):
    """A pre-norm transformer block, [M, N, D] to the same.

    drop_path: chance, in training only, that a branch is skipped for one of the M; what is kept is scaled up by
    1 / (1 - drop_path), as in "Deep networks with stochastic depth" (arXiv 1603.09382).
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        hidden: int | None = None,
        activation: Activation = "gelu",
        eps: float = SIDE_EPS,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, hidden or 4 * width, activation)
        self.drop_path = drop_path

    def forward(self, x_MND: Tensor) -> Tensor:
        x_MND = x_MND + self._drop(self.attn(self.norm1(x_MND)))
        return x_MND + self._drop(self.mlp(self.norm2(x_MND)))

    def _drop(self, branch_MND: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0.0:
            return branch_MND
        keep = 1.0 - self.drop_path
        kept_M11 = branch_MND.new_empty(len(branch_MND), 1, 1).bernoulli_(keep)
        return branch_MND * kept_M11 / keep


class Aggregation(nn.Module):
    """A token sets become one: [B, A, N, D] to [B, N, D].

    mean: their mean. mlp: one learned weight for each of the A, and a bias (the released code's 1x1 convolution).
    lstm, gru: the A in order through one recurrent layer of the same width, token by token; its last hidden state.
    """

    def __init__(self, kind: Aggregate, *, count: int, width: int) -> None:
        super().__init__()
        self.kind: Aggregate = kind
        if kind == "mlp":
            bound = count**-0.5  # torch's own start for a 1x1 convolution with `count` inputs
            self.weight = nn.Parameter(torch.empty(count).uniform_(-bound, bound))
            self.bias = nn.Parameter(torch.empty(1).uniform_(-bound, bound))
        elif kind == "lstm":
            self.recurrent: nn.RNNBase = nn.LSTM(width, width, batch_first=True)
        elif kind == "gru":
            self.recurrent = nn.GRU(width, width, batch_first=True)

    def forward(self, x_BAND: Tensor) -> Tensor:
        if self.kind == "mean":
            return x_BAND.mean(dim=1)
        if self.kind == "mlp":
            mixed: Tensor = torch.einsum("band,a->bnd", x_BAND, self.weight) + self.bias
            return mixed
        outputs, _ = self.recurrent(rearrange(x_BAND, "b a n d -> (b n) a d"))
        last: Tensor = rearrange(outputs[:, -1], "(b n) d -> b n d", b=len(x_BAND))
        return last

    def parameters_run(self, count: int) -> list[nn.Parameter]:
        """The parameters that matter where ``count`` things are aggregated: before a single one there is no state,
        so that nothing depends on the weight that an LSTM or GRU multiplies it with."""
        idle = "recurrent.weight_hh_l0" if count == 1 else None
        return [parameter for name, parameter in self.named_parameters() if name != idle]


def start_side_weights(module: nn.Module) -> None:
    """Random start of a side network's blocks, as timm's ViT: truncated normal 0.02 for Linears, zero biases."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def resize_positions(table_ND: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    """A position table, class token first, for another grid of patches: [1 + old rows x columns, D] to the new.

    The patches' part is resized bicubically with antialiasing, as open_clip does for its own towers.
    """
    if old_grid == new_grid:
        return table_ND
    rows, columns = old_grid
    image = rearrange(table_ND[1:], "(rows columns) d -> 1 d rows columns", rows=rows, columns=columns)
    resized = F.interpolate(image, size=new_grid, mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([table_ND[:1], rearrange(resized, "1 d rows columns -> (rows columns) d")])
