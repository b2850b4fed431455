"""`ray up`, `ray submit` and `ray job submit` with cluster.yaml as it is, on a cluster that is this machine.

Ray reaches its head through a real sshd on loopback, with a key and a home folder that live as long as the test.
Footage, weights and tables lie on S3. Of cluster.yaml only the provider, the login, the container, the user's settings
and what would meet another Ray of this machine are replaced.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from par_model import storage
from par_model.attributes import load_schema
from par_model.manifest.write import write_manifest
from tests.archive import assert_same_table, good_rows, write_clips
from tests.cli.test_infer import parjob

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
MARK = "PARJOB_TEST_HOME"  # in the environment of all that the head starts


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


@dataclass(frozen=True)
class Login:
    """A way into this machine. home: of who logs in. commands: a folder with the `ssh` that knows the port."""

    home: Path
    key: Path
    commands: Path


@pytest.fixture
def login(tmp_path: Path) -> Iterator[Login]:
    """An sshd on a free port, whose sessions live in a home folder of their own."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not (sshd and shutil.which("ssh") and shutil.which("rsync")):
        pytest.skip("needs sshd, ssh and rsync: Debian's openssh-server, openssh-client, rsync")
    found = Login(tmp_path / "home", tmp_path / "key", tmp_path / "commands")
    for folder in (found.home, found.commands):
        folder.mkdir()
    for name in ("key", "host"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    session = tmp_path / "session"
    session.write_text(
        f"#!/bin/bash\nexport HOME={found.home} {MARK}={found.home}\ncd\n"
        'exec /bin/bash -c "${SSH_ORIGINAL_COMMAND:-true}"\n'
    )
    session.chmod(0o755)
    port = free_port()
    (tmp_path / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path / 'host'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {tmp_path / 'key.pub'}\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        f"ForceCommand {session}\n"
    )
    (found.commands / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -p {port} "$@"\n')
    (found.commands / "ssh").chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where a root's sshd shuts parts of itself in
    with (tmp_path / "sshd.log").open("w") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", tmp_path / "sshd_config"], stderr=log)
    try:
        yield found
    finally:
        server.terminate()
        server.wait()
        end_all(str(found.home))


def end_all(home: str) -> None:
    """Kill what was started through the login, and nothing else; wait until it is gone."""
    killed = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get(MARK) == home:
                process.kill()
                killed.append(process)
    psutil.wait_procs(killed, timeout=30)


def cluster_yaml(login: Login, settings: dict[str, str], name: str, ports: dict[str, int]) -> dict[str, Any]:
    """cluster.yaml for this machine as head and no workers."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8"))
    for key in ("available_node_types", "head_node_type", "max_workers", "docker"):
        del config[key]
    config |= {
        "cluster_name": name,
        "provider": {"type": "local", "head_ip": "127.0.0.1", "worker_ips": []},
        "auth": {"ssh_user": getpass.getuser(), "ssh_private_key": str(login.key)},
    }
    first, *others = config["head_setup_commands"]
    lines = first.splitlines()
    given = [f"export {key}={shlex.quote(value)}" for key, value in settings.items()]
    kept = [line for line in lines if not any(f"export {key}=" in line for key in settings)]
    config["head_setup_commands"] = ["\n".join([*kept[:-1], *given, kept[-1], ""]), *others]
    # The package goes where nothing else looks; what it needs is in this environment already.
    (install,) = config["setup_commands"]
    config["setup_commands"] = [f"{install} --no-deps --target ~/site"]
    # `ray stop` would stop every Ray of this machine.
    _, start = config["head_start_ray_commands"]
    assert "--port=6379" in start
    start = start.replace("--port=6379", f"--port={ports['gcs']} --dashboard-port={ports['dashboard']} --num-cpus=2")
    start += f" --dashboard-agent-listen-port={ports['agent']}"  # another Ray of this machine has the usual one
    config["head_start_ray_commands"] = [f"{start} --temp-dir={settings['RAY_TMPDIR']}"]
    return config


@dataclass(frozen=True)
class Head:
    """A cluster of one machine."""

    checkout: Path
    environment: dict[str, str]
    dashboard: str
    bucket: str

    def ray(self, *command: object) -> str:
        """Run Ray's command line in the checkout, expect success, and return all that it said. Jobs wait for the agent
        that takes them, which may start later than all else."""
        deadline = time.monotonic() + 180
        while True:
            done = subprocess.run(
                [str(BIN / "ray"), *map(str, command)],
                cwd=self.checkout,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=420,
                check=False,
            )
            if "No available agent to submit job" not in done.stdout or time.monotonic() > deadline:
                break
            time.sleep(1)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def table(self, output: str) -> pa.Table:
        filesystem, path = storage.arrow_filesystem(f"{self.bucket}/{output}/attributes")
        return pq.read_table(path, filesystem=filesystem)


def labelled_rows(bucket: str) -> list[dict[str, Any]]:
    """Eight tracklets to train on, two to validate."""
    classes = load_schema("street").num_classes
    return [
        row | {"split": "val" if i < 2 else "train", "labels": [(i + c) % 2 for c in range(classes)]}
        for i, row in enumerate(good_rows(bucket))
    ]


@pytest.fixture
def head(login: Login, s3: Callable[[], str], tiny_weights: Path, tmp_path: Path) -> Iterator[Head]:
    """`ray up`, with a user's settings filled in."""
    bucket = s3()
    write_clips(tmp_path)
    for path in tmp_path.glob("*.mp4"):
        storage.write_bytes(f"{bucket}/{path.name}", path.read_bytes())
    storage.write_bytes(f"{bucket}/w.safetensors", tiny_weights.read_bytes())
    write_manifest(f"{bucket}/manifest.parquet", labelled_rows(bucket), label_schema=load_schema("street"))
    ports = {"gcs": free_port(), "dashboard": free_port(), "agent": free_port()}
    name, short = f"parjob-{uuid.uuid4().hex[:8]}", f"/tmp/p{uuid.uuid4().hex[:6]}"
    settings = {
        "PARJOB_INFER_MANIFEST": f"{bucket}/manifest.parquet",
        "PARJOB_INFER_WEIGHTS": f"{bucket}/w.safetensors",
        "PARJOB_INFER_OUTPUT": f"{bucket}/out",
        "PARJOB_TRAIN_MANIFEST": f"{bucket}/manifest.parquet",
        "PARJOB_TRAIN_WEIGHTS": f"{bucket}/w.safetensors",
        "PARJOB_TRAIN_OUTPUT": f"{bucket}/training",
        "PARJOB_TRAIN_EPOCHS": "1",
        "RAY_ADDRESS": f"127.0.0.1:{ports['gcs']}",
        "RAY_TMPDIR": short,  # sockets have short names
        "RAY_AUTH_MODE": "disabled",
    }
    settings |= {key: value for key, value in os.environ.items() if key.startswith(("AWS_", "PIP_"))}
    (login.home / ".bashrc").write_text(
        f"export PATH={BIN}:$PATH PYTHONPATH={login.home}/site\n"
        f"export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled\n"
    )
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "parjob-demo", "__pycache__", "tests"))
    (checkout / "cluster.yaml").write_text(yaml.safe_dump(cluster_yaml(login, settings, name, ports)))
    environment = os.environ | {
        "PATH": f"{login.commands}:{BIN}:{os.environ['PATH']}",
        "HOME": str(login.home),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }
    found = Head(checkout, environment, f"http://127.0.0.1:{ports['dashboard']}", bucket)
    try:
        found.ray("up", "--yes", "cluster.yaml")
        yield found
    finally:
        end_all(str(login.home))
        for left in (Path(f"/tmp/ray/cluster-{name}.state"), Path(f"/tmp/ray/cluster-{name}.lock")):
            left.unlink(missing_ok=True)
        shutil.rmtree(short, ignore_errors=True)


