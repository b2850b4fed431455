"""The loss is the released one, and annotations that are missing add nothing. Its golden gradients: tests/model."""

from __future__ import annotations

import numpy as np
import torch

from par_model.training.loss import positive_ratios, weighted_bce


def test_against_the_formula_written_out() -> None:
    rng = np.random.default_rng(0)
    z, t, r = rng.standard_normal((3, 4)) * 3, rng.random((3, 4)) < 0.5, rng.random(4)
    expected = 0.0
    for i in range(3):
        for j in range(4):
            w = np.exp(1 - r[j]) if t[i, j] else np.exp(r[j])
            p = 1 / (1 + np.exp(-z[i, j]))
            expected -= w * np.log(p if t[i, j] else 1 - p) / 3
    found = weighted_bce(torch.from_numpy(z), torch.from_numpy(t.astype(np.int8)), torch.from_numpy(r))
    assert abs(float(found) - expected) < 1e-12


def test_missing_annotations_add_no_loss_and_no_gradient() -> None:
    z = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1, -1, 0], [-1, -1, 1]])
    r = torch.tensor([0.3, 0.5, 0.2], dtype=torch.float64)
    loss = weighted_bce(z, labels, r)
    loss.backward()
    assert z.grad is not None
    assert torch.equal(z.grad == 0, labels < 0)
    kept = 0.0
    for i, j in (labels >= 0).nonzero().tolist():
        kept += weighted_bce(z[i : i + 1, j : j + 1], labels[i : i + 1, j : j + 1], r[j : j + 1]).item()
    assert abs(loss.item() - kept / 2) < 1e-12


def test_huge_logits_stay_finite() -> None:
    z = torch.tensor([[1e4, -1e4]], requires_grad=True)
    loss = weighted_bce(z, torch.tensor([[0, 1]]), torch.tensor([0.5, 0.5]))
    loss.backward()
    assert torch.isfinite(loss)
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


def test_positive_ratios_count_annotated_entries_only() -> None:
    labels = torch.tensor([[1, -1, 0], [0, -1, 0], [1, -1, -1], [1, -1, 0]], dtype=torch.int8)
    assert positive_ratios(labels).tolist() == [0.75, 0.0, 0.0]
