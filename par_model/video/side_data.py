"""Side data of frames, as PyAV gives it: mended here and nowhere else, so that another PyAV is met in one file.

PyAV names the kinds of side data in an enumeration that is older than the FFmpeg it brings. Seen with PyAV 18.1.
"""

from __future__ import annotations

from typing import Any

from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType

__all__ = ["SideDataContainer", "SideDataType"]


def _kind_without_name(cls: type[SideDataType], value: Any) -> SideDataType:
    """A kind of side data that FFmpeg knows and PyAV's enumeration does not yet, such as a JPEG's EXIF. As it is, PyAV
    refuses all side data of a frame that has one."""
    kind = object.__new__(cls)
    kind._name_, kind._value_ = f"KIND_{value}", value
    return kind


SideDataType._missing_ = classmethod(_kind_without_name)  # type: ignore[method-assign,assignment]
