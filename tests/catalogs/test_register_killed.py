"""Registrations that a real SIGKILL ends, repeated to one commit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.catalogs.seen import BOTH, DELTA, catalog_of, rows_in, snapshots
from tests.catalogs.tables import made_rows, rewritten, write_output

pytest.importorskip("pyiceberg", reason="the extra iceberg is not installed")
pytest.importorskip("deltalake", reason="the extra delta is not installed")
from par_model.catalogs.register import register

pytestmark = [pytest.mark.usefixtures("warehouse"), pytest.mark.slow]

# Code that a process begins with: it ends itself there, as a machine that fails would.
KILL = "import os, signal\ndef kill(*a, **k): os.kill(os.getpid(), signal.SIGKILL)\n"
AFTER_RECORD = (
    KILL
    + """
from par_model.catalogs import register
write = register.write_registration
register.write_registration = lambda *a: (write(*a), kill())
"""
)
STAGED = (
    KILL
    + """
from pyiceberg.catalog.sql import SqlCatalog
from par_model.catalogs import delta
SqlCatalog.commit_table = kill
delta.create_table_with_add_actions = kill
delta.DeltaTable.create_write_transaction = kill
"""
)
COMMITTED = (
    KILL
    + """
from par_model.catalogs.delta import Delta
from par_model.catalogs.iceberg import Iceberg
for one in (Delta, Iceberg):
    one.commit = lambda *a, commit=one.commit: (commit(*a), kill())
"""
)


def register_killed(out: str, kind: str, where: str) -> None:
    """``parjob table register`` as a process of its own, which is killed where its first lines say."""
    into = ["--delta"] if kind == DELTA else ["--iceberg", "local.street.attributes"]
    code = f"{where}\nfrom par_model.cli import main\nmain()"
    command = [sys.executable, "-c", code, "table", "register", out, *into]
    ended = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.parametrize(
    ("kind", "where", "commits"),
    [
        pytest.param(kind, where, commits, id=f"{kind}-{name}")
        for kind in BOTH
        for name, where, commits in (
            ("after-the-record", AFTER_RECORD, 0),
            ("before-the-commit", STAGED, 0),
            ("after-the-commit", COMMITTED, 1),
        )
    ],
)
def test_killed_and_repeated_a_run_is_committed_once(kind: str, where: str, commits: int, tmp_path: Path) -> None:
    by = ("camera_id",)
    out = write_output(tmp_path / "out", made_rows(), by)
    register_killed(out, kind, where)
    assert (register(out, catalog_of(kind)).snapshot is None) == bool(commits)
    assert (len(rows_in(kind, out)), snapshots(kind, out)) == (25, 1)
    rewritten(out, by, "00000000000c", "anew")
    register_killed(out, kind, where)
    seen = rows_in(kind, out)
    assert (len(seen), seen["message"].to_pylist().count("anew")) == (25, 25 * commits)
    for _ in range(2):
        register(out, catalog_of(kind))
        assert (rows_in(kind, out)["message"].to_pylist(), snapshots(kind, out)) == (["anew"] * 25, 2)
