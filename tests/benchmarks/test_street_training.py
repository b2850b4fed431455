"""What the small detector is taught about people who walk close beside each other."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("trackeval", reason="trackeval is not installed: pip install -e .[bench]")
from benchmarks.street_training import SpeakingNetwork, Wanted, of_companions, wanted
from par_model.tracking.street_network import Cells

FIRST, SECOND, THIRD, ALONE = (torch.tensor([x, 10.0, x + 20, 60.0]) for x in (20, 28, 39, 100))


def goal_of(*people: torch.Tensor) -> Wanted:
    return wanted(torch.stack(people), 48, 80, 2)


def test_near_cells_know_who_walks_beside_their_person() -> None:
    """First and second overlap by 12 of 28, second and third by 9 of 31, which is too little."""
    goal = goal_of(FIRST, SECOND, THIRD, ALONE)
    assert set(goal.whose.tolist()) == {0, 1, 2, 3}
    assert goal.accompanied.tolist() == [whose in (0, 1) for whose in goal.whose.tolist()]
    for whose, beside in ((0, SECOND), (1, FIRST)):
        assert (goal.beside[goal.whose == whose] == beside).all()
    nobody = wanted(torch.zeros(0, 4), 48, 80, 2)
    assert [len(one) for one in (nobody.cells, nobody.accompanied, nobody.beside)] == [0, 0, 0]


def test_loss_of_companions_is_nothing_only_for_who_is_right_about_both() -> None:
    goals = [goal_of(FIRST, SECOND, ALONE), wanted(torch.zeros(0, 4), 48, 80, 2)]
    logits, boxes = torch.full((2, 48, 80), -20.0), torch.zeros(2, 4, 48, 80)
    logits[0].view(-1)[goals[0].cells[goals[0].accompanied]] = 20.0
    boxes[0].flatten(1)[:, goals[0].cells] = goals[0].beside.T
    right = Cells(logits, boxes, logits, boxes)
    assert of_companions(goals, right).item() == pytest.approx(0, abs=1e-6)
    assert of_companions(goals, right._replace(beside_logits=-logits)).item() == pytest.approx(20, abs=1e-3)
    # Half as wide again, to the right: GIoU 2/3. It counts for cells with somebody beside alone, twice.
    wide = boxes + torch.tensor([0.0, 0.0, 10.0, 0.0])[None, :, None, None]
    assert of_companions(goals, right._replace(beside=wide)).item() == pytest.approx(2 / 3, abs=1e-5)
    nothing = of_companions(goals[1:], Cells(*(one[1:] for one in right)))
    assert nothing.item() == 0


def test_one_who_has_learnt_nothing_sees_nobody_beside() -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        cells, _ = SpeakingNetwork().eval()(torch.rand(1, 3, 32, 48))
    assert cells.beside.shape == cells.boxes.shape == (1, 4, 16, 24)
    assert cells.beside.numpy() == pytest.approx(cells.boxes.numpy(), abs=1e-4)
    assert (cells.beside_logits == -2).all()
