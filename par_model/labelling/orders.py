"""Ways to order tracklets for labelling. Each gives one order or several that take turns, such as one a group; an order
is of positions in a pool, the most wanted first, with the reason.

Dimension letters: B tracklets, G classes of one group, E width of CLIP's embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import kmeans_plusplus

from par_model.attributes import AttributeGroup
from par_model.labelling.pool import Pool, Said

Pick = tuple[int, str]  # a position in a pool, and why it is wanted

_HALF = 0.5
_SEEDS = 2**32  # scikit-learn takes no larger ones


def uncertain(said: Said, rng: np.random.Generator) -> list[Iterator[Pick]]:
    """An order a group, the least sure first, so that each group, however sure its answers, has its share.

    Of a binary group that is the score nearest to the threshold; of an exclusive one the smallest margin between the
    two highest scores ("Active hidden Markov models for information extraction", IDA 2001). Ties fall by lot.
    """
    return [
        _of_binary(group, said, span.start, rng)
        if group.kind == "binary"
        else _of_exclusive(group, said.answers.scores[:, span], rng)
        for group, span in said.told
    ]


def diverse(embeddings_BE: NDArray[np.float32], pool: Sequence[int], count: int, seed: int) -> Iterator[Pick]:
    """``count`` tracklets that are unlike one another, or all.

    They are drawn as k-means++ draws its first centres, each with a probability that grows with the square of its
    distance from those before ("k-means++: the advantages of careful seeding", SODA 2007), which chooses batches for
    labelling well ("Deep batch active learning by diverse, uncertain gradient lower bounds", ICLR 2020). pool: the
    position of each of the B embeddings, which have length 1.
    """
    total = len(embeddings_BE)
    _, drawn = kmeans_plusplus(embeddings_BE, min(count, total), random_state=seed % _SEEDS)
    # Where tracklets look the same to the last bit, one may be drawn twice: the others follow.
    order = list(dict.fromkeys([*drawn.tolist(), *range(total)]))[:count]
    for i, at in enumerate(order):
        if i == 0:
            yield pool[at], "the first of those that are unlike one another"
            continue
        nearest = float((embeddings_BE[order[:i]] @ embeddings_BE[at]).max())
        yield pool[at], f"unlike those before it: cosine at most {nearest:.2f}"


def stratified(pool: Pool, rng: np.random.Generator) -> list[Iterator[Pick]]:
    """By lot, an order for each camera and hour of the day, so that rare hours count as much as busy ones."""
    strata: dict[tuple[str | None, int | None], list[int]] = {}
    for at in rng.permutation(len(pool)).tolist():
        strata.setdefault((pool.cameras[at], pool.hours[at]), []).append(at)
    return [_of_stratum(camera, hour, found) for (camera, hour), found in strata.items()]


def by_lot(pool: Pool, rng: np.random.Generator) -> Iterator[Pick]:
    """All in random order."""
    for at in rng.permutation(len(pool)).tolist():
        yield at, "by lot"


def _of_stratum(camera: str | None, hour: int | None, found: Sequence[int]) -> Iterator[Pick]:
    where = "no camera" if camera is None else f"camera {camera}"
    for at in found:
        yield at, where if hour is None else f"{where}, {hour} h UTC"


def _of_binary(group: AttributeGroup, said: Said, column: int, rng: np.random.Generator) -> Iterator[Pick]:
    scores_B = said.answers.scores[:, column]
    told = said.thresholds.get(group.column)
    border = threshold(scores_B, said.answers.decided[:, column]) if told is None else told
    about = "about " if told is None else ""
    for at in _smallest_first(_from_threshold(scores_B, border), rng):
        yield at, f"{group.name} {scores_B[at]:.2f}, yes above {about}{border:.2f}"


def _of_exclusive(group: AttributeGroup, scores_BG: NDArray[np.floating], rng: np.random.Generator) -> Iterator[Pick]:
    best = np.argsort(-scores_BG, axis=1, kind="stable")[:, :2]
    highest = np.take_along_axis(scores_BG, best, axis=1)
    for at in _smallest_first(highest[:, 0] - highest[:, 1], rng):
        first, second = (f"{group.classes[g].value} {scores_BG[at, g]:.2f}" for g in best[at])
        yield at, f"{group.name} {first} or {second}"


def _smallest_first(margins: NDArray[np.floating], rng: np.random.Generator) -> list[int]:
    """Positions by their margins, equal ones by lot."""
    order: list[int] = np.lexsort((rng.random(len(margins)), margins)).tolist()
    return order


def threshold(scores_B: NDArray[np.floating], decided_B: NDArray[np.bool_]) -> float:
    """Above which score the table says yes, as far as it shows: in the middle between the highest score of no and the
    lowest of yes. Where all answers are alike it is 0.5, or the score that is nearest to another answer."""
    yes, no = scores_B[decided_B], scores_B[~decided_B]
    if not len(yes):
        return max(_HALF, float(no.max()))
    if not len(no):
        return min(_HALF, float(yes.min()))
    return (float(no.max()) + float(yes.min())) / 2


def _from_threshold(scores_B: NDArray[np.floating], border: float) -> NDArray[np.float64]:
    """How far from the threshold, 0 to 1: as a share of the room that there is on that side."""
    scores = scores_B.astype(np.float64)
    room = np.where(scores > border, 1 - border, border)
    return np.abs(scores - border) / np.maximum(room, np.finfo(np.float64).tiny)
