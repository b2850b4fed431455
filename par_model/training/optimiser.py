"""What makes steps of gradients: Adam, as released, or Muon for the matrices and Adam for all else.

Muon (Jordan and others, "Muon: an optimizer for hidden layers in neural networks", 2024) gives each matrix of a hidden
layer a step of the momentum's directions, all equally long: where one direction of the gradient drowns the others, as
in transformers that start from random weights, these learn too. Its own here are the weights of ``nn.Linear``; patch
embeddings, positions, heads and recurrent layers are Adam's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from par_model.model.blocks import Attention
from par_model.training.options import Optimizer

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # Jordan's: the steepest at 0 that still end between 0.7 and 1.2
_ITERATIONS = 5
_ADAM_RMS = 0.2  # root mean square of Adam's steps at rate 1, as measured in arXiv 2502.16982


def make_optimisers(
    name: Optimizer, network: nn.Module, parameters: Iterable[nn.Parameter], lr: float
) -> list[torch.optim.Optimizer]:
    """Optimisers that together move ``parameters``, each of which belongs to ``network``, at one learning rate."""
    chosen = list(parameters)
    if name == "adam":
        return [torch.optim.Adam(chosen, lr=lr, fused=True)]
    wanted = {id(parameter) for parameter in chosen}
    parts = {id(part.qkv): 3 for part in network.modules() if isinstance(part, Attention)}
    groups: dict[int, list[Tensor]] = {}
    for part in network.modules():
        if isinstance(part, nn.Linear) and id(part.weight) in wanted:
            groups.setdefault(parts.get(id(part), 1), []).append(part.weight)
    matrices = {id(weight) for weights in groups.values() for weight in weights}
    rest = [parameter for parameter in chosen if id(parameter) not in matrices]
    muon = Muon([{"params": weights, "parts": count} for count, weights in groups.items()], lr=lr)
    return [torch.optim.Adam(rest, lr=lr, fused=True), muon]


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal, for matrices [parts * rows, columns]; ``parts`` of a group are independent
    matrices that lie in one, as query, key and value do.

    A step's root mean square is 0.2 of the rate, about that of Adam's steps, so that both take the same rate
    (arXiv 2502.16982). Not torch.optim.Muon: that needs torch 2.9, knows no parts, and works in bfloat16, a matrix at a
    time, which takes ten times as long on a CPU (benchmarks/LOG.md).
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float = 0.95) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "parts": 1})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient. Takes no closure."""
        alike: dict[tuple[int, int], list[tuple[Tensor, float, Tensor]]] = {}
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                ahead = torch.lerp(parameter.grad, momentum, group["momentum"])
                rows, columns = len(parameter) // group["parts"], parameter.shape[1]
                length = group["lr"] * _ADAM_RMS * max(rows, columns) ** 0.5
                alike.setdefault((rows, columns), []).append((parameter, length, ahead.view(-1, rows, columns)))
        for moves in alike.values():
            directions = orthogonal(torch.cat([ahead for _, _, ahead in moves]))
            each = torch.split(directions, [len(ahead) for _, _, ahead in moves])
            for (parameter, length, _), direction in zip(moves, each, strict=True):
                parameter.sub_(direction.reshape(parameter.shape), alpha=length)


def orthogonal(matrices: Tensor) -> Tensor:
    """The matrices [count, rows, columns] with singular values near 1 (0.7 to 1.2; below 1/600 of a matrix's norm they
    stay smaller) and their singular vectors as they were; a zero matrix stays zero. By the Newton-Schulz iteration
    X <- a X + (b XX' + c (XX')^2) X."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x
