"""Ways to order tracklets for labelling. Each gives one order or several that take turns, such as one a group; an order
is of positions in a pool, the most wanted first, with the reason.

Dimension letters: B tracklets, G classes of one group, E width of CLIP's embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import kmeans_plusplus

from par_model.attributes import AttributeGroup
from par_model.labelling.pool import Pool, Said

Pick = tuple[int, str]  # a position in a pool, and why it is wanted

_HALF = 0.5
_SEEDS = 2**32  # scikit-learn takes no larger ones


def uncertain(said: Said, covered_B: NDArray[np.bool_], rng: np.random.Generator) -> list[Iterator[Pick]]:
    """An order for each answer that the table gives: a value of an exclusive group, the yes and the no of a binary one.

    So each group, however sure its answers, and each value, however rare, has its share. In each those that are seen
    well come first, since a model is rightly unsure of what is covered; of these the least sure. Of a binary group that
    is the score nearest to the threshold; of an exclusive one the smallest margin between the two highest scores
    ("Active hidden Markov models for information extraction", IDA 2001). Ties fall by lot.
    """
    found = []
    for group, span in said.told:
        scores_BG, decided_BG = said.answers.scores[:, span], said.answers.decided[:, span]
        if group.kind == "binary":
            border = said.thresholds.get(group.column)
            margins_B, why = _of_binary(group, scores_BG[:, 0], decided_BG[:, 0], border)
            answers_B = decided_BG[:, 0].astype(int)
        else:
            margins_B, why = _of_exclusive(group, scores_BG)
            answers_B = scores_BG.argmax(axis=1)
        order = np.lexsort((rng.random(len(margins_B)), margins_B, covered_B))
        parts = (order[answers_B[order] == answer] for answer in np.unique(answers_B))
        found += [_with_reasons(part.tolist(), why) for part in parts]
    return found


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


def _with_reasons(order: Sequence[int], why: Callable[[int], str]) -> Iterator[Pick]:
    for at in order:
        yield at, why(at)


def _of_binary(
    group: AttributeGroup, scores_B: NDArray[np.floating], decided_B: NDArray[np.bool_], told: float | None
) -> tuple[NDArray[np.float64], Callable[[int], str]]:
    border = threshold(scores_B, decided_B) if told is None else told
    about = "about " if told is None else ""

    def why(at: int) -> str:
        return f"{group.name} {scores_B[at]:.2f}, yes above {about}{border:.2f}"

    return _from_threshold(scores_B, border), why


def _of_exclusive(
    group: AttributeGroup, scores_BG: NDArray[np.floating]
) -> tuple[NDArray[np.float64], Callable[[int], str]]:
    best = np.argsort(-scores_BG, axis=1, kind="stable")[:, :2]
    highest = np.take_along_axis(scores_BG, best, axis=1)

    def why(at: int) -> str:
        first, second = (f"{group.classes[g].value} {scores_BG[at, g]:.2f}" for g in best[at])
        return f"{group.name} {first} or {second}"

    return highest[:, 0] - highest[:, 1], why


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
