"""Running a command as the shell does."""

from __future__ import annotations

import pytest

from par_model.cli import main


def parjob(*words: object) -> int:
    """Run ``parjob`` with these words in this process, and give its exit code."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(stopped.value.code or 0)
