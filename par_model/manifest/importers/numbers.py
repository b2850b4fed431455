"""What counts as a number in the files of tools."""

from __future__ import annotations


def is_number(text: str) -> bool:
    """Whether a text is a number, endless ones and nan among them, as tools write it.

    Python alone would read ``1_0`` as 10, and digits of all scripts.
    """
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.isascii()
