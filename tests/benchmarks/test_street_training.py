"""What the small detector is taught."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("trackeval", reason="trackeval is not installed: pip install -e .[bench]")
from benchmarks import street_training
from benchmarks.street_training import (
    EPOCHS,
    WINDOW,
    WORKERS,
    Filmed,
    Learner,
    Wanted,
    filmed,
    loss_of,
    mirrored,
    speakers,
    train,
    varied,
    wanted,
    window_of,
)
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.tracking.street_network import Cells

FIRST, SECOND, ALONE = (torch.tensor([x, 10.0, x + 20, 60.0]) for x in (20, 26, 100))
NOBODY = torch.zeros(0, 4)


def goal_of(*people: torch.Tensor) -> Wanted:
    return wanted(torch.stack(people), 48, 80)


def test_near_cells_are_those_of_the_nearest_person() -> None:
    goal = goal_of(FIRST, SECOND, ALONE)
    # An ellipse around (110, 35), of 3.8 pixels to the sides and 6.5 up and down.
    mine = [divmod(cell, 80) for cell in goal.cells[goal.whose == 2].tolist()]
    assert mine == [(row, x) for row in range(14, 21) for x in range(53, 57) if row in (16, 17, 18) or x in (54, 55)]
    # The middles of the two others are at 30 and 36; the cell at 33 is as near to both.
    both = zip(goal.cells.tolist(), goal.whose.tolist(), strict=True)
    row = {cell % 80: whose for cell, whose in both if cell // 80 == 17 and whose < 2}
    assert row == {13: 0, 14: 0, 15: 0, 16: 0, 17: 1, 18: 1, 19: 1}
    assert (goal.heat == 1).sum() == 3
    assert goal.boxes[goal.whose == 1][0].tolist() == SECOND.tolist()
    nobody = wanted(NOBODY, 48, 80)
    assert len(nobody.cells) == len(nobody.boxes) == nobody.heat.sum() == 0


def test_of_a_persons_cells_the_one_that_speaks_already_with_the_best_box_should_speak() -> None:
    goal = goal_of(FIRST, ALONE)
    cells = [goal.cells[goal.whose == whose] for whose in (0, 1)]
    logits, boxes = torch.zeros(48, 80), torch.zeros(4, 48, 80)
    boxes.flatten(1)[:, goal.cells] = goal.boxes.T
    logits.view(-1)[cells[0][3]] = logits.view(-1)[cells[1][1]] = 1.0
    assert speakers(goal, logits, boxes).tolist() == [int(cells[0][3]), int(cells[1][1])]
    boxes.flatten(1)[2, cells[1][1]] += 20  # twice as wide as its person: half of the overlap
    assert speakers(goal, logits, boxes)[1] != cells[1][1]
    assert len(speakers(wanted(NOBODY, 48, 80), logits, boxes)) == 0


def test_loss_is_nothing_for_who_is_right_and_each_mistake_has_its_price() -> None:
    """Two people in three pictures."""
    picture = torch.zeros(3, 96, 160, dtype=torch.uint8)
    batch = [Filmed(picture, torch.stack([FIRST, ALONE])), Filmed(picture, NOBODY), Filmed(picture, NOBODY)]
    goals = [wanted(one.boxes, 48, 80) for one in batch]
    heat = torch.stack([goal.heat for goal in goals])
    logits = torch.where(heat == 1, 20.0, -20.0)
    speaking, boxes = torch.full((3, 48, 80), -20.0), torch.zeros(3, 4, 48, 80)
    for whose in (0, 1):
        speaking[0].view(-1)[goals[0].cells[goals[0].whose == whose][2]] = 20.0
    boxes[0].flatten(1)[:, goals[0].cells] = goals[0].boxes.T
    right = Cells(logits, boxes, speaking)

    def price(**wrong: torch.Tensor) -> float:
        return loss_of(right._replace(**wrong), batch).item()

    assert price() == pytest.approx(0, abs=1e-4)
    # Nobody's middle, and nobody speaks for their person: 20 for each of two people, shared by them.
    assert price(logits=logits.clamp(max=-20)) == pytest.approx(20, abs=0.01)
    assert price(speaking=speaking.clamp(max=-20)) == pytest.approx(20, abs=0.01)
    # Sure of somebody where nobody is: 20 for two people. Beside a middle, where the heat is h, (1 - h)^4 of that.
    nobody, beside = logits.clone(), logits.clone()
    nobody[1, 5, 5] = 20.0
    assert price(logits=nobody) == pytest.approx(10, abs=0.01)
    middle = int(heat[0].view(-1).argmax())
    beside[0].view(-1)[middle + 160] = 20.0
    near = float(heat[0].view(-1)[middle + 160])
    assert 0.6 < near < 0.8
    assert price(logits=beside) == pytest.approx(10 * (1 - near) ** 4, abs=1e-4)
    # Half as wide again, to the right: GIoU 2/3, which counts twice.
    assert price(boxes=boxes + torch.tensor([0.0, 0.0, 10.0, 0.0])[:, None, None]) == pytest.approx(2 / 3, abs=1e-3)


def test_pictures_are_mirrored_and_cut_with_their_people() -> None:
    picture = torch.arange(320).expand(3, 8, 320).to(torch.int16)
    one = Filmed(picture, torch.stack([FIRST, ALONE, ALONE + torch.tensor([200.0, 0.0, 200.0, 0.0])]))
    back = mirrored(one)
    assert back.picture[0, 0, :3].tolist() == [319, 318, 317]
    assert back.boxes[0].tolist() == [280, 10, 300, 60]
    cut = window_of(one, 34)
    assert cut.picture.shape == (3, 8, WINDOW)
    assert cut.picture[0, 0, 0] == 34
    # Of the first 6 of 20 columns are in there, which is more than a quarter; of the third none.
    assert cut.boxes.tolist() == [[0, 10, 6, 60], [66, 10, 86, 60]]
    assert len(window_of(one, 36).boxes) == 1


def test_each_picture_has_a_light_of_its_own() -> None:
    grey = Filmed(torch.full((3, 16, 16), 128, dtype=torch.uint8), NOBODY)
    pictures = varied([grey, grey], torch.Generator().manual_seed(0))
    assert pictures.shape == (2, 3, 16, 16)
    assert torch.equal(pictures.amax((2, 3)), pictures.amin((2, 3)))
    assert len(pictures.amax((2, 3)).unique()) == 6
    assert (pictures - 128 / 255).abs().max() < 0.125 * 128 / 255 + 0.05


def test_learning_one_picture_by_heart_lowers_its_loss() -> None:
    torch.manual_seed(0)
    batch = [Filmed(torch.randint(256, (3, 96, 160), dtype=torch.uint8), torch.stack([FIRST, ALONE]))]
    learner, losses = Learner(), []
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-3)
    for _ in range(12):
        loss = learner(batch, varied(batch, torch.Generator().manual_seed(1)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    cells = learner.cells(varied(batch, torch.Generator().manual_seed(1)))
    assert {part.dtype for part in cells} == {torch.float32}


def test_workers_share_the_frames(tmp_path: Path) -> None:
    street = StreetConfig(seed=1, cameras=1, seconds=5, fps=1, width=160, height=90, min_boxes=1, min_height_px=10)
    manifest = render_street(street, tmp_path)
    shares = [filmed(manifest, worker) for worker in range(WORKERS)]
    assert [len(share) for share in shares] == [3, 2]
    pictures = [one.picture for share in shares for one in share]
    assert not any(torch.equal(one, other) for n, one in enumerate(pictures) for other in pictures[:n])


TRAIN = """
import sys
from dataclasses import replace
from pathlib import Path
from benchmarks import street_training
if __name__ == "__main__":
    street_training.STREET = replace(street_training.STREET, cameras=1)
    street_training.train(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one camera, by as many workers as of all: of its 16 pictures each worker has 8."""
    script, broken, whole = tmp_path / "train.py", tmp_path / "broken", tmp_path / "whole"
    script.write_text(TRAIN)
    broken.mkdir()
    root = Path(__file__).parents[2]
    running = subprocess.Popen(
        [sys.executable, str(script), str(broken)], start_new_session=True, env=os.environ | {"PYTHONPATH": str(root)}
    )
    try:
        until, kept = time.monotonic() + 200, []
        while not kept or torch.load(kept[0])["epoch"] < 3:
            assert running.poll() is None
            assert time.monotonic() < until
            time.sleep(0.2)
            kept = list(broken.glob("*.pt"))
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert torch.load(kept[0])["epoch"] < EPOCHS
    monkeypatch.setattr(street_training, "STREET", replace(street_training.STREET, cameras=1))
    whole.mkdir()
    network, again = train(broken)[0].state_dict(), train(whole)[0].state_dict()
    for name, tensor in network.items():
        assert torch.equal(again[name], tensor), name
    (state,) = (torch.load(one) for one in broken.glob("*.pt"))
    assert (state["epoch"], state["schedule"]["last_epoch"]) == (EPOCHS, 2 * EPOCHS)
