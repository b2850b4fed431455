"""A table on S3 in catalogs: credentials and endpoint are those that every command finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from par_model import storage
from tests.catalogs.seen import BOTH, ICEBERG, catalog_of, rows_in, snapshots
from tests.catalogs.tables import made_rows, rewritten, write_output
from tests.cli.run import parjob

pytest.importorskip("pyiceberg", reason="the extra iceberg is not installed")
pytest.importorskip("deltalake", reason="the extra delta is not installed")
from par_model.catalogs.register import register


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("by", [("camera_id",), pytest.param((), marks=pytest.mark.slow)], ids="+".join)
def test_each_run_is_registered_once(
    kind: str, by: tuple[str, ...], s3: Callable[[], str], warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3()
    out = write_output(f"{bucket}/out", made_rows(), by)
    assert register(out, catalog_of(kind)).added == (5 if by else 1)
    rewritten(out, by, "00000000000c", "anew")
    assert register(out.replace("s3://", "s3a://") + "/", catalog_of(kind)).removed == (5 if by else 1)
    assert register(out, catalog_of(kind)).snapshot is None
    rows = rows_in(kind, out)
    assert (rows["message"].to_pylist(), snapshots(kind, out)) == (["anew"] * 25, 2)
    cameras = {row["tracklet_id"]: row["camera_id"] for row in made_rows()}
    assert dict(zip(rows["tracklet_id"].to_pylist(), rows["camera_id"].to_pylist(), strict=True)) == cameras
    recorded = storage.read_bytes(f"{out}/_catalogs.json").decode()
    assert "testing" not in recorded  # no credentials
    assert (kind == ICEBERG) == ("street" in json.loads(recorded)["registrations"][0]["catalog"])


def test_tools_that_open_a_table_there_are_checked(s3: Callable[[], str], capsys: pytest.CaptureFixture[str]) -> None:
    out = write_output(f"{s3()}/out", made_rows(), ("indoors",))
    assert parjob("table", "check", out, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["reader"] for one in found} <= {"pandas", "pyarrow", "polars", "duckdb"}
    assert all(one["level"] == "note" for one in found)