def test_the_owners_commands(head: Head, tmp_path: Path) -> None:
    """`ray submit cluster.yaml jobs/infer.py`, then with arguments, then as a job, then `parjob train --workers 8`."""
    alone = ("--manifest", f"{head.bucket}/manifest.parquet", "--weights", f"{head.bucket}/w.safetensors")
    assert parjob("infer", *alone, "--output", tmp_path / "alone", "--no-ray") == 0
    expected = pq.read_table(tmp_path / "alone" / "attributes")

    head.ray("submit", "cluster.yaml", "jobs/infer.py")
    assert_same_table(head.table("out"), expected)

    more = ("--output", f"{head.bucket}/two", "--limit", "3", "--no-ray")  # arguments alone: another graph costs time
    said = head.ray("submit", "cluster.yaml", "jobs/infer.py", "--", *more)
    assert len(head.table("two")) == 3, said
    head.ray(
        *("job", "submit", "--address", head.dashboard, "--working-dir", "jobs", "--"),
        *("python", "infer.py", "--output", f"{head.bucket}/a table", *alone),
    )
    assert_same_table(head.table("a table"), expected)

    said = head.ray("exec", "cluster.yaml", "parjob train --workers 8")
    assert "8 workers" in said
    assert storage.exists(f"{head.bucket}/training/best.safetensors")
    said = head.ray("submit", "cluster.yaml", "jobs/train.py")
    assert "nothing to do" in said
    evaluated = ("--predictions", f"{head.bucket}/out", "--output", f"{head.bucket}/scores", "--json")
    said = head.ray("submit", "cluster.yaml", "jobs/evaluate.py", "--", *alone[:2], *evaluated)
    assert '"macro_f1"' in said
