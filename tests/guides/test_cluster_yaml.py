"""cluster.yaml passes Ray's own validation, and says what the jobs need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


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


def test_credentials_are_the_instance_role_alone(cluster: dict[str, Any]) -> None:
    for name, kind in cluster["available_node_types"].items():
        assert kind["node_config"]["IamInstanceProfile"]["Name"], name
        assert {"instance", "volume"} == {tags["ResourceType"] for tags in kind["node_config"]["TagSpecifications"]}
    text = (ROOT / "cluster.yaml").read_text(encoding="utf-8").lower()
    assert "aws_" not in text
    assert ".aws" not in text


def test_the_object_store_holds_what_the_decode_workers_have_on_their_way(cluster: dict[str, Any]) -> None:
    """Two blocks that a worker has made and two that are passed on, all of the largest size."""
    from ray.data import DataContext

    from par_model.cluster.inference import BLOCK_BYTES

    (store,) = re.findall(r"--object-store-memory=(\d+)", " ".join(cluster["worker_start_ray_commands"]))
    most = max(kind["resources"]["CPU"] for kind in cluster["available_node_types"].values())
    made = DataContext.get_current()._max_num_blocks_in_streaming_gen_buffer
    assert most * 2 * made * BLOCK_BYTES <= int(store) / 2


def test_every_setting_is_an_option_of_its_command(cluster: dict[str, Any]) -> None:
    from par_model.cli.infer import infer
    from par_model.cli.train import train

    known = {
        f"PARJOB_{command.name}_{name[2:]}".upper().replace("-", "_")
        for command in (infer, train)
        for option in command.params
        for name in option.opts
    }
    lines = cluster["head_setup_commands"][0]
    settings = re.findall(r"export (PARJOB_\w+)=", lines)
    assert {"PARJOB_INFER_MANIFEST", "PARJOB_TRAIN_MANIFEST"} <= set(settings) <= known
    assert lines.count("CHANGE-ME") == sum("s3://" in line for line in lines.splitlines())


def test_the_image_has_the_ray_that_the_tests_ran_with(cluster: dict[str, Any]) -> None:
    import ray

    assert f":{ray.__version__}-py3" in cluster["docker"]["image"]
