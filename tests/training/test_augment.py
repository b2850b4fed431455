"""One draw for a tracklet, keyed; padding is black."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from par_model.attributes import load_schema
from par_model.training.augment import Draw, draw, flip_labels, mirrored_classes, pad_crop_flip


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


@pytest.mark.parametrize("size", [(96, 48), (224, 224), (7, 5)])
def test_without_a_shift_pictures_are_flipped_or_left_alone(size: tuple[int, int]) -> None:
    """As often and for the same tracklets as with it."""
    pixels = torch.randint(0, 255, (2, 1, *size, 3), dtype=torch.uint8)
    ids = {draw(0, 1, name, shift=False).flip: name for name in "abcdefgh"}
    assert all(draw(0, 1, name).flip == flip for flip, name in ids.items())
    out = pad_crop_flip(pixels, [draw(0, 1, ids[flip], shift=False) for flip in (False, True)])
    assert torch.equal(out[0], pixels[0])
    assert torch.equal(out[1], pixels[1].flip(2))


def test_a_flip_exchanges_left_and_right_in_the_labels() -> None:
    schema = load_schema("street")
    names = list(schema.score_fields)
    mirrored = mirrored_classes(schema)
    assert [names[i] for i in mirrored if names[i] != names[mirrored[i]]] == ["direction_right", "direction_left"]
    labels = np.zeros((2, len(names)), np.int8)
    labels[:, names.index("direction_left")] = 1
    labels[:, names.index("direction_away")] = -1
    labels[:, names.index("hat")] = 1
    kept, flipped = flip_labels(labels, [Draw(0, 0, False), Draw(0, 0, True)], mirrored)
    assert kept.tolist() == labels[0].tolist()
    assert {name for name, label in zip(names, flipped, strict=True) if label == 1} == {"direction_right", "hat"}
    assert flipped[names.index("direction_away")] == -1
    assert mirrored_classes(load_schema("mars")) == list(range(43))
