"""What users choose among has one list of names, which help reads without NumPy."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from par_model.choices import POLICIES
from par_model.cli.convert import convert
from par_model.cli.infer import infer
from par_model.cli.weights_init import init
from par_model.sampling import Sampling


def test_each_policy_samples() -> None:
    assert POLICIES == ("uniform", "first", "random", "all", "cheap")
    for policy in POLICIES:
        if policy != "cheap":  # which asks the video: tests/test_sampling_cheap.py
            assert len(Sampling(policy, 3).positions(9, "t")) == (9 if policy == "all" else 3)


@pytest.mark.parametrize(
    ("command", "flag", "names"),
    [(convert, "--box-format", ("xywh", "xyxy")), (init, "--fit", ("stretch", "pad")), (infer, "--sampling", POLICIES)],
)
def test_commands_offer_what_the_list_has(command: click.Command, flag: str, names: tuple[str, ...]) -> None:
    [kind] = [param.type for param in command.params if flag in param.opts]
    assert isinstance(kind, click.Choice)
    assert tuple(kind.choices) == names


def test_names_are_at_hand_without_numpy() -> None:
    code = "import sys, par_model.choices; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
