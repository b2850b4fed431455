"""Muon's steps, against the singular values they should have and against torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from par_model.model.blocks import Attention
from par_model.training.optimiser import Muon, make_optimisers, orthogonal


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 12, 48), (2, 48, 12), (1, 1, 7)])
def test_orthogonal_makes_singular_values_alike_and_keeps_their_vectors(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    assert values.max() > 1.3 or min(shape[1:]) == 1
    made = orthogonal(matrices)
    inside = left.mT @ made @ right.mT  # diagonal where the vectors are the same
    found = inside.diagonal(dim1=-2, dim2=-1)
    assert found.min() > 0.65
    assert found.max() < 1.25
    torch.testing.assert_close(inside, torch.diag_embed(found), atol=2e-4, rtol=0)


def test_orthogonal_of_nothing_is_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(2, 4, 6)), torch.zeros(2, 4, 6))


def test_the_size_of_a_matrix_of_gradients_does_not_matter() -> None:
    matrices = torch.randn(2, 8, 24, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(orthogonal(1e-3 * matrices), orthogonal(matrices))


def step_of(optimiser: torch.optim.Optimizer, weight: nn.Parameter, gradients: list[torch.Tensor]) -> torch.Tensor:
    before = weight.detach().clone()
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimiser.step()
    return weight.detach() - before


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has it from 2.9 on")
def test_steps_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(5)
    gradients = [torch.randn(24, 8, generator=generator) for _ in range(10)]
    ours, theirs = nn.Parameter(torch.zeros(24, 8)), nn.Parameter(torch.zeros(24, 8))
    moved = step_of(Muon([{"params": [ours]}], lr=0.1), ours, gradients)
    library = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    expected = step_of(library, theirs, gradients)  # in bfloat16
    torch.testing.assert_close(moved, expected, atol=0.02 * float(expected.abs().max()), rtol=0)


def test_parts_are_matrices_of_their_own() -> None:
    generator = torch.Generator().manual_seed(6)
    gradient = torch.randn(12, 4, generator=generator)
    joint, alone = nn.Parameter(torch.zeros(12, 4)), [nn.Parameter(torch.zeros(4, 4)) for _ in range(3)]
    moved = step_of(Muon([{"params": [joint], "parts": 3}], lr=0.1), joint, [gradient])
    each = [
        step_of(Muon([{"params": [one]}], lr=0.1), one, [part])
        for one, part in zip(alone, torch.split(gradient, 4), strict=True)
    ]
    torch.testing.assert_close(moved, torch.cat(each))
    assert moved.square().mean().sqrt() == pytest.approx(0.2 * 0.1, rel=0.2)


def test_what_has_no_gradient_stays() -> None:
    weight = nn.Parameter(torch.ones(3, 3))
    muon = Muon([{"params": [weight]}], lr=0.1)
    muon.step()
    assert torch.equal(weight.detach(), torch.ones(3, 3))
    assert not muon.state


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(5, 16))
        self.attention = Attention(16, 2)
        self.frozen = nn.Linear(16, 16)
        self.out = nn.Linear(16, 4)


def test_muon_takes_the_matrices_of_linears_and_adam_the_rest() -> None:
    network = Network()
    chosen = [p for name, p in network.named_parameters() if not name.startswith("frozen")]
    adam, muon = make_optimisers("muon", network, chosen, 1e-3)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    taken = {(names[id(parameter)], group["parts"]) for group in muon.param_groups for parameter in group["params"]}
    assert taken == {("attention.qkv.weight", 3), ("attention.proj.weight", 1), ("out.weight", 1)}
    rest = {names[id(parameter)] for group in adam.param_groups for parameter in group["params"]}
    assert rest == {"positions", "attention.qkv.bias", "attention.proj.bias", "out.bias"}
    assert type(adam) is torch.optim.Adam
    assert {group["lr"] for optimiser in (adam, muon) for group in optimiser.param_groups} == {1e-3}


def test_adam_alone_takes_all() -> None:
    network = Network()
    (adam,) = make_optimisers("adam", network, list(network.parameters()), 1e-3)
    assert type(adam) is torch.optim.Adam
    assert len(adam.param_groups[0]["params"]) == len(list(network.parameters()))
