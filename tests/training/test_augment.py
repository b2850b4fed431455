"""One draw for a tracklet, keyed; padding is black."""

from __future__ import annotations

import torch

from par_model.training.augment import Draw, draw, pad_crop_flip


def test_the_draw_depends_on_seed_epoch_and_tracklet_alone() -> None:
    assert draw(0, 1, "a") == draw(0, 1, "a")
    assert len({draw(0, 1, "a"), draw(1, 1, "a"), draw(0, 2, "a"), draw(0, 1, "b")}) == 4
    draws = [draw(0, epoch, "a") for epoch in range(400)]
    assert 0.4 < sum(d.flip for d in draws) / 400 < 0.6
    assert min(d.dy for d in draws) < 0.05
    assert max(d.dx for d in draws) > 0.95


def test_all_frames_of_a_tracklet_move_together() -> None:
    pixels = torch.randint(1, 255, (2, 3, 224, 112, 3), dtype=torch.uint8)
    middle = 10.5 / 21  # of the 21 places
    out = pad_crop_flip(pixels, [Draw(0.0, 5.5 / 11, False), Draw(middle, 5.5 / 11, True)])
    assert out.dtype == torch.uint8
    assert torch.equal(out[0, :, 10:], pixels[0, :, :214])  # ten rows of black above
    assert int(out[0, :, :10].sum()) == 0
    assert torch.equal(out[1], pixels[1].flip(2))


def test_the_last_place_is_reached_and_not_passed() -> None:
    pixels = torch.full((1, 1, 224, 224, 3), 9, dtype=torch.uint8)
    out = pad_crop_flip(pixels, [Draw(1 - 1e-12, 0.0, False)])
    assert int(out[0, 0, -10:].sum()) == 0
    assert int(out[0, 0, 0, 10:].min()) == 9
    assert int(out[0, 0, :, :10].sum()) == 0
