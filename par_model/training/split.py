"""Which tracklets train and which validate. Split ``test`` is never among them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import ceil

import numpy as np

from par_model.errors import ManifestError
from par_model.manifest.labels import Labels


@dataclass(frozen=True, eq=False)
class Split:
    """held_out: the people (tracklets, where the manifest knows no people) taken from training; none where rows of
    split ``val`` validate."""

    train: Labels
    val: Labels
    held_out: tuple[str, ...]


def split_labels(labels: Labels, *, val_fraction: float, seed: int, uri: str) -> Split:
    """Rows of split ``train`` train (those without a split too, if no row has one), rows of ``val`` validate.

    Without such, ``val_fraction`` of the training people are held out, the same for the same seed, at least one. Only
    rows with a label count. Raises ManifestError where a part has none.
    """
    if not labels.annotated.any():
        raise ManifestError(f"{uri} has no labels: training needs rows whose labels are 1 or 0")
    none_has_one = all(split is None for split in labels.splits)
    train = _of_split(labels, "train") if not none_has_one else labels
    if not len(train):
        there = ", ".join(sorted({split for split in labels.splits if split is not None}))
        raise ManifestError(f"{uri} has no row of split 'train' (only {there}): nothing to train on")
    train = _labelled(train, "train", uri)
    val = _of_split(labels, "val")
    if len(val):
        return Split(_enough(train, uri), _labelled(val, "val", uri), ())
    people = [person or tracklet_id for person, tracklet_id in zip(train.people, train.ids, strict=True)]
    held_out = hold_out(people, val_fraction, seed)
    if len(set(people)) < 2:
        raise ManifestError(f"{uri} has one person in its training split: give rows of split 'val', or more people")
    away = np.array([person in held_out for person in people], bool)
    return Split(_enough(train.where(~away), uri), train.where(away), tuple(sorted(held_out)))


def hold_out(people: list[str], fraction: float, seed: int) -> set[str]:
    """``fraction`` of the distinct people, rounded up; who they are depends on names and seed alone."""
    ordered = sorted(set(people), key=lambda person: hashlib.sha256(f"{seed}\0{person}".encode()).digest())
    return set(ordered[: ceil(fraction * len(ordered))])


def _of_split(labels: Labels, name: str) -> Labels:
    return labels.where(np.array([split == name for split in labels.splits], bool))


def _labelled(labels: Labels, name: str, uri: str) -> Labels:
    found = labels.where(labels.annotated)
    if not len(found):
        raise ManifestError(f"{uri}: no row of split {name!r} has a label")
    return found


def _enough(train: Labels, uri: str) -> Labels:
    if len(train) < 2:
        raise ManifestError(f"{uri} has {len(train)} labelled tracklet to train on: BatchNorm needs at least 2")
    return train
