"""Who trains, who validates, and that test is never read."""

from __future__ import annotations

import numpy as np
import pytest

from par_model.errors import ManifestError
from par_model.manifest.labels import Labels
from par_model.training.split import hold_out, split_labels


def labels(splits: list[str | None], *, people: int = 100, unlabelled: tuple[int, ...] = ()) -> Labels:
    values = np.ones((len(splits), 2), np.int8)
    values[list(unlabelled)] = -1
    n = len(splits)
    return Labels(np.arange(n), [f"t{i}" for i in range(n)], splits, [f"p{i % people}" for i in range(n)], values)


def split(of: Labels, seed: int = 0) -> tuple[list[str], list[str]]:
    found = split_labels(of, val_fraction=0.25, seed=seed, uri="m.parquet")
    return found.train.ids, found.val.ids


def test_rows_of_val_validate_and_rows_without_labels_do_nothing() -> None:
    assert split(labels(["train", "val", "test", "train", None, "val"], unlabelled=(5,))) == (["t0", "t3"], ["t1"])


def test_without_val_people_are_held_out_with_all_their_tracklets() -> None:
    train, val = split(labels(["train"] * 24, people=8))
    assert (len(train), len(val)) == (18, 6)
    assert {int(i[1:]) % 8 for i in train}.isdisjoint({int(i[1:]) % 8 for i in val})
    assert split(labels(["train"] * 24, people=8)) == (train, val)
    assert split(labels(["train"] * 24, people=8), seed=5) != (train, val)


def test_rows_without_a_split_train_only_if_no_row_has_one() -> None:
    train, val = split(labels([None] * 8))
    assert len(train) + len(val) == 8
    train, val = split(labels([None, None, "train", "train", "train", "train"]))
    assert set(train + val) == {"t2", "t3", "t4", "t5"}


def test_who_is_held_out_does_not_change_when_rows_are_added_elsewhere() -> None:
    people = [f"p{i}" for i in range(40)]
    assert hold_out(people, 0.1, 3) == hold_out(people[::-1] + people, 0.1, 3)
    assert len(hold_out(people, 0.01, 3)) == 1


@pytest.mark.parametrize(
    ("splits", "unlabelled", "said"),
    [
        (["train", "val"], (0, 1), "has no labels"),
        (["val", "test"], (), "no row of split 'train'"),
        (["train", "train", "val"], (2,), "'val' has a label"),
        (["train", "train", "val"], (0, 1), "'train' has a label"),
        (["train", "val"], (), "at least 2"),
        (["train"], (), "one person"),
    ],
)
def test_what_cannot_be_trained_on(splits: list[str | None], unlabelled: tuple[int, ...], said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        split(labels(splits, unlabelled=unlabelled))
