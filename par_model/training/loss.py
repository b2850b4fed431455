"""The loss of VTFPAR++: binary cross-entropy, rare answers weighted up, summed over classes, averaged over tracklets.

Dimension letters: B tracklets, C classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def weighted_bce(logits_BC: Tensor, labels_BC: Tensor, positive_ratio_C: Tensor) -> Tensor:
    """L = 1/B sum_ij w_ij [softplus(z_ij) - t_ij z_ij], with w_ij = exp(t_ij (1 - r_j) + (1 - t_ij) r_j).

    labels: 1, 0, or -1 where nobody annotated: such an entry adds nothing. positive_ratio: r, see
    ``positive_ratios``. The formula is that of the released code. Returns a scalar.
    """
    annotated = labels_BC >= 0
    t = (labels_BC > 0).to(logits_BC.dtype)
    weight = torch.exp(t * (1 - positive_ratio_C) + (1 - t) * positive_ratio_C)
    each = weight * (F.softplus(logits_BC) - t * logits_BC)
    return torch.where(annotated, each, 0).sum() / len(logits_BC)


def positive_ratios(labels_BC: Tensor) -> Tensor:
    """r [C]: the fraction of positives among each class's annotated entries; 0 for a class without any."""
    annotated = (labels_BC >= 0).sum(dim=0)
    return (labels_BC > 0).sum(dim=0) / annotated.clamp(min=1)
