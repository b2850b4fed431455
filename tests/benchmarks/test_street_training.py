"""What the small detector is taught about people who walk close beside each other."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("trackeval", reason="trackeval is not installed: pip install -e .[bench]")
from benchmarks.street_training import AccompaniedNetwork, Beside, Wanted, of_companions, speakers, wanted

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
    right = Beside(logits, boxes)
    assert of_companions(goals, right).item() == pytest.approx(0, abs=1e-6)
    assert of_companions(goals, right._replace(logits=-logits)).item() == pytest.approx(20, abs=1e-3)
    # Half as wide again, to the right: GIoU 2/3. It counts for cells with somebody beside alone, twice.
    wide = boxes + torch.tensor([0.0, 0.0, 10.0, 0.0])[None, :, None, None]
    assert of_companions(goals, right._replace(boxes=wide)).item() == pytest.approx(2 / 3, abs=1e-5)
    nothing = of_companions(goals[1:], Beside(logits[1:], boxes[1:]))
    assert nothing.item() == 0


def test_one_who_has_learnt_nothing_sees_nobody_beside_and_ships_without() -> None:
    torch.manual_seed(0)
    network = AccompaniedNetwork().eval()
    picture = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        cells, beside = network(picture)
        alone = network.alone().eval()(picture)
    assert beside.boxes.shape == cells.boxes.shape == (1, 4, 16, 24)
    assert beside.boxes.numpy() == pytest.approx(cells.boxes.numpy(), abs=1e-4)
    assert (beside.logits == -2).all()
    for one, other in zip(cells, alone, strict=True):
        assert one.tolist() == other.tolist()


def test_of_a_persons_cells_the_one_that_speaks_already_with_the_best_box_should_speak() -> None:
    goal = goal_of(FIRST, ALONE)
    cells = [goal.cells[goal.whose == whose] for whose in (0, 1)]
    logits, boxes = torch.zeros(48, 80), torch.zeros(4, 48, 80)
    boxes.flatten(1)[:, goal.cells] = goal.boxes.T
    logits.view(-1)[cells[0][3]] = logits.view(-1)[cells[1][1]] = 1.0
    assert speakers(goal, logits, boxes).tolist() == [int(cells[0][3]), int(cells[1][1])]
    boxes.flatten(1)[2, cells[1][1]] += 20  # twice as wide as its person: half of the overlap
    assert speakers(goal, logits, boxes)[1] != cells[1][1]
    assert len(speakers(wanted(torch.zeros(0, 4), 48, 80, 2), logits, boxes)) == 0
