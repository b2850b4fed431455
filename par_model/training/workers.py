"""One training process among several, and what they add up: gradients, and the statistics of the final BatchNorm.

Dimension letters: B tracklets, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Worker:
    """rank: 0 to count - 1 over all machines; local_rank: on this one. Alone by default."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def add_up(self, tensor: Tensor) -> Tensor:
        """Replaces a tensor by its sum over all workers."""
        if self.count > 1:
            torch.distributed.all_reduce(tensor)
        return tensor

    def add_up_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Every parameter's gradient becomes the sum over all workers, by one message; none counts as zero."""
        chosen = list(parameters)
        for parameter in chosen:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.count == 1:
            return
        flat = torch.cat([p.grad.flatten() for p in chosen if p.grad is not None])
        torch.distributed.all_reduce(flat)
        for parameter, summed in zip(chosen, torch.split(flat, [p.numel() for p in chosen]), strict=True):
            parameter.grad = summed.view_as(parameter)

    def wait_for_all(self) -> None:
        """Return once every worker is here."""
        self.add_up(torch.zeros(1, device=self.device))


class _AddUp(torch.autograd.Function):
    """A differentiable sum over workers: what each puts in reaches the loss of all, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        summed = tensor.clone()
        torch.distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].clone()
        torch.distributed.all_reduce(summed)
        return summed


class OverallBatchNorm(nn.BatchNorm1d):
    """BatchNorm1d whose statistics in training are those of the batch over all workers.

    torch's SyncBatchNorm does the same, on GPUs only. Input [B, C]; B may be 0 on a worker that has no share.
    """

    @classmethod
    def of(cls, bn: nn.BatchNorm1d) -> OverallBatchNorm:
        """The same parameters and buffers, under the same names."""
        overall = cls(bn.num_features, eps=bn.eps, momentum=bn.momentum)
        overall.weight, overall.bias = bn.weight, bn.bias
        overall.running_mean, overall.running_var = bn.running_mean, bn.running_var
        overall.num_batches_tracked = bn.num_batches_tracked
        return overall.train(bn.training)

    def forward(self, input: Tensor) -> Tensor:
        x_BC = input.float()
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if not self.training or not distributed:
            return F.batch_norm(
                x_BC,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                self.training,
                self.momentum or 0.0,
                self.eps,
            )
        count = torch.tensor([float(len(x_BC))], device=x_BC.device)
        torch.distributed.all_reduce(count)
        mean_C = _add_up(x_BC.sum(dim=0)) / count
        variance_C = _add_up(((x_BC - mean_C) ** 2).sum(dim=0)) / count
        self._follow(mean_C.detach(), variance_C.detach(), count)
        return (x_BC - mean_C) * torch.rsqrt(variance_C + self.eps) * self.weight + self.bias

    def _follow(self, mean_C: Tensor, variance_C: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        momentum = self.momentum or 0.0
        self.running_mean.lerp_(mean_C, momentum)
        self.running_var.lerp_(variance_C * count / (count - 1).clamp(min=1), momentum)
        self.num_batches_tracked += 1


def _add_up(tensor: Tensor) -> Tensor:
    summed: Tensor = _AddUp.apply(tensor)
    return summed
