"""The curve of docs/sampling.md: what is recognised against what is decoded. `benchmarks.sampling` draws it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

KEYS_ALONE = "key frames alone"
_CROSS: dict[str, Any] = {"marker": "x", "markersize": 9, "linestyle": "none"}


class Point(NamedTuple):
    """A way of sampling: its share of uniform's decoding time, and macro F1."""

    time: float
    macro_f1: float
    keys_alone: bool


def draw(curves: dict[str, list[Point]], path: Path) -> None:
    """An SVG whose text is text, decoding time across, macro F1 up; a curve for each distance of key frames."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "sampling", "font.family": "sans-serif"}):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for (name, points), marker in zip(curves.items(), "os^", strict=True):
            (line,) = axes.plot(*_sorted(points, keys_alone=False), marker=marker, label=name)
            axes.plot(*_sorted(points, keys_alone=True), color=line.get_color(), **_CROSS)
        axes.plot([], [], color="gray", label=KEYS_ALONE, **_CROSS)
        axes.set(xlabel="decoding, as a share of uniform's time", ylabel="macro F1", xlim=(0, 1.05))
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _sorted(points: list[Point], *, keys_alone: bool) -> tuple[list[float], list[float]]:
    chosen = sorted(point for point in points if point.keys_alone == keys_alone)
    return [point.time for point in chosen], [point.macro_f1 for point in chosen]
