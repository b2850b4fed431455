"""OUT as every kind of run has it: what lies there, and that each change asks whether it is held."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from par_model.errors import OutputError
from par_model.runs.output import Output
from par_model.runs.record import Fingerprinted


class Holder:
    """Stands for who holds the lock, until it is lost."""

    is_lost = False

    def verify(self) -> None:
        if self.is_lost:
            raise OutputError("the lock is lost")


def claim(output: Output, held: Any) -> dict[str, Any]:
    def never(found: dict[str, Any]) -> bool:
        raise AssertionError(found)

    wanted = {"fingerprint": {"seed": 1}}
    return output.claim_or_resume(held, wanted, None, kind=Fingerprinted, goes_on=never, refuse=never)


def test_a_claim_is_there_until_it_is_cleared_and_a_record_is_the_end(tmp_path: Path) -> None:
    output, held = Output(str(tmp_path / "out")), Holder()
    kept: Any = held
    assert not output.is_there()
    assert output.record() is output.claim(Fingerprinted) is None
    claimed = claim(output, kept)
    assert output.is_there()
    assert output.claim(Fingerprinted) == claimed == {"job_id": claimed["job_id"], "fingerprint": {"seed": 1}}
    output.write_record(kept, {"fingerprint": {"seed": 1}, "more": "ü"})
    output.clear(kept, "_job.json", "_parts")
    assert output.claim(Fingerprinted) is None
    assert output.record() == {"fingerprint": {"seed": 1}, "more": "ü"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    "change",
    [
        lambda output, held: output.write(held, "a", b"new"),
        lambda output, held: output.write_record(held, {}),
        claim,
        lambda output, held: output.remove(held, "a"),
    ],
)
def test_who_lost_the_lock_changes_nothing(change: Callable[[Output, Any], None], tmp_path: Path) -> None:
    output, held = Output(str(tmp_path)), Holder()
    (tmp_path / "a").write_bytes(b"old")
    held.is_lost = True
    with pytest.raises(OutputError, match="the lock is lost"):
        change(output, held)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_what_cannot_be_cleared_is_said_and_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, held = Output(str(tmp_path)), Holder()
    kept: Any = held
    held.is_lost = True
    output.clear(kept, "_job.json")
    output.clear(kept, "_job.json", "_plan", "_parts")
    said = capsys.readouterr().err
    assert f"{tmp_path} is complete; _job.json stays beside the results" in said
    assert "_job.json, _plan and _parts stay beside the results, and later runs pass over them" in said


def test_only_an_empty_folder_goes(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").touch()
    output.remove_if_empty()
    assert output.is_there()
    (tmp_path / "out" / "a").unlink()
    output.remove_if_empty()
    assert not output.is_there()
    output.remove_if_empty()
