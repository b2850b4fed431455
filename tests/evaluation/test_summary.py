"""metrics.json as a table that a person reads."""

from __future__ import annotations

from typing import Any

from par_model.evaluation.summary import describe

PAPER = {"accuracy": 0.9, "precision": 0.8, "recall": 0.7, "f1": 0.75}
ZERO = dict.fromkeys(PAPER, 0.5)


def of_class(f1: float | None) -> dict[str, Any]:
    names = ("precision", "recall", "mA", "auroc", "average_precision", "ece")
    return {"f1": f1, "positive_rate": 0.25} | dict.fromkeys(names, 0.5)


METRICS: dict[str, Any] = {
    "split": "test",
    "threshold": 0.45,
    "counts": {"labelled": 40, "failed": 2, "missing": 1},
    "left_out": {"untrained": [], "without_a_positive": ["hat", "bag"]},
    "paper": PAPER | {"groups": {"color": PAPER}},
    "means": {"macro_f1": 0.625},
    "groups": {"color": {"accuracy": 0.9, "macro_f1": None}},
    "classes": {"color_red": of_class(0.8), "color_blue": of_class(None)},
    "constant": {
        "paper": ZERO | {"groups": {"color": ZERO}},
        "means": {"macro_f1": 0.5},
        "groups": {"color": {"accuracy": 0.5, "macro_f1": 0.25}},
        "classes": {"color_red": of_class(0.4), "color_blue": of_class(None)},
    },
    "intervals": {"paper": {"f1": [0.7, 0.8]}, "means": {}},
}


def test_each_number_stands_beside_the_constants_and_half_of_its_interval() -> None:
    lines = describe(METRICS).splitlines()
    assert lines[0] == "40 labelled tracklets (split test), 2 of them failed, 1 missing from the table"
    assert "Paper's protocol at 0.45, mean over groups" in lines
    assert "  accuracy          0.900 (0.500)" in lines
    assert "  f1                0.750 ±0.050 (0.500)" in lines
    assert "  macro_f1          0.625 (0.500)" in lines
    assert lines[-1] == "Left out of the means, without a positive: hat, bag"
    assert not any("untrained" in line for line in lines)


def test_columns_stand_below_each_other_and_what_cannot_be_told_is_a_dash() -> None:
    lines = describe(METRICS | {"split": None}).splitlines()
    assert lines[0].startswith("40 labelled tracklets (all labelled rows)")
    head, red, blue = (
        next(line for line in lines if line.startswith(word)) for word in ("class", "color_r", "color_b")
    )
    assert red.split()[:3] == ["color_red", "0.250", "0.800"]
    assert blue.split()[:4] == ["color_blue", "0.250", "-", "(-)"]
    assert head.index("precision") == red.index("0.500") == blue.index("0.500")
    group = next(line for line in lines if line.startswith("color "))
    assert group.split()[1:5] == ["0.900", "(0.500)", "-", "(0.250)"]
