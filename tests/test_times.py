"""Times on a machine without a time-zone database: its folder is hidden from a process of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import times

NOON = datetime(2026, 5, 1, 12, 0, 0, 250_123, tzinfo=UTC)
ZONED = pa.timestamp("us", "UTC")
HIDE = 'mount -t tmpfs none /usr/share/zoneinfo && exec "$@"'
# Shown first, so that these tests cannot pass where the database is not hidden.
NO_DATABASE = """
import zoneinfo
import pyarrow as pa, pyarrow.compute as pc
for look_up in (
    lambda: zoneinfo.ZoneInfo("UTC"),
    lambda: pc.floor_temporal(pa.array([1], pa.timestamp("us", "UTC")), unit="millisecond"),
    lambda: pa.array([1], pa.timestamp("us", "UTC")).to_pylist(),
):
    try:
        look_up()
    except (zoneinfo.ZoneInfoNotFoundError, pa.ArrowInvalid):
        continue
    raise SystemExit("the time-zone database is there")
"""


def without_database(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code in ``folder`` with an empty /usr/share/zoneinfo."""
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    (folder / "hidden").mkdir(exist_ok=True)
    (folder / "hidden" / "tzdata.py").write_text("raise ImportError")  # the package that Python asks next
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*unshare, "sh", "-c", HIDE, "sh", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this process may not hide /usr/share/zoneinfo")
    paths = [str(folder / "hidden"), *sys.path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONTZPATH": ""}
    command = [*unshare, "sh", "-c", HIDE, "sh", sys.executable, "-c", NO_DATABASE + code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([NOON, None], ZONED), [NOON, None]),
        (pa.array([NOON], pa.timestamp("us", "Europe/Berlin")), [NOON]),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("us")), [NOON.replace(tzinfo=None)]),
        (pa.array([[{"t": NOON}], None], pa.list_(pa.struct([("t", ZONED)]))), [[{"t": NOON}], None]),
        (pa.array([[("a", NOON)]], pa.map_(pa.string(), ZONED)), [[("a", NOON)]]),
        (pa.array([[NOON, NOON]], pa.list_(ZONED, 2)), [[NOON, NOON]]),
        (pa.array([[NOON]], pa.large_list(ZONED)), [[NOON]]),
        (pa.chunked_array([pa.array([NOON], ZONED)]), [NOON]),
        (pa.table({"t": pa.array([NOON], ZONED), "n": [1]}), [{"t": NOON, "n": 1}]),
        (pa.record_batch({"t": pa.array([NOON], ZONED)}), [{"t": NOON}]),
    ],
)
def test_values_are_arrows_own_with_utc_as_their_zone(values: pa.Array, expected: list[object]) -> None:
    found = times.to_pylist(values)
    assert found == expected
    assert str(found) == str(expected).replace("datetime.UTC", "datetime.timezone.utc")


def test_a_manifest_is_read_and_shown_without_a_database(tmp_path: Path) -> None:
    """As DuckDB and pandas write it: microseconds, UTC. Every row was an invalid tracklet."""
    nested = pa.array([[NOON]], pa.list_(ZONED))
    table = {"tracklet_id": ["a"], "image_uris": [["/1.jpg"]], "start_time": pa.array([NOON], ZONED), "seen": nested}
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    code = """
from par_model.cli import main
from par_model.inference.planning import survey_here
from par_model.inference.survey import RowQuestion
from par_model.manifest import Manifest
manifest = Manifest.open("m.parquet")
print(survey_here(manifest, RowQuestion.of(manifest, None, 1, ()))[0].digest)
for command in ("check", "show"):
    try:
        main(["manifest", command, "m.parquet"])
    except SystemExit as stopped:
        assert not stopped.code, stopped.code
"""
    done = without_database(code, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 row, 0 defects" in done.stderr
    assert "start_time    2026-05-01 12:00:00.250000+00:00" in done.stdout
    assert "seen          [2026-05-01 12:00:00.250123+00:00] (1)" in done.stdout
    from par_model.inference.planning import survey_here
    from par_model.inference.survey import RowQuestion
    from par_model.manifest import Manifest

    manifest = Manifest.open(str(tmp_path / "m.parquet"))
    here = survey_here(manifest, RowQuestion.of(manifest, None, 1, ()))[0].digest
    assert done.stdout.splitlines()[0] == str(here), "the digest of a row must not depend on the machine"


@pytest.mark.slow
def test_a_job_partitioned_by_time_and_its_report_without_a_database(tiny_weights: Path, tmp_path: Path) -> None:
    table = {
        "tracklet_id": ["a", "b"],
        "image_uris": [["/1.jpg"]] * 2,
        "start_time": pa.array([NOON, None], ZONED),
        "seen": pa.array([NOON, NOON], pa.timestamp("ns", "Europe/Berlin")),
    }
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    code = f"""
from par_model.cli import main
def parjob(*words):
    try:
        main(list(words))
    except SystemExit as stopped:
        return stopped.code
job = ["infer", "--no-ray", "--manifest", "m.parquet", "--weights", {str(tiny_weights)!r}, "--max-failure-rate", "1"]
assert parjob(*job, "--output", "by", "--partition-by", "start_time") == 0
assert parjob(*job, "--output", "by", "--partition-by", "start_time", "--retry-failed") == 0
assert parjob(*job, "--output", "flat") == 0
for output in ("by", "flat"):
    assert parjob("report", "--predictions", output, "--output", output + ".html") == 0
"""
    done = without_database(code, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    folders = sorted(path.name for path in (tmp_path / "by" / "attributes").iterdir())
    assert folders == ["start_time=2026-05-01%2012%3A00%3A00.250%2B00%3A00", "start_time=__HIVE_DEFAULT_PARTITION__"]
    found = pq.read_table(tmp_path / "flat" / "attributes").select(["error", "start_time", "seen"]).to_pylist()
    assert [row["error"] for row in found] == ["image-not-found"] * 2
    assert [row["start_time"] for row in found] == [NOON.replace(microsecond=250_000), None]
    for output in ("by", "flat"):
        assert "2026-05-01 12:00:00" in (tmp_path / f"{output}.html").read_text()
