"""metrics.json as a table that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_PAPER = ("accuracy", "precision", "recall", "f1")
_CLASS_COLUMNS = ("f1", "precision", "recall", "mA", "auroc", "average_precision", "ece")


def describe(metrics: dict[str, Any]) -> str:
    """What was scored, the paper's numbers, the means, the groups and the classes, each beside the constant's."""
    counts, constant = metrics["counts"], metrics["constant"]
    split = f"split {metrics['split']}" if metrics["split"] else "all labelled rows"
    lines = [
        f"{counts['labelled']} labelled tracklets ({split}), {counts['failed']} of them failed, "
        f"{counts['missing']} missing from the table",
        "In brackets: what a constant answer gets; ± is half the 95 % interval.",
        "",
        f"Paper's protocol at {metrics['threshold']:g}, mean over groups",
    ]
    intervals = metrics["intervals"]
    for name in _PAPER:
        lines.append(
            f"  {name:18}{_pair(metrics['paper'][name], constant['paper'][name], intervals['paper'].get(name))}"
        )
    lines += ["", "As the table says, mean over classes"]
    for name, value in metrics["means"].items():
        lines.append(f"  {name:18}{_pair(value, constant['means'][name], intervals['means'].get(name))}")
    lines += ["", *_aligned(_group_rows(metrics)), "", *_aligned(_class_rows(metrics))]
    for why, names in metrics["left_out"].items():
        if names:
            lines += ["", f"Left out of the means, {why.replace('_', ' ')}: {', '.join(names)}"]
    return "\n".join(lines)


def _group_rows(metrics: dict[str, Any]) -> list[list[str]]:
    rows = [["group", "accuracy", "macro F1", *(f"paper's {name}" for name in _PAPER)]]
    paper, constant_paper = metrics["paper"]["groups"], metrics["constant"]["paper"]["groups"]
    for name, group in metrics["groups"].items():
        constant = metrics["constant"]["groups"][name]
        table = (_pair(group[m], constant[m]) for m in ("accuracy", "macro_f1"))
        rows.append([name, *table, *(_pair(paper[name][m], constant_paper[name][m]) for m in _PAPER)])
    return rows


def _class_rows(metrics: dict[str, Any]) -> list[list[str]]:
    rows = [["class", "positive", *("AP" if n == "average_precision" else n for n in _CLASS_COLUMNS)]]
    for name, measures in metrics["classes"].items():
        constant = metrics["constant"]["classes"][name]
        cells = (_pair(measures[m], constant[m]) for m in _CLASS_COLUMNS)
        rows.append([name, _number(measures["positive_rate"]), *cells])
    return rows


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _pair(value: float | None, constant: float | None, interval: Sequence[float] | None = None) -> str:
    around = f" ±{(interval[1] - interval[0]) / 2:.3f}" if interval else ""
    return f"{_number(value)}{around} ({_number(constant)})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
