"""What a video's file name says: camera and time, by a pattern such as ``{camera}_{time:%Y%m%d-%H%M%S}.mp4``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from par_model.errors import ManifestError, UsageError

_FIELD = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<format>[^{}]*))?\}")
# Lengths of what strptime reads, so that fields that touch are told apart.
_DIRECTIVES = {
    **dict.fromkeys("mdHIMSyUW", r"\d{2}"),
    "Y": r"\d{4}",
    "j": r"\d{3}",
    "f": r"\d{1,6}",
    "z": r"(?:Z|[+-]\d{2}:?\d{2})",
    "p": r"(?:[AaPp][Mm])",
    "b": r"[^\W\d_]+",
    "B": r"[^\W\d_]+",
    "%": "%",
}
# Directives without which strptime takes the year for 1900, and the day for the first.
_OF_YEARS = frozenset("YyGcx")
_OF_DAYS = frozenset("djcxuwaA")


@dataclass(frozen=True)
class Named:
    """What a name says; None for what its pattern has no field for. time: UTC unless the name has a zone."""

    camera: str | None
    time: datetime | None


class NamePattern:
    """A pattern of file names. ``{camera}`` is text, ``{time:FORMAT}`` a time as Python's strptime reads it, ``{}``
    anything; all else stands for itself. Raises UsageError for any other field."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self._format: str | None = None
        parts: list[str] = []
        end = 0
        seen: set[str] = set()
        for field in _FIELD.finditer(pattern):
            parts += [re.escape(pattern[end : field.start()]), self._part(field, seen)]
            end = field.end()
        rest = pattern[end:]
        if "{" in rest or "}" in rest or not seen - {""}:
            raise UsageError(f"--name-pattern {pattern!r}: needs {{camera}} or {{time:%Y%m%d-%H%M%S}} in it")
        self._regex = re.compile("".join([*parts, re.escape(rest)]))

    def read(self, name: str) -> Named:
        """What a file's name says. Raises ManifestError for one that does not fit."""
        match = self._regex.fullmatch(name)
        if match is None:
            raise ManifestError(f"{name}: the name does not fit --name-pattern {self.text}")
        found = match.groupdict()
        time = None
        if self._format is not None:
            try:
                time = datetime.strptime(found["time"], self._format)
            except ValueError as error:
                raise ManifestError(f"{name}: {found['time']} is no time of the form {self._format}") from error
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
        return Named(found.get("camera"), time)

    def _part(self, field: re.Match[str], seen: set[str]) -> str:
        name, format_ = field["name"], field["format"]
        if name == "" and format_ is None:
            seen.add(name)
            return ".*?"
        if name in seen or name not in ("camera", "time") or (format_ is None) != (name == "camera"):
            raise UsageError(
                f"--name-pattern {self.text!r}: {field[0]} is none of {{camera}}, {{time:%Y%m%d-%H%M%S}}, each once, "
                "and {} for anything"
            )
        seen.add(name)
        if format_ is None:
            return "(?P<camera>.+?)"
        said = set(re.findall(r"%(.)", format_))
        if not said & _OF_YEARS or not said & _OF_DAYS:
            raise UsageError(
                f"--name-pattern {self.text!r}: {field[0]} has no {'day' if said & _OF_YEARS else 'year'}, so that "
                "times would be of 1900 or of January: name the whole date, as in {time:%Y%m%d-%H%M%S}"
            )
        self._format = format_
        return f"(?P<time>{_regex_of_time(format_)})"


def _regex_of_time(format_: str) -> str:
    parts = re.split(r"%(.)", format_)
    return "".join(_DIRECTIVES.get(part, r".+?") if i % 2 else re.escape(part) for i, part in enumerate(parts))
