"""Options stated as fields: their bounds, and what the command line makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from par_model.cli.fields import options_of
from par_model.errors import UsageError
from par_model.options import check_options, option, required, stated_options


@dataclass(frozen=True)
class Baking:
    flour: str = option(required, "Where the flour is.", metavar="URI")
    loaves: int = option(4, "How many loaves.", metavar="N", at_least=1)
    heat: float | None = option(None, "Degrees of the oven.", otherwise="the oven's own", above=0, at_most=300)
    share: float = option(0.1, "Share of rye.", at_least=0, below=1)
    shape: Literal["round", "long"] = option("round", "Shape of the loaves.")
    seeds: tuple[str, ...] = option((), "Seeds on top (repeatable).", metavar="NAME")
    crust: bool = option(False, "Bake them dark.")
    note: str = ""

    def __post_init__(self) -> None:
        check_options(self)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loaves": 0}, "--loaves is 0: must be at least 1"),
        ({"heat": 0.0}, "--heat is 0.0: must be above 0 and at most 300"),
        ({"heat": math.nan}, "--heat is nan: must be above 0 and at most 300"),
        ({"heat": math.inf}, "--heat is inf: must be above 0 and at most 300"),
        ({"share": 1.0}, "--share is 1.0: must be at least 0 and below 1"),
        ({"shape": "flat"}, "--shape is flat: must be one of round, long"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_option_and_its_limit(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Baking("flour.txt", **given)
    assert str(caught.value) == message


@given(st.floats(min_value=0, max_value=300, exclude_min=True), st.floats(min_value=0, max_value=1, exclude_max=True))
def test_values_within_their_bounds_are_taken(heat: float, share: float) -> None:
    assert Baking("flour.txt", heat=heat, share=share).heat == heat


@dataclass(frozen=True)
class Milling:
    grains: int = option(1, "How many grains.", at_least=1, at_most=2**20)


def test_large_bounds_are_written_out() -> None:
    """They read "at most 1.04858e+06" once."""
    assert stated_options(Milling)["grains"].limit == "at least 1 and at most 1048576"


def test_a_field_that_states_no_option_is_none() -> None:
    assert list(stated_options(Baking)) == ["flour", "loaves", "heat", "share", "shape", "seeds", "crust"]


@click.command()
@options_of(Baking)
def bake(**asked: Any) -> None:
    click.echo(repr(Baking(**asked)))


def test_the_command_line_takes_what_the_fields_state() -> None:
    run = CliRunner().invoke
    words = ["--flour", "f", "--loaves", "2", "--heat", "210.5", "--shape", "long", "--seeds", "a", "--seeds", "b"]
    assert run(bake, [*words, "--crust"]).output.strip() == repr(
        Baking("f", loaves=2, heat=210.5, shape="long", seeds=("a", "b"), crust=True)
    )
    assert run(bake, ["--flour", "f"]).output.strip() == repr(Baking("f"))
    assert "Missing option '--flour'" in run(bake, []).output
    assert "'flat' is not one of 'round', 'long'" in run(bake, ["--flour", "f", "--shape", "flat"]).output


def test_the_help_shows_defaults_and_what_holds_without_one() -> None:
    text = " ".join(CliRunner().invoke(bake, ["--help"]).output.split())
    assert "--loaves N How many loaves. [default: 4]" in text
    assert "--heat FLOAT Degrees of the oven. [default: the oven's own]" in text
    assert "--shape [round|long] Shape of the loaves. [default: round]" in text
    assert "--flour URI Where the flour is. [required]" in text
