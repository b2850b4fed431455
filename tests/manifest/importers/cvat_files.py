"""CVAT for video 1.1 as CVAT and FiftyOne write it, in small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# What CVAT specifies of one label's attributes: name, input type, values.
Specification = Sequence[tuple[str, str, Sequence[str]]]


def document(tracks: Sequence[str], *, head: str = "") -> str:
    """A file with a head, such as ``task`` makes, and tracks, such as ``track`` makes."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "<version>1.1</version>"]
    return "\n".join([*lines, f"<meta>{head}</meta>", *tracks, "</annotations>"]) + "\n"


def task(
    specification: Mapping[str, Specification], *, number: int = 5, name: str = "gate", size: str = "640x480"
) -> str:
    """What CVAT says of a task: its labels with their attributes, the size of its pictures."""
    labels = "".join(_label(label, attributes) for label, attributes in specification.items())
    width, _, height = size.partition("x")
    return (
        f"<task><id>{number}</id><name>{name}</name><size>90</size><mode>interpolation</mode><labels>{labels}</labels>"
        f"<original_size><width>{width}</width><height>{height}</height></original_size></task>"
    )


def _label(name: str, attributes: Specification) -> str:
    inside = "".join(
        f"<attribute><name>{of}</name><mutable>False</mutable><input_type>{kind}</input_type>"
        f"<default_value>{next(iter(values), '')}</default_value><values>{chr(10).join(values)}</values></attribute>"
        for of, kind, values in attributes
    )
    return f"<label><name>{name}</name><color>#fa3253</color><type>any</type><attributes>{inside}</attributes></label>"


def track(number: int | str, shapes: Sequence[str], *, label: str = "person", more: str = "") -> str:
    return f'<track id="{number}" label="{label}" source="manual"{more}>\n' + "\n".join(shapes) + "\n</track>"


def box(
    frame: int,
    sides: Sequence[float],
    *,
    outside: int = 0,
    keyframe: int = 1,
    said: Mapping[str, str] | None = None,
    more: str = "",
) -> str:
    """A box as CVAT writes it: sides left, top, right, bottom, two decimals, every attribute."""
    left, top, right, bottom = sides
    attributes = "".join(f'<attribute name="{name}">{value}</attribute>\n' for name, value in (said or {}).items())
    return (
        f'<box frame="{frame}" keyframe="{keyframe}" outside="{outside}" occluded="0" xtl="{left:.2f}" ytl="{top:.2f}" '
        f'xbr="{right:.2f}" ybr="{bottom:.2f}" z_order="0"{more}>\n{attributes}</box>'
    )
