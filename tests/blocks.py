"""Code blocks of the documentation, for the tests that run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
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


def blocks(document: str) -> list[Block]:
    """All fenced blocks of a file of the repository, in order."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        before = text[: match.start()]
        heading = next((line.lstrip("# ") for line in reversed(before.splitlines()) if line.startswith("#")), "")
        found.append(Block(match["language"], match["code"], before.count("\n") + 1, heading))
    return found
