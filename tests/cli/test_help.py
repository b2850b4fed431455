"""What helps at the prompt: every command's example, the pages that name it, completion, and the doctor."""

from __future__ import annotations

import json
import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest

from par_model import storage
from par_model.cli import doctor as doctor_module
from par_model.cli.command import log_to_stderr
from par_model.cli.main import parjob as root
from par_model.video.writer import ClipWriter
from tests.blocks import PAGES, ROOT
from tests.cli.test_infer import parjob


def commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), group
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from commands(command, (*path, name))
            else:
                yield " ".join((*path, name)), command


COMMANDS = dict(commands(root, ("parjob",)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_that_parses_and_is_in_the_documentation(name: str) -> None:
    text = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name))
    _, found, example = text.partition("Example")
    assert found, f"{name} --help has no example"
    line = next(line.strip() for line in example.splitlines() if line.strip().startswith("parjob "))
    assert line.startswith(name)
    words = shlex.split(line.removeprefix(name).partition(" >")[0])
    command = COMMANDS[name]
    context = command.make_context(name, list(words))  # raises a UsageError on options that are not there
    if isinstance(command, click.Group):
        command.resolve_command(context, words)  # or on a command that is not there
    assert any(name in (ROOT / page).read_text(encoding="utf-8") for page in ("README.md", *PAGES))


def test_commands_options_and_choices_are_completed() -> None:
    """As the shell's function asks, whose lines `parjob completion` prints."""

    def complete(*words: str) -> list[str]:
        asked = {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1), "_PARJOB_COMPLETE": "bash_complete"}
        code = "from par_model.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=True
        )
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert complete("parjob", "man") == ["manifest"]
    assert complete("parjob", "manifest", "from-m") == ["from-mars", "from-mot"]
    assert complete("parjob", "infer", "--dam") == ["--damaged"]
    assert complete("parjob", "infer", "--damaged", "u") == ["use"]
    assert complete("parjob", "manifest", "convert", "--box-format", "xyx") == ["xyxy"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_shells_own_lines(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parjob("completion", shell) == 0
    assert f"_PARJOB_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_the_doctor_says_what_works(s3: Callable[[], str], capsys: pytest.CaptureFixture[str]) -> None:
    bucket = s3()
    storage.write_bytes(f"{bucket}/archive/v.mp4", b"x")
    assert parjob("doctor", "--no-ray", "--s3", bucket, "--json") == 0
    out, _ = capsys.readouterr()
    found = json.loads(out)
    assert found["ok"] is True
    assert {"python", "par_model", "torch", "av", "ray"} <= found["versions"].keys()
    checks = {check["check"]: check for check in found["checks"]}
    assert list(checks) == [
        "libraries",
        "tracking",
        "iceberg",
        "delta",
        "time zones",
        "uv",
        "gpu",
        "decoder pyav",
        "decoder decord",
        "s3",
        "output",
        "ray",
    ]
    assert {checks[name]["ok"] for name in ("iceberg", "delta")} <= {True, None}
    assert checks["decoder pyav"]["ok"] is True
    assert checks["s3"] == {"check": "s3", "ok": True, "says": f"{bucket}/archive/v.mp4 can be read"}
    assert checks["ray"]["ok"] is None
    assert "testing" not in out, "the credentials of the environment"


def test_the_doctor_says_what_does_not(
    s3: Callable[[], str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A decoder that gives other frames, here those of a clip that runs backwards, and a place where nothing is."""

    def write_backwards(path: Path) -> str:
        with ClipWriter(path, width=64, height=64, fps=25) as clip:
            for level in reversed(doctor_module._LEVELS):
                clip.write(np.full((64, 64, 3), level, np.uint8))
        return str(path)

    monkeypatch.setattr(doctor_module, "_write_clip", write_backwards)
    assert parjob("doctor", "--no-ray", "--s3", f"{s3()}/nothing") == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAILED  decoder pyav") and "as bright as" in line for line in lines)
    assert any(line.startswith("FAILED  s3") and "there is no such file" in line for line in lines)
    assert any(line.startswith("-       ray") for line in lines)


def test_what_the_package_says_of_its_work_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    log_to_stderr()  # once is enough
    log = logging.getLogger("par_model.anywhere")
    log.info("100 % of it is done")
    log.warning("nearly none")
    log.debug("for nobody")
    assert capsys.readouterr().err == "parjob: 100 % of it is done\nparjob: warning: nearly none\n"
