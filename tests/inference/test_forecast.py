"""The arithmetic of `parjob plan`, by hand and by what must always hold."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model.choices import DECODE_BUDGET
from par_model.errors import OutputError, UsageError
from par_model.inference.forecast import Measured, cpu_nodes_for, cpus_per_gpu, forecast
from par_model.inference.plan_options import Nodes

# A GPU takes 20 tracklets a second, a CPU decodes half a one: 40 CPUs decode for a GPU.
GPU = Measured(1000, "cuda", decode_seconds=2.0, model_seconds=0.05, frames_decoded=90.0, bytes_read=3e6)
CPU = replace(GPU, device="cpu", model_seconds=6.0)
NODES = Nodes(gpus=1, gpu_node_cpus=16, cpu_node_cpus=16, gpu_node_price=1.5, cpu_node_price=0.5)


def test_a_million_tracklets_by_hand() -> None:
    """Eight GPUs want 320 CPUs; 128 are beside them, so 192 are missing: twelve nodes. 160 tracklets a second."""
    found = forecast(1_000_000, 40.0, GPU, NODES, count=8, efficiency=0.8)
    assert (found.gpu_nodes, found.cpu_nodes) == (8, 12)
    assert found.frames == 40_000_000
    assert found.frames_decoded == 90_000_000
    assert found.bytes_read == 3 * 10**12
    assert found.cpu_hours == pytest.approx(555.5556, abs=1e-3)
    assert found.gpu_hours == pytest.approx(13.88889, abs=1e-4)
    assert found.driver_hours == pytest.approx(7 / 3600)
    assert found.hours == pytest.approx(1_000_000 / (0.8 * 160) / 3600 + 7 / 3600)
    assert found.cost == pytest.approx(found.hours * (8 * 1.5 + 12 * 0.5))


def test_what_decodes_slowly_beside_enough_cpus_needs_no_cpu_nodes() -> None:
    slow = replace(GPU, model_seconds=0.5)  # four CPUs for a GPU
    assert cpus_per_gpu(slow) == pytest.approx(4)
    found = forecast(3600, 1.0, slow, NODES, count=2, efficiency=1.0)
    assert (found.gpu_nodes, found.cpu_nodes) == (2, 0)
    assert found.hours == pytest.approx(0.25 + 0.0252 / 3600)


def test_without_gpus_both_stages_are_on_cpus() -> None:
    found = forecast(7200, 1.0, CPU, NODES, count=1, efficiency=1.0)
    assert (found.gpu_nodes, found.cpu_nodes, found.gpu_hours) == (0, 1, 0.0)
    assert found.cpu_hours == pytest.approx(16.0)  # 8 s for each
    assert found.hours == pytest.approx(1.0 + 0.0504 / 3600)
    assert found.cost == pytest.approx(0.5 * found.hours)


def test_a_billion_in_a_month() -> None:
    """720 hours less 1.9 of the driver's own: 455.1 tracklets a second of the slower stage, 20 of each GPU."""
    found = forecast(10**9, 40.0, GPU, NODES, hours=720, efficiency=0.85)
    assert found.driver_hours == pytest.approx(1.944, abs=0.001)
    assert found.gpu_nodes == math.ceil(455.1 / 20) == 23
    assert found.cpu_nodes == 35
    assert found.hours <= 720


def test_a_missing_price_is_no_price() -> None:
    without = replace(NODES, cpu_node_price=None)
    assert forecast(100, 1.0, GPU, without, count=8).cost is None
    assert forecast(100, 1.0, replace(GPU, decode_seconds=0.01), without, count=8).cost is not None  # no CPU nodes


MEASURED = st.builds(
    Measured,
    tracklets=st.just(200),
    device=st.sampled_from(["cpu", "cuda"]),
    decode_seconds=st.floats(1e-3, 100),
    model_seconds=st.floats(1e-4, 100),
    frames_decoded=st.floats(1, 1e4),
    bytes_read=st.floats(1, 1e9),
)
KINDS = st.builds(
    Nodes,
    gpus=st.integers(1, 8),
    gpu_node_cpus=st.integers(0, 128),
    cpu_node_cpus=st.integers(1, 128),
    gpu_node_price=st.floats(0, 100),
    cpu_node_price=st.floats(0, 100),
)
SIZES = st.integers(1, 10**9)


@given(MEASURED, KINDS, st.integers(1, 1000))
def test_no_gpu_waits_and_one_cpu_node_less_would_make_it_wait(measured: Measured, nodes: Nodes, count: int) -> None:
    if measured.device == "cpu":
        return
    extra = cpu_nodes_for(count, measured, nodes)
    gpus = count * nodes.gpus / measured.model_seconds
    at_most = count * nodes.gpu_node_cpus + extra * nodes.cpu_node_cpus
    assert at_most / measured.decode_seconds >= gpus * (1 - 1e-6)
    if extra:
        assert (at_most - nodes.cpu_node_cpus) / measured.decode_seconds < gpus * (1 + 1e-6)


