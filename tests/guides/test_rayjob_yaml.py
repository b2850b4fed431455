"""deploy/rayjob.yaml: fields that KubeRay and Kubernetes know, settings that the command knows."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]

# By the Go types of KubeRay's ray.io/v1 and Kubernetes' core/v1: the fields of each thing that the manifest has, by
# the path to it. A star stands for each item of a list.
KNOWN = {
    "": "apiVersion kind metadata spec",
    "metadata": "name namespace labels annotations",
    "spec": "activeDeadlineSeconds backoffLimit rayClusterSpec submitterPodTemplate metadata clusterSelector "
    "submitterConfig managedBy deletionStrategy entrypoint runtimeEnvYAML jobId submissionMode entrypointResources "
    "entrypointNumCpus entrypointNumGpus ttlSecondsAfterFinished shutdownAfterJobFinishes suspend",
    "spec.rayClusterSpec": "headGroupSpec workerGroupSpecs rayVersion enableInTreeAutoscaling autoscalerOptions "
    "headServiceAnnotations suspend managedBy gcsFaultToleranceOptions authOptions",
    "spec.rayClusterSpec.autoscalerOptions": "resources image imagePullPolicy env envFrom volumeMounts securityContext "
    "idleTimeoutSeconds upscalingMode version",
    "spec.rayClusterSpec.headGroupSpec": "serviceType headService enableIngress rayStartParams template",
    "spec.rayClusterSpec.workerGroupSpecs.*": "groupName replicas minReplicas maxReplicas numOfHosts rayStartParams "
    "template scaleStrategy suspend idleTimeoutSeconds",
    "template": "metadata spec",
    "template.spec": "serviceAccountName containers initContainers volumes nodeSelector affinity tolerations "
    "securityContext imagePullSecrets priorityClassName terminationGracePeriodSeconds",
    "template.spec.containers.*": "name image imagePullPolicy command args env envFrom resources volumeMounts ports "
    "lifecycle securityContext",
    "template.spec.containers.*.env.*": "name value valueFrom",
    "template.spec.containers.*.resources": "requests limits",
    "template.spec.containers.*.volumeMounts.*": "name mountPath subPath readOnly",
    "template.spec.volumes.*": "name emptyDir persistentVolumeClaim hostPath",
    "template.spec.volumes.*.emptyDir": "medium sizeLimit",
    "template.spec.tolerations.*": "key operator value effect tolerationSeconds",
}
# Maps of names that the user chooses.
OPEN = ("rayStartParams", "requests", "limits")


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "deploy" / "rayjob.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def unknown(value: Any, path: str = "") -> list[str]:
    """Paths of fields that are in no list of KNOWN."""
    if isinstance(value, list):
        return [found for item in value for found in unknown(item, f"{path}.*")]
    if not isinstance(value, dict) or path.endswith(OPEN):
        return []
    _, template, below = path.partition("template")
    fields = KNOWN.get(template + below if template else path, "").split()
    found = [f"{path}.{name}" for name in value if name not in fields]
    return found + [deeper for name, item in value.items() for deeper in unknown(item, f"{path}.{name}".lstrip("."))]


def test_every_field_is_known(job: dict[str, Any]) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert unknown(job) == []
    assert unknown(job | {"spec": job["spec"] | {"entryPoint": "x"}}) == ["spec.entryPoint"]


def groups(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    return {"head": cluster["headGroupSpec"]} | {group["groupName"]: group for group in cluster["workerGroupSpecs"]}


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = group["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_names_that_must_agree_do(job: dict[str, Any]) -> None:
    import ray

    assert job["spec"]["rayClusterSpec"]["rayVersion"] == ray.__version__
    assert f"FROM rayproject/ray:{ray.__version__}-py3" in (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert len({container(group)["image"] for group in groups(job).values()}) == 1
    for name, group in groups(job).items():
        mounted = {mount["name"] for mount in container(group).get("volumeMounts", [])}
        assert mounted == {volume["name"] for volume in group["template"]["spec"].get("volumes", [])}, name
        assert all(isinstance(value, str) for value in group["rayStartParams"].values()), name
        assert all(isinstance(entry["value"], str) for entry in container(group)["env"]), name


def test_workers_start_from_zero_and_the_head_runs_no_stage(job: dict[str, Any]) -> None:
    found = groups(job)
    head = found.pop("head")
    assert head["rayStartParams"]["num-cpus"] == "0"
    for name, group in found.items():
        assert group["minReplicas"] == group["replicas"] == 0 < group["maxReplicas"], name
    with_gpus = [name for name, group in found.items() if "nvidia.com/gpu" in container(group)["resources"]["limits"]]
    assert with_gpus == ["gpu"]


def test_the_entrypoint_parses_with_the_settings_of_the_head(
    job: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from par_model.cli.infer import infer

    program, command, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert (program, command) == ("parjob", "infer")
    settings = {entry["name"]: entry["value"] for entry in container(groups(job)["head"])["env"]}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    options = infer.make_context("infer", arguments, auto_envvar_prefix="PARJOB_INFER").params
    assert options["manifest"] == settings["PARJOB_INFER_MANIFEST"]
    assert options["device"] == "cuda"
    taken = {param.envvar for param in infer.params}
    assert {name for name in settings if name.startswith("PARJOB_")} <= taken
