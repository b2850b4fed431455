"""The node types of cluster.yaml under Ray's own autoscaler: workers start from zero when a job asks for them.

The autoscaler is the one that runs on AWS; its instances are processes of this machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.archive import write_archive
from tests.cluster.simulated import NOTES, PAUSE, command, finish, read_notes, table_of
from tests.cluster.test_submit import BIN, MARK, ROOT, end_all, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HEAD = "ray.head.default"  # the name that the stand-in for AWS gives it
HEAD_ID = "f" * 51 + "00000"
PROVIDER = {
    "type": "fake_multinode",
    "head_node_id": HEAD_ID,
    "use_node_id_as_ip": True,  # all have the same address
    "disable_node_updaters": True,  # nothing is to be installed
    "disable_launch_config_check": True,
}
KEPT = ("max_workers", "upscaling_speed", "idle_timeout_minutes")
EMPTY = {"file_mounts": {}, "cluster_synced_files": [], "auth": {}, "docker": {}, "initialization_commands": []}


def config_of(gcs: str) -> dict[str, object]:
    """cluster.yaml with processes for instances; types, sizes and limits are its own."""
    config = yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8"))
    types = {name: kind | {"node_config": {}} for name, kind in config["available_node_types"].items()}
    types[HEAD] = types.pop(config["head_node_type"])
    for kind in types.values():
        kind["resources"]["object_store_memory"] = 150 * 2**20
    commands = {name: [] for name in config if name.endswith("_commands")}
    return (
        {name: config[name] for name in KEPT}
        | EMPTY
        | commands
        | {
            "cluster_name": "parjob-test",
            "provider": PROVIDER | {"gcs_address": gcs},
            "available_node_types": types,
            "head_node_type": HEAD,
        }
    )


@pytest.fixture
def head(tmp_path: Path) -> Iterator[str]:
    """A head without workers, and its autoscaler; the address. What `ray up` leaves the head lies in its home."""
    home, notes, port = tmp_path / "home", tmp_path / "notes", free_port()
    home.mkdir()
    notes.mkdir()
    address = f"127.0.0.1:{port}"
    bootstrap = home / "ray_bootstrap_config.yaml"
    bootstrap.write_text(yaml.safe_dump(config_of(address)))
    short = Path(f"/tmp/p{uuid.uuid4().hex[:6]}")  # sockets have short names
    environment = os.environ | {MARK: str(home), NOTES: str(notes), PAUSE: "0", "HOME": str(home)}
    environment |= {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_AUTH_MODE": "disabled"}
    start = [BIN / "ray", "start", "--head", f"--port={port}", f"--autoscaling-config={bootstrap}", "--num-cpus=0"]
    start += [f"--temp-dir={short}", "--include-dashboard=false"]
    start += ["--object-store-memory=200000000", "--disable-usage-stats"]
    try:
        said = subprocess.run(start, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
        assert said.returncode == 0, said.stderr
        yield address
    finally:
        end_all(str(home))
        shutil.rmtree(short, ignore_errors=True)


def test_a_job_starts_the_workers_that_it_needs(
    head: str, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No device is named and no GPU is there: the job asks for one, decodes beside it or elsewhere, and ends."""
    manifest = write_archive(tmp_path / "archive")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    asked = ("--decode-workers", 2, "--model-actors", "1:1")
    job = subprocess.Popen(
        command(head, manifest, tiny_weights, tmp_path / "out", *asked), stderr=subprocess.PIPE, text=True
    )
    said = finish(job)
    assert "up to 2 decode workers, up to 1 model actors on GPU" in said
    assert "no live node has a GPU: waiting for the cluster to start one" in said
    notes = read_notes(tmp_path / "notes")
    assert [(note.node_type, note.gpus) for note in notes if note.stage == "model"] == [("gpu", 1)]
    assert {note.node_type for note in notes if note.stage == "decode"} <= {"gpu", "decode"}
    assert len(table_of(tmp_path / "out")) == 10
