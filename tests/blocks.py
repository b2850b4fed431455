"""Code blocks of the documentation, for the tests that run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
_SNIPPET = re.compile(r'^--8<-- "(?P<path>[^":]+)(?::(?P<section>[\w-]+))?"$', re.MULTILINE)
_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """line: where it starts in its file. heading: the last one above it."""

    language: str
    code: str
    line: int
    heading: str

    @property
    def name(self) -> str:
        return f"{self.heading or 'top'}:{self.line}".replace(" ", "-")


def text_of(document: str) -> str:
    """A file of the repository, with what it includes of others in its place, as the site shows it."""

    def included(match: re.Match[str]) -> str:
        text = (ROOT / match["path"]).read_text(encoding="utf-8")
        section = match["section"]
        if section is None:
            return text.rstrip("\n")
        start, end = (f"<!-- --8<-- [{which}:{section}] -->\n" for which in ("start", "end"))
        assert text.count(start) == text.count(end) == 1, match[0]
        return text.partition(start)[2].partition(end)[0].rstrip("\n")

    return _SNIPPET.sub(included, (ROOT / document).read_text(encoding="utf-8"))


def blocks(document: str) -> list[Block]:
    """All fenced blocks that a file of the repository has itself, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        before = text[: match.start()]
        heading = next((line.lstrip("# ") for line in reversed(before.splitlines()) if line.startswith("#")), "")
        found.append(Block(match["language"], match["code"], before.count("\n") + 1, heading))
    return found
