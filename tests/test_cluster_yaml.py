"""cluster.yaml passes Ray's own validation, and says what the jobs need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_ray_takes_it(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


def test_workers_start_from_zero_and_the_head_runs_no_stage(cluster: dict[str, Any]) -> None:
    types = cluster["available_node_types"]
    assert types[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    workers = {name: kind for name, kind in types.items() if name != cluster["head_node_type"]}
    assert {kind["min_workers"] for kind in workers.values()} == {0}
    assert any(kind["resources"].get("GPU") for kind in workers.values())
    assert any("GPU" not in kind["resources"] for kind in workers.values())


def test_nothing_lies_where_it_would_shadow_the_package(cluster: dict[str, Any]) -> None:
    assert not any(target.rstrip("/").endswith("/par_model") for target in cluster["file_mounts"])


def test_the_provider_knows_every_key(cluster: dict[str, Any]) -> None:
    """Ray passes what is below node_config on to EC2, and reads of provider what its own code names."""
    import botocore.session
    from botocore.validate import ParamValidator
    from ray.autoscaler._private import aws

    launch = botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    for name, kind in cluster["available_node_types"].items():
        whole = kind["node_config"] | {"MinCount": 1, "MaxCount": 1}
        assert not ParamValidator().validate(whole, launch).has_errors(), name
        assert kind["node_config"].keys() <= launch.members.keys(), name
    read = "".join(path.read_text(encoding="utf-8") for path in Path(aws.__path__[0]).glob("*.py"))
    assert all(f'"{key}"' in read for key in cluster["provider"] if key != "type")
