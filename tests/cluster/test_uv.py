"""``uv run`` with a local Ray: workers are of the environment that the job runs in, and nothing is copied to them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_JOB = """
import json
from par_model.cluster.session import ray_session

with ray_session(None):
    import ray

    @ray.remote
    def seen():
        import os, sys, par_model
        return [sys.prefix, os.getcwd(), par_model.__file__]
    answer = ray.get(seen.remote(), timeout=100)
print(json.dumps(answer))
"""
_LARGE = 600 << 20  # bytes; Ray refuses to send more than 512 MiB


@pytest.mark.slow
def test_a_large_folder_stays_where_it_is_and_workers_have_the_package(tmp_path: Path) -> None:
    import par_model

    uv = Path(sys.executable).with_name("uv")
    with open(tmp_path / "footage.mp4", "wb") as file:
        file.truncate(_LARGE)
    (tmp_path / "job.py").write_text(_JOB)
    package = str(Path(par_model.__file__).parent.parent)
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "PYTHONPATH": package, "UV_OFFLINE": "1"}
    environment.pop("RAY_ENABLE_UV_RUN_RUNTIME_ENV", None)
    done = subprocess.run(
        [uv, "run", "--no-project", "--active", "python", "job.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [sys.prefix, str(tmp_path), par_model.__file__]
