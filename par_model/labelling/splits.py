"""Dividing labelled tracklets into train, val and test so that nothing leaks from one into another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from par_model.errors import ManifestError
from par_model.manifest.schema import SPLITS
from par_model.wording import counted


@dataclass(frozen=True)
class Divided:
    """One tracklet that is divided. keys: what it must not share with another split, such as its person. split: what it
    is already. counts: whether it has labels."""

    keys: tuple[tuple[str, str], ...]
    split: str | None
    counts: bool


def divide(tracklets: Sequence[Divided], shares: Sequence[float], seed: int, uri: str) -> list[str | None]:
    """The split of each tracklet, so that about ``shares`` of those that count are train, val and test.

    Tracklets that share a key, directly or through others, hang together and go into one split. What is already of a
    split stays there, with all that hangs together with it. The largest first, each goes where most is missing. The
    same for the same seed; None for what hangs together with nothing that counts.

    Raises ManifestError where what hangs together is of two splits already, and where a split would stay empty.
    """
    groups = _hanging_together(tracklets)
    sizes = [sum(tracklets[at].counts for at in group) for group in groups]
    splits = [_split_already(group, tracklets, uri) for group in groups]
    goal = {split: share * sum(sizes) for split, share in zip(SPLITS, shares, strict=True) if share}
    have = dict.fromkeys([*goal, *(split for split in splits if split is not None)], 0)
    for size, split in zip(sizes, splits, strict=True):
        if split is not None:
            have[split] += size
    left = [i for i, split in enumerate(splits) if split is None and sizes[i]]
    left.sort(key=lambda i: (-sizes[i], _lot(groups[i], tracklets, seed)))
    for at, i in enumerate(left):
        empty = [split for split in goal if not have[split]]
        open_to = empty if len(left) - at <= len(empty) else list(goal)
        splits[i] = max(open_to, key=lambda split: goal[split] - have[split])
        have[str(splits[i])] += sizes[i]
    empty = [split for split in goal if not have[split]]
    if empty:
        raise ManifestError(_too_few(uri, empty, groups, sizes, tracklets))
    found: list[str | None] = [None] * len(tracklets)
    for group, split in zip(groups, splits, strict=True):
        for at in group:
            found[at] = split
    return found


def _hanging_together(tracklets: Sequence[Divided]) -> list[list[int]]:
    """Positions of tracklets by what they share, in the order of their first ones."""
    above: dict[tuple[str, str], tuple[str, str]] = {}

    def top(key: tuple[str, str]) -> tuple[str, str]:
        while above.setdefault(key, key) != key:
            above[key] = above[above[key]]
            key = above[key]
        return key

    for tracklet in tracklets:
        for key in tracklet.keys:
            above[top(key)] = top(tracklet.keys[0])
    groups: dict[tuple[str, str], list[int]] = {}
    for at, tracklet in enumerate(tracklets):
        groups.setdefault(top(tracklet.keys[0]), []).append(at)
    return list(groups.values())


def _split_already(group: Sequence[int], tracklets: Sequence[Divided], uri: str) -> str | None:
    first_of: dict[str, int] = {}
    for at in group:
        split = tracklets[at].split
        if split is not None:
            first_of.setdefault(split, at)
    if len(first_of) > 1:
        told = " and ".join(f"{split} ({_named(tracklets[at])})" for split, at in first_of.items())
        raise ManifestError(
            f"manifest {uri}: what hangs together by person and camera is of split {told} already: empty the column "
            "split, or divide by less with --split-by"
        )
    return next(iter(first_of), None)


def _lot(group: Sequence[int], tracklets: Sequence[Divided], seed: int) -> bytes:
    smallest = min(tracklets[at].keys for at in group)
    return hashlib.sha256(f"{seed}\0{smallest}".encode()).digest()


def _too_few(
    uri: str, empty: Sequence[str], groups: Sequence[Sequence[int]], sizes: Sequence[int], tracklets: Sequence[Divided]
) -> str:
    labelled = [group for group, size in zip(groups, sizes, strict=True) if size]
    nothing = f"manifest {uri}: nothing is left for split {' and '.join(empty)}: "
    if not labelled:
        return f"{nothing}no tracklet has a label of 1 or 0; label some before you divide them"
    undivided = [group for group in labelled if all(tracklets[at].split is None for at in group)]
    if not undivided:
        return (
            f"{nothing}all labelled tracklets, or others of their person or camera, have a "
            "split, which they keep; empty the column split to divide anew"
        )
    most, largest = max(zip(sizes, groups, strict=True), key=lambda pair: pair[0])
    example = _named(tracklets[largest[0]])
    return (
        f"{nothing}the labelled tracklets hang together in "
        f"{counted(len(labelled), 'group')}, of which the largest has {most} (such as {example}); "
        "divide by less, as with --split-by person, or give a share of 0"
    )


def _named(tracklet: Divided) -> str:
    return ", ".join(f"{kind} {value!r}" for kind, value in tracklet.keys)
