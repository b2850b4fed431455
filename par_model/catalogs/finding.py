"""What ``parjob table check`` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["defect", "note"]


@dataclass(frozen=True)
class TableFinding:
    """One thing that was found. reader: the tool that reads so; None where it is so for all."""

    level: Level
    code: str
    reader: str | None
    message: str
