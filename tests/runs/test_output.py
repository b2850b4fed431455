"""What a run of any kind makes of the claim that it finds in its output, and of what another left there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from par_model import __version__
from par_model.errors import OutputError
from par_model.runs.output import CLAIM, Output
from par_model.runs.record import Fingerprinted, record_head

WANTED = {"fingerprint": {"frames": 6}}


@dataclass(frozen=True)
class Begun(Fingerprinted):
    job_id: str


def claimed(folder: Path, finished: dict[str, Any] | None = None, *, forgets: bool = False) -> dict[str, Any]:
    """Claim the folder for what is wanted. forgets: whether a claim of another run may be forgotten."""

    def refuse(found: dict[str, Any]) -> None:
        if not forgets:
            raise OutputError("another run")

    def refuse_unclaimed() -> None:
        if (folder / "table").exists():
            raise OutputError("a table of nobody")

    output = Output(str(folder))
    with output.lock() as held:
        return output.claim_or_resume(
            held,
            WANTED,
            finished,
            kind=Begun,
            goes_on=lambda found: bool(found["fingerprint"] == WANTED["fingerprint"]),
            refuse=refuse,
            refuse_unclaimed=refuse_unclaimed,
        )


def there(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / CLAIM).read_text())
    return found


def plant(folder: Path, job_id: str, frames: int = 6) -> None:
    (folder / CLAIM).write_text(json.dumps({"job_id": job_id, "fingerprint": {"frames": frames}, "more": 1}))


def test_an_output_without_a_claim_gets_one(tmp_path: Path) -> None:
    first = claimed(tmp_path)
    assert first == there(tmp_path) == {"job_id": first["job_id"], **WANTED}
    assert len(first["job_id"]) == 32


def test_the_same_run_is_gone_on_with_under_its_job_and_as_it_was_claimed(tmp_path: Path) -> None:
    plant(tmp_path, "a")
    before = (tmp_path / CLAIM).read_bytes()
    assert claimed(tmp_path) == {"job_id": "a", "fingerprint": {"frames": 6}, "more": 1}
    assert (tmp_path / CLAIM).read_bytes() == before


def test_a_claim_of_an_earlier_version_is_gone_on_with_where_it_needs_no_job(tmp_path: Path) -> None:
    """As that of training, which had a fingerprint alone."""
    (tmp_path / CLAIM).write_text(json.dumps(WANTED))
    output = Output(str(tmp_path))
    with output.lock() as held:
        found = output.claim_or_resume(
            held,
            WANTED,
            finished=None,
            kind=Fingerprinted,
            goes_on=lambda found: bool(found["fingerprint"] == WANTED["fingerprint"]),
            refuse=lambda found: pytest.fail("it is the run that is wanted"),
        )
    assert found == there(tmp_path) == WANTED


def test_another_run_is_refused_unless_it_may_be_forgotten(tmp_path: Path) -> None:
    plant(tmp_path, "a", frames=8)
    with pytest.raises(OutputError, match="another run"):
        claimed(tmp_path)
    assert there(tmp_path)["job_id"] == "a"
    second = claimed(tmp_path, forgets=True)
    assert second == there(tmp_path)
    assert (second["fingerprint"], second["job_id"] == "a") == ({"frames": 6}, False)


def test_the_claim_of_the_run_that_has_ended_counts_for_nothing(tmp_path: Path) -> None:
    """Also where it is of the very run that is wanted: what it did is done."""
    plant(tmp_path, "a")
    assert claimed(tmp_path, {"job_id": "b"})["job_id"] == "a"
    assert claimed(tmp_path, {"job_id": "a"})["job_id"] != "a"


@pytest.mark.parametrize("finished", [None, {"job_id": "a"}])
def test_what_lies_there_without_a_claim_that_counts_may_be_refused(
    tmp_path: Path, finished: dict[str, Any] | None
) -> None:
    (tmp_path / "table").touch()
    if finished is not None:
        plant(tmp_path, "a")
    with pytest.raises(OutputError, match="a table of nobody"):
        claimed(tmp_path, finished)
    plant(tmp_path, "b")
    assert claimed(tmp_path, finished)["job_id"] == "b"


@pytest.mark.parametrize(
    ("claim", "record", "goes"), [("a", "a", True), (None, "a", True), ("b", "a", False), ("b", None, False)]
)
def test_what_a_killed_run_left_goes_if_that_run_has_ended(
    tmp_path: Path, claim: str | None, record: str | None, goes: bool
) -> None:
    (tmp_path / "_parts").mkdir()
    (tmp_path / "kept").touch()
    if claim is not None:
        plant(tmp_path, claim)
    if record is not None:
        (tmp_path / "run.json").write_text(json.dumps({"job_id": record, "fingerprint": {}}))
    output = Output(str(tmp_path))
    with output.lock():
        output.sweep(Begun, "_parts")  # of a job that lives
        assert (tmp_path / "_parts").exists()
    output.sweep(Begun, "_parts")
    assert [(tmp_path / name).exists() for name in ("_parts", CLAIM)] == [not goes, not goes and claim is not None]
    assert (tmp_path / "kept").exists()


def test_a_record_begins_alike_for_every_kind_of_run() -> None:
    started = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    head = record_head("infer", exit_code=3, job_id="a", run_id="b", started=started, seconds=1.23456)
    versions = head.pop("versions")
    assert versions["par_model"] == __version__
    assert {"torch", "numpy", "pyarrow"} <= versions.keys()
    assert list(head.items()) == [
        ("command", "infer"),
        ("exit_code", 3),
        ("job_id", "a"),
        ("run_id", "b"),
        ("started", "2026-01-02T03:04:05+00:00"),
        ("seconds", 1.235),
    ]
    assert "job_id" not in record_head("train", exit_code=0, run_id="b", started=started, seconds=0.0)
