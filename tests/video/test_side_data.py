"""Side data of frames, also of kinds that PyAV has no name for."""

from __future__ import annotations

import pytest

from par_model.video.side_data import SideDataType


@pytest.mark.parametrize("value", [9_999, -7])
def test_a_kind_that_has_no_name_is_a_kind_all_the_same(value: int) -> None:
    kind = SideDataType(value)
    assert (kind.value, kind.name) == (value, f"KIND_{value}")


def test_kinds_with_a_name_keep_it() -> None:
    assert SideDataType["DISPLAYMATRIX"] is SideDataType(SideDataType.DISPLAYMATRIX.value)