@given(SIZES, MEASURED, KINDS, st.integers(1, 500))
def test_more_nodes_are_never_slower_and_work_does_not_depend_on_them(
    size: int, measured: Measured, nodes: Nodes, count: int
) -> None:
    few, many = (forecast(size, 30.0, measured, nodes, count=n) for n in (count, 2 * count))
    assert many.hours <= few.hours * (1 + 1e-9)
    assert few.hours > few.driver_hours
    assert (few.cpu_hours, few.gpu_hours, few.bytes_read) == (many.cpu_hours, many.gpu_hours, many.bytes_read)
    assert few.cost is not None
    assert few.cost >= 0


@given(st.integers(1, 10**6), MEASURED, KINDS, st.floats(10, 1000))
def test_hours_are_kept_by_the_fewest_nodes(size: int, measured: Measured, nodes: Nodes, hours: float) -> None:
    found = forecast(size, 30.0, measured, nodes, hours=hours)
    assert found.hours <= hours * (1 + 1e-9)
    count = found.cpu_nodes if measured.device == "cpu" else found.gpu_nodes
    if count > 1:
        assert forecast(size, 30.0, measured, nodes, count=count - 1).hours > hours * (1 - 1e-9)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"count": 0}, "--nodes is 0"),
        ({"count": 1, "hours": 1.0}, "give one of them"),
        ({}, "give one of them"),
        ({"hours": math.nan}, "--hours is nan"),
        ({"hours": 1e-9}, "takes .* hours by itself"),
        ({"hours": 1000 * 7e-6 / 3600 + 1e-9}, "more than 100000 nodes"),
        ({"count": 1, "efficiency": 0.0}, "--efficiency is 0.0"),
        ({"count": 1, "efficiency": 1.5}, "--efficiency is 1.5"),
    ],
)
def test_values_that_make_no_sense(asked: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        forecast(1000, 1.0, GPU, NODES, **asked)  # type: ignore[arg-type]


def test_a_run_that_measured_nothing() -> None:
    stages = {"tracklets": 0, "decode": {"busy_seconds": 0.0, "frames_decoded": 0, "bytes_read": 0}}
    stages["model"] = {"busy_seconds": 0.0}
    run = {"stages": stages, "options": {"device": "cpu"}, "counts": {"status": {"ok": 3, "failed": 1}}}
    with pytest.raises(OutputError, match="measured nothing"):
        Measured.of_run(run, "out/run.json")
    stages |= {"tracklets": 4, "model": {"busy_seconds": 2.0}}
    for decode in (0.0, math.nan, math.inf):
        stages["decode"]["busy_seconds"] = decode
        with pytest.raises(OutputError, match="measured nothing"):
            Measured.of_run(run, "out/run.json")
    stages["decode"]["busy_seconds"] = 6.0
    assert Measured.of_run(run, "out/run.json") == Measured(4, "cpu", 1.5, 0.5, 0.0, 0.0, failed=0.25)
    with pytest.raises(OutputError, match="4 tracklets in its last run, 0 of its table"):
        Measured.of_run(run | {"counts": {"status": {"ok": 0, "failed": 4}}}, "out/run.json")
    with pytest.raises(OutputError, match=r"out/run\.json is not the run\.json of parjob infer"):
        Measured.of_run({"epochs": 3}, "out/run.json")


def test_what_sampling_by_cost_would_have_measured_by_hand() -> None:
    """Six crops of 0.7 ms stay; a quarter of the rest of two seconds is left, and 8 % of the frames."""
    known = replace(GPU, crops=6, cheap_frames_share=0.08, cheap_time_share=0.25)
    found = known.by_cost(DECODE_BUDGET)
    assert (found.sampling, found.decode_budget) == ("cheap", DECODE_BUDGET)
    assert found.decode_seconds == pytest.approx(0.0042 + 0.25 * (2.0 - 0.0042))
    assert (found.frames_decoded, found.model_seconds) == (pytest.approx(7.2), 0.05)
    assert replace(known, decode_seconds=0.001).by_cost(DECODE_BUDGET).decode_seconds == 0.001
    with pytest.raises(UsageError, match="does not tell what it would cost"):
        GPU.by_cost(DECODE_BUDGET)
    with pytest.raises(UsageError, match="sampled all, does not tell"):
        replace(known, sampling="all").by_cost(DECODE_BUDGET)
    with pytest.raises(UsageError, match=rf"--decode-budget 0.3: the run of --run tells of {DECODE_BUDGET}; run a"):
        known.by_cost(0.3)
