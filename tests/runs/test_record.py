"""What a job finds of another run: its record or its claim, or a file that is neither."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from par_model.errors import OutputError
from par_model.runs.output import Output
from par_model.runs.record import Fingerprinted


@dataclass(frozen=True)
class Numbered(Fingerprinted):
    job_id: str


def test_what_a_job_wrote_is_read_as_it_stands(tmp_path: Path) -> None:
    written = {"fingerprint": {"frames": 6}, "job_id": "a", "more": [float("inf"), None]}
    output = Output(str(tmp_path))
    assert output.record() is None
    assert output.claim(Fingerprinted) is None
    for name in ("run.json", "_job.json"):
        (tmp_path / name).write_text(json.dumps(written))
    assert output.record() == written
    assert output.claim(Numbered) == written


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ([], "must be an object of names and values, got []"),
        ({"job_id": "a"}, "lacks key 'fingerprint'"),
        ({"fingerprint": {}}, "lacks key 'job_id'"),
        ({"fingerprint": "abc", "job_id": "a"}, "fingerprint must be an object of names and values, got 'abc'"),
        ({"fingerprint": {}, "job_id": 3}, "job_id must be a text, got 3"),
    ],
)
def test_what_no_job_wrote_is_refused_with_what_is_wrong(written: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "_job.json").write_text(json.dumps(written))
    with pytest.raises(OutputError) as caught:
        Output(str(tmp_path)).claim(Numbered)
    assert str(caught.value) == f"{tmp_path}/_job.json was not written by this version ({said}): give another --output"
