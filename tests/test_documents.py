"""Documents from outside: what they may hold, and what is said of what they may not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.documents import STRICT, DocumentError, read_document


@dataclass(frozen=True)
class Wheel:
    __pydantic_config__ = STRICT
    name: str
    spokes: int
    pairs: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Cart:
    wheels: tuple[Wheel, ...]
    load: float = 0.0
    kind: Literal["hand", "horse"] = "hand"
    notes: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.load < 0:
            raise ValueError(f"load must not be negative, got {self.load:g}")


def wheel(**changes: Any) -> dict[str, Any]:
    return {"wheels": [{"name": "left", "spokes": 8} | changes]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (3, "must be an object of names and values, got 3"),
        ({}, "lacks key 'wheels'"),
        ({"wheels": {}}, "wheels must be a list, got {}"),
        (wheel(spokes="8"), "wheels[0] 'left', spokes must be a whole number, got '8'"),
        (wheel(spokes=True), "wheels[0] 'left', spokes must be a whole number, got True"),
        (wheel(spokes=2.5), "wheels[0] 'left', spokes must be a whole number, got 2.5"),
        (wheel(name=3), "wheels[0], name must be a text, got 3"),
        (wheel(name=date(2026, 11, 28)), "wheels[0], name must be a text, got {'a date or time': '2026-11-28'}"),
        (wheel(pairs=[[1, 2], [3]]), "wheels[0] 'left', pairs[1] lacks a value [1]"),
        (wheel(tyre="soft"), "wheels[0] 'left' has unknown key 'tyre'"),
        ({"wheels": [{"spokes": 3}]}, "wheels[0] lacks key 'name'"),
        ({"wheels": [], "kind": "dog"}, "kind must be 'hand' or 'horse', got 'dog'"),
        ({"wheels": [], "load": -2}, "load must not be negative, got -2"),
        ({"wheels": [], "notes": []}, "notes must be an object of names and values, got []"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(document: Any, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(Cart, document)
    assert str(caught.value) == message
    assert caught.value.is_unknown_key == ("unknown" in message)


def test_keys_that_only_a_later_version_knows_are_ignored_where_they_may_be() -> None:
    assert read_document(Cart, {"wheels": [], "colour": "red"}) == Cart(())


@given(
    st.builds(
        Cart,
        st.lists(
            st.builds(
                Wheel,
                st.text(),
                st.integers(-(2**62), 2**62),
                st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))).map(tuple),
            )
        ).map(tuple),
        st.floats(0, 1e9),
        st.sampled_from(["hand", "horse"]),
    )
)
def test_what_json_can_say_comes_back(cart: Cart) -> None:
    document = {
        "wheels": [{"name": w.name, "spokes": w.spokes, "pairs": [list(p) for p in w.pairs]} for w in cart.wheels],
        "load": cart.load,
        "kind": cart.kind,
    }
    assert read_document(Cart, document) == cart
