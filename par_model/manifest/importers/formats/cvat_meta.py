"""What the head of CVAT's XML says: of tasks, of the picture, of what annotators could say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from xml.etree import ElementTree

_LONGEST = 18  # digits


@dataclass(frozen=True)
class AttributeSpecification:
    """What annotators could say. kind: the input type, ``checkbox``, ``select``, ``radio``, ``number`` or ``text``.

    FiftyOne says no kind, and specifies no attributes that are true or false.
    """

    name: str
    kind: str
    values: tuple[str, ...]


class CvatMeta:
    """The element ``<meta>``."""

    def __init__(self, element: ElementTree.Element | None = None) -> None:
        self._element = element if element is not None else ElementTree.Element("meta")

    def task_names(self) -> dict[int, str]:
        """The name of each task, or of the job that alone was exported, by its number."""
        numbered = [element for element in self._tasks() if is_number(element.findtext("id"))]
        return {int(element.findtext("id", "")): element.findtext("name", "") for element in numbered}

    def attributes(self, labels: Collection[str]) -> list[AttributeSpecification]:
        """What is specified for some labels, each name once."""
        found: dict[str, AttributeSpecification] = {}
        for label in self._element.iter("label"):
            if label.findtext("name") not in labels:
                continue
            for attribute in label.iter("attribute"):
                name = (attribute.findtext("name") or "").strip()
                kind = (attribute.findtext("input_type") or "").strip()
                values = [line.strip() for line in (attribute.findtext("values") or "").split("\n")]
                if name and name not in found:
                    found[name] = AttributeSpecification(name, kind, tuple(filter(None, values)))
        return list(found.values())

    def size(self, task: int | None) -> tuple[int, int] | None:
        """Width and height of the picture that was annotated, None where the file does not say."""
        for element in self._tasks():
            width, height = element.findtext("original_size/width"), element.findtext("original_size/height")
            of_task = task is None or element.findtext("id") == str(task)
            if of_task and width and height and is_number(width) and is_number(height):
                return int(width), int(height)
        return None

    def _tasks(self) -> list[ElementTree.Element]:
        return [element for element in self._element.iter() if element.tag in ("task", "job")]


def is_number(text: str | None) -> bool:
    """Whether a text is a whole number, from 0 on and of a size that ids and pictures have."""
    return text is not None and text.strip().isdecimal() and len(text.strip()) <= _LONGEST
