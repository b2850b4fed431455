"""By what a tracker finds a box to be a track's next one: where the track is expected, and what both look like.

The ``trackers`` package asks its user for both halves of that: an overlap, which it gives expected boxes of tracks and
boxes of a picture, and the state estimators that expect them. Boxes are all that it hands from one to the other, so
what a box or a track looks like is found by the box itself.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from par_model.extras import load
from par_model.tracking.clothes import alike

_WHO = "parjob track"
# A track looks as the mean of its boxes says, in which a new one has this share at least: clothes stay, light does not.
_LEAST_SHARE = 0.02

Colours = NDArray[np.float64]


class Shown:
    """What the boxes of a picture look like, and the tracks whose boxes are expected in it."""

    def __init__(self) -> None:
        self._boxes: dict[bytes, Colours] = {}
        self._tracks: dict[bytes, Colours] = {}

    def next_picture(self, boxes: NDArray[np.float32], colours: NDArray[np.uint8]) -> None:
        """Boxes [n, 4] of the next picture, with what each looks like, [n, NUMBERS]."""
        self._boxes = {box.tobytes(): look for box, look in zip(boxes, colours.astype(np.float64), strict=True)}
        self._tracks = {}

    def of_box(self, box: NDArray[np.float32]) -> Colours:
        return self._boxes[np.asarray(box, np.float32).tobytes()]

    def expect(self, box: NDArray[np.float64], look: Colours) -> None:
        """A track that looks so is expected to have that box."""
        self._tracks[np.asarray(box, np.float64).tobytes()] = look

    def alike(self, expected: NDArray[np.float64], boxes: NDArray[np.float32]) -> NDArray[np.float64]:
        """How alike tracks with these expected boxes and boxes of the picture look, [n, m]."""
        tracks = np.stack([self._tracks[np.asarray(box, np.float64).tobytes()] for box in expected])
        return alike(tracks, np.stack([self.of_box(box) for box in boxes]))


def overlapping(*, by_height: bool, shown: Shown | None) -> Any:
    """How much a box is where a track is expected: their overlap.

    by_height: that times the same of their heights alone ("Hybrid-SORT", arXiv 2308.00783): a walker's box is wide and
    narrow in turn, but stays as high as it is. shown: that times how alike both look.
    """
    return _overlapping()(by_height, shown)


@cache
def _overlapping() -> type[Any]:
    ious = load("trackers.utils.iou", _WHO)
    base: Any = ious.BaseIoU

    class Overlapping(base):  # type: ignore[misc]
        def __init__(self, by_height: bool, shown: Shown | None) -> None:
            self._by_height, self._shown = by_height, shown

        def _compute(self, boxes: NDArray[np.float64], others: NDArray[np.float32]) -> NDArray[np.float64]:
            found: NDArray[np.float64] = ious.IoU().compute(boxes, others).astype(np.float64)
            if self._by_height:
                found *= _shared_heights(boxes, others)
            if self._shown is not None:
                found *= self._shown.alike(boxes, others)
            return found

    return Overlapping


def _shared_heights(boxes: NDArray[np.float64], others: NDArray[np.float32]) -> NDArray[np.float64]:
    tops, bottoms = ((boxes[:, None, side], others[None, :, side]) for side in (1, 3))
    shared = np.minimum(*bottoms) - np.maximum(*tops)
    both = np.maximum(*bottoms) - np.minimum(*tops)
    heights: NDArray[np.float64] = np.clip(shared, 0, None) / both
    return heights


def remembering(name: str, shown: Shown | None) -> Any:
    """Makes a state estimator of the package of a track's first box. It keeps the box that it was last matched with,
    those held back so far, and what its track looks like, by what is shown."""
    kind: Any = _remembering(name)
    return partial(kind, shown=shown)


@cache
def _remembering(name: str) -> type[Any]:
    base: Any = getattr(load("trackers.utils.state_representations", _WHO), name)

    class Remembering(base):  # type: ignore[misc]
        def __init__(self, bbox: NDArray[np.float32], *, shown: Shown | None) -> None:
            super().__init__(bbox)
            self.matched = np.array(bbox, np.float32)
            self.held: list[tuple[int, NDArray[np.float32]]] = []
            self._shown = shown
            self._look = None if shown is None else shown.of_box(bbox)
            self._boxes = 1

        def update(self, bbox: NDArray[np.float32] | None, *more: Any, **others: Any) -> None:
            super().update(bbox, *more, **others)
            if bbox is None:
                return
            self.matched = np.array(bbox, np.float32)
            if self._shown is not None and self._look is not None:
                self._boxes += 1
                share = max(_LEAST_SHARE, 1 / self._boxes)
                self._look = self._look + share * (self._shown.of_box(bbox) - self._look)

        def state_to_bbox(self) -> NDArray[np.float64]:
            box: NDArray[np.float64] = super().state_to_bbox()
            if self._shown is not None and self._look is not None:
                self._shown.expect(box, self._look)
            return box

    return Remembering
