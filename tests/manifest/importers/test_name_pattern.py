"""Camera and time come from file names by the pattern, or the name is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from par_model.errors import ManifestError, UsageError
from par_model.manifest.importers.name_pattern import Named, NamePattern

NOON = datetime(2026, 5, 1, 12, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("{camera}_{time:%Y%m%d-%H%M%S}.mp4", "gate_north_20260501-123005.mp4", Named("gate_north", NOON)),
        ("{camera}.mkv", "a.b.mkv", Named("a.b", None)),
        ("{time:%Y-%m-%dT%H_%M_%S}{}", "2026-05-01T12_30_05_part2.avi", Named(None, NOON)),
        ("{time:%Y%m%d%H%M%S}{camera}.mp4", "20260501123005007.mp4", Named("007", NOON)),
        ("{}[{camera}].mp4", "Raum (1) [3].mp4", Named("3", None)),
        (
            "{camera}@{time:%Y%m%dT%H%M%S%z}.ts",
            "3@20260501T143005+0200.ts",
            Named("3", datetime(2026, 5, 1, 14, 30, 5, tzinfo=timezone(timedelta(hours=2)))),
        ),
    ],
)
def test_names_are_read(pattern: str, name: str, expected: Named) -> None:
    assert NamePattern(pattern).read(name) == expected


@pytest.mark.parametrize(
    ("pattern", "name", "problem"),
    [
        ("{camera}_{time:%Y%m%d}.mp4", "gate.mp4", "gate.mp4: the name does not fit --name-pattern"),
        ("{camera}_{time:%Y%m%d}.mp4", "gate_20260501.mkv", "does not fit"),
        ("{camera}_{time:%Y%m%d}.mp4", "gate_20261301.mp4", "20261301 is no time of the form %Y%m%d"),
    ],
)
def test_a_name_that_does_not_fit_is_refused(pattern: str, name: str, problem: str) -> None:
    with pytest.raises(ManifestError, match=problem):
        NamePattern(pattern).read(name)


@pytest.mark.parametrize(
    "pattern",
    [
        "plain.mp4",
        "{}.mp4",
        "{kamera}.mp4",
        "{camera}{camera}.mp4",
        "{time}.mp4",
        "{camera:%Y}",
        "{camera",
        "{time:}.mp4",
        "{time:now}.mp4",
        "{time:%m%d-%H%M%S}.mp4",
        "{time:%Y-%H%M%S}.mp4",
    ],
)
def test_a_pattern_that_says_nothing_is_wrong_usage(pattern: str) -> None:
    with pytest.raises(UsageError, match="--name-pattern"):
        NamePattern(pattern)
