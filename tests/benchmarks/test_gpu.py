"""The benchmark of the GPU, each part on a small network and this machine's CPU: what it counts and what it checks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmarks import gpu, released
from benchmarks.gpu_candidates import candidates_table, measure_candidates
from benchmarks.gpu_clock import Measured, measure, measure_ceilings
from benchmarks.gpu_forward import Forward, aim_line, forward_table, measure_forward
from benchmarks.gpu_networks import NETWORKS, Check, apart, network_config, random_crops
from benchmarks.gpu_profile import measure_profile, profile_tables
from benchmarks.gpu_released import FLOAT32, HALF, Step, golden_checks, measure_released, released_tables
from benchmarks.gpu_training import measure_training, training_table
from par_model.attributes import load_schema
from par_model.model.config import RecogniserConfig
from par_model.model.cost import flops
from tests.tiny import TINY_BACKBONE, tiny_config

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def config() -> RecogniserConfig:
    """Small, yet of widths and heads that the released code has."""
    backbone = replace(TINY_BACKBONE, heads=1)
    widths = dict.fromkeys(("spatial_width", "temporal_width", "fusion_width"), 144)
    return tiny_config(load_schema("street").num_classes, backbone, **widths)


@pytest.fixture
def shallow() -> RecogniserConfig:
    """Less of everything, where the released code does not run beside it."""
    pairs = ((0, 0), (2, 1))
    return tiny_config(load_schema("street").num_classes, frames=2, depth=2, spatial_map=pairs, temporal_map=pairs)


def test_the_networks_are_those_of_clip() -> None:
    base, large = (network_config(name) for name in NETWORKS)
    assert (base.backbone.num_patches, large.backbone.num_patches) == (196, 256)
    assert (max(base.layers_read), max(large.layers_read)) == (11, 22)
    assert (base.num_classes, base.frames) == (43, 6)
    # The work of the towers alone: per block 2 x 12 width^2 for each token, and 4 width x tokens of attention.
    assert flops(base) > 6 * 11 * 197 * (24 * 768**2 + 4 * 768 * 197)
    assert flops(large) > 6 * 22 * 257 * (24 * 1024**2 + 4 * 1024 * 257)


def test_crops_differ_from_tracklet_to_tracklet(config: RecogniserConfig) -> None:
    crops = random_crops(config, 3, frames=2)
    assert crops.shape == (3, 2, 64, 32, 3)
    assert crops.dtype == np.uint8
    means = crops.reshape(3, -1, 3).mean(axis=1)
    assert min(np.abs(a - b).max() for a, b in pairwise(means)) > 0.5


def test_time_is_the_median_of_the_calls_that_count() -> None:
    calls: list[int] = []
    measured = measure(lambda: calls.append(1), CPU, seconds=0, warm=2, least=7)
    assert (len(calls), measured.calls, measured.peak_bytes) == (9, 7, 0)
    assert 0 < measured.seconds < 0.01


def test_ceilings() -> None:
    found = measure_ceilings(CPU, side=64, num_bytes=1 << 16, host_bytes=1 << 12, seconds=0)
    assert min(vars(found).values()) > 0
    assert found.table().count("\n") == 7


def test_forward_counts_the_work_of_the_network_and_compares_with_float32(config: RecogniserConfig) -> None:
    found, checks = measure_forward(config, CPU, batches=[1, 3], modes=["eager", "graphs"], one_batch=64, seconds=0)
    assert [(one.mode, one.batch) for one in found] == [("eager", 1), ("eager", 3)]
    assert len(checks) == 2
    assert all(check.holds for check in checks), checks
    assert all(0 < one.apart < 5e-3 for one in found), "bf16 is near float32 and not the same"


def test_shares_are_of_the_ceiling_and_out_of_memory_is_a_row(config: RecogniserConfig) -> None:
    config = replace(config, backbone=replace(config.backbone, name="ViT-B-16"))
    fast, slow = Measured(0.5, 0.01, 2**31, 5, 0.5), Measured(2.0, 0.01, 2**31, 5, 2.0)
    found = [
        Forward("eager", 64, slow, 1e-3),
        Forward("graphs", 64, fast, 1e-3),
        Forward("eager", 256, None, 0.0),
    ]
    ceiling = 128.0 * flops(config) / 0.75
    lines = forward_table(config, found, ceiling).splitlines()[2:]
    assert [line.split(" | ")[2:5:2] for line in lines[:2]] == [["32", "18.8 %"], ["128", "75.0 %"]]
    assert "2.0 GiB" in lines[0]
    assert "out of memory" in lines[2]
    assert aim_line(config, found, ceiling) == "Batch 64: 75.0 % of the ceiling (graphs); aim 50 %: met."
    assert "aim 50 %: MISSED" in aim_line(config, found[:1], ceiling)


def test_a_check_that_fails_or_is_no_number_is_broken() -> None:
    assert Check("a", 1e-4, 5e-3).row == ["a", "1.0e-04", "<= 5e-03: holds"]
    assert "BROKEN" in Check("a", 6e-3, 5e-3).row[2]
    assert not Check("a", float("nan"), 5e-3).holds
    assert apart(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.5], [9.0, 9.0]])) == 0.5
    assert np.isnan(apart(torch.tensor([float("nan"), 1.0]), torch.ones(2)))
    with pytest.raises(ValueError, match="shapes"):
        apart(torch.ones(2, 1), torch.ones(2, 3))


def test_the_released_way_step_by_step_to_ours(config: RecogniserConfig) -> None:
    found, checks = measure_released(
        config, CPU, text_tower=(16, 1), batch=2, modes=["eager"], seconds=0, vocabulary=50
    )
    names = [[step.name for step in steps] for steps in found.values()]
    assert list(found) == [FLOAT32, HALF]
    assert [len(steps) for steps in names] == [5, 4]
    assert {steps[-1] for steps in names} == {"ours, bf16, eager"}
    assert all(check.holds for check in checks), checks
    assert found[FLOAT32][0].apart == 0
    assert found[HALF][0].apart > 0, "half precision is another computation"
    assert found[HALF][1].apart == found[HALF][2].apart, "cached texts and block 12 change no score"


def test_what_ours_gains_is_told_against_both_baselines() -> None:
    def steps(*seconds: float) -> list[Step]:
        names = ["as released", "text cached", "ours, bf16, eager", "ours, bf16, graphs"]
        return [Step(n, 64, Measured(s, 0, 0, 5, s), 0) for n, s in zip(names, seconds, strict=True)]

    text = released_tables({FLOAT32: steps(4, 2, 0.4, 0.1), HALF: steps(0.5, 0.4, 0.4, 0.2)})
    assert f"ours, bf16, graphs against the {FLOAT32}: 40.0x, aim 20x: met; with its text features cached: 20.0x." in (
        text
    )
    assert f"the {HALF}: 2.5x, aim 3x: MISSED; with its text features cached: 2.0x." in text
    assert "| text cached | 32.0 | 2.00x | 2.00x |" in text


def test_half_precision_leaves_norms_and_token_ids() -> None:
    clip = {"ln_final.weight": torch.ones(2), "visual.ln_pre.bias": torch.ones(2), "visual.proj": torch.ones(2, 2)}
    halved = released.half_precision(clip | {"ids": torch.ones(2, dtype=torch.long)})
    assert {name: t.dtype for name, t in halved.items()} == {
        "ln_final.weight": torch.float32,
        "visual.ln_pre.bias": torch.float32,
        "visual.proj": torch.float16,
        "ids": torch.int64,
    }


@pytest.mark.slow
def test_the_released_way_gives_the_golden_numbers() -> None:
    checks = golden_checks(CPU, "default")
    assert next(check.what for check in checks) == "golden default, logits"
    assert all(check.holds for check in checks), checks
    assert len(checks) == 2


def test_where_the_time_goes(shallow: RecogniserConfig) -> None:
    found, checks = measure_profile(shallow, CPU, schema="street", batch=2, compiled=False, seconds=0)
    assert all(check.holds for check in checks), checks
    assert checks[0].value > 0
    assert list(found.parts) == ["backbone", "spatial", "temporal", "fusion", "between", "whole"]
    assert min(found.parts.values()) > 0
    assert next(iter(found.stage)) == "stacking the crops, upload"
    assert found.stage["the whole stage"] > found.stage["stacking the crops, upload"]
    spent = [seconds for _, seconds, _ in found.kernels]
    assert spent == sorted(spent, reverse=True)
    assert "aten::addmm" in {name for name, _, _ in found.kernels}
    assert found.busy > 0
    assert "| whole |" in profile_tables(found)


def test_candidates_compute_the_same(shallow: RecogniserConfig) -> None:
    found, checks = measure_candidates(shallow, CPU, batch=2, seconds=0)
    assert (len(found), len(checks)) == (2, 2)
    assert all(check.holds for check in checks), checks
    assert all(one.now_off and one.other_off for one in found), "both ways round, so neither is without error"
    assert found[1].now_off == found[1].other_off, "how crops are uploaded changes no score"
    assert candidates_table(found, 2).count("\n") == 3


def test_training_from_memory_and_through_the_reader(shallow: RecogniserConfig) -> None:
    ways = [("side", "bf16", False), ("full", "bf16", False)]
    found, reader, checks = measure_training(shallow, CPU, schema="street", batch=2, ways=ways, seconds=0)  # type: ignore[arg-type]
    assert [(one.tune, one.precision, one.compiled) for one in found] == ways
    assert all(one.measured.seconds > 0 and one.fed.seconds > 0 for one in found)
    assert reader > 0
    assert all(check.holds for check in checks), checks
    assert min(check.value for check in checks) > 0
    assert "| full | bf16 | no |" in training_table(found, reader)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--parts", "forward"])
    assert gpu.main() == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "no GPU" in captured.err


def test_it_needs_no_more_than_it_says() -> None:
    """A GPU machine's own torch, and a few small packages."""
    absent = [
        "ray",
        "open_clip",
        "av",
        "decord",
        "duckdb",
        "click",
        "s3fs",
        "matplotlib",
        "tensorboard",
        "jinja2",
        "timm",
        "torchvision",
    ]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}));"
        "import benchmarks.gpu, benchmarks.gpu_training, tests.released_weights"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
