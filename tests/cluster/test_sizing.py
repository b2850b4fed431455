import pytest

from par_model.cluster.sizing import (
    Pools,
    Resources,
    choose_pools,
    choose_tracking_pools,
    most_of_node_types,
    parse_model_actors,
)
from par_model.errors import ClusterError, UsageError
from par_model.model.device import choose_device

LAPTOP = Resources(live_cpus=2, live_gpus=0, most_cpus=2, most_gpus=0)
UNKNOWN = Resources(live_cpus=0, live_gpus=0, most_cpus=0, most_gpus=0, grows=True)
FROM_ZERO = Resources(live_cpus=4, live_gpus=0, most_cpus=100, most_gpus=8)


def test_auto_counts_gpus_that_the_cluster_may_still_start() -> None:
    assert choose_device("auto", has_gpu=FROM_ZERO.has_gpu) == "cuda"
    assert choose_device("auto", has_gpu=LAPTOP.has_gpu) == "cpu"
    assert choose_device("cpu", has_gpu=FROM_ZERO.has_gpu) == "cpu"
    assert choose_device("cuda", has_gpu=LAPTOP.has_gpu) == "cuda"


@pytest.mark.parametrize(
    ("resources", "may"),
    [
        (LAPTOP, False),
        (UNKNOWN, True),
        (FROM_ZERO, True),
        (Resources(100, 8, 100, 8), False),
        (Resources(100, 8, 100, 9), True),
    ],
)
def test_a_cluster_may_grow_that_has_less_than_it_may_have(resources: Resources, may: bool) -> None:
    assert resources.may_grow == may


@pytest.mark.parametrize(
    ("device", "resources", "decode_workers", "model_actors", "expected"),
    [
        ("cpu", LAPTOP, None, None, Pools("cpu", (1, 1), (1, 1))),
        ("cpu", Resources(16, 0, 16, 0), None, None, Pools("cpu", (1, 4), (1, 12))),
        ("cpu", Resources(16, 0, 16, 0), 6, None, Pools("cpu", (6, 6), (1, 10))),
        ("cpu", Resources(16, 0, 16, 0), None, (2, 4), Pools("cpu", (1, 12), (2, 4))),
        ("cuda", FROM_ZERO, None, None, Pools("cuda", (1, 100), (1, 8))),
        ("cuda", FROM_ZERO, 20, (4, 4), Pools("cuda", (20, 20), (4, 4))),
        ("cuda", LAPTOP, None, None, Pools("cuda", (1, 2), (1, 1))),
        ("cuda", UNKNOWN, None, None, Pools("cuda", (1, 1024), (1, 1024))),
        ("cuda", UNKNOWN, 32, (1, 8), Pools("cuda", (32, 32), (1, 8))),
        ("cpu", UNKNOWN, None, (1, 8), Pools("cpu", (1, 1016), (1, 8))),
    ],
)
def test_pools(device, resources, decode_workers, model_actors, expected) -> None:
    assert choose_pools(device, resources, decode_workers, model_actors) == expected


def test_sizes_that_can_never_fit_are_refused() -> None:
    with pytest.raises(ClusterError, match="need 3 CPUs, the cluster has at most 2"):
        choose_pools("cpu", LAPTOP, 1, (2, 2))


@pytest.mark.parametrize(("text", "sizes"), [(None, None), ("3", (3, 3)), ("1:8", (1, 8))])
def test_model_actors(text, sizes) -> None:
    assert parse_model_actors(text) == sizes


@pytest.mark.parametrize("text", ["0", "2:1", "x", "1:2:3", "", ":4"])
def test_model_actors_that_make_no_sense(text: str) -> None:
    with pytest.raises(UsageError, match="--model-actors"):
        parse_model_actors(text)


def test_the_node_types_of_ray_up_say_what_a_cluster_may_have() -> None:
    config = {
        "max_workers": 24,
        "head_node_type": "head",
        "available_node_types": {
            "head": {"resources": {"CPU": 4}, "max_workers": 0},
            "gpu": {"resources": {"CPU": 16, "GPU": 1}, "max_workers": 8},
            "decode": {"resources": {"CPU": 16}},
        },
    }
    assert most_of_node_types(config) == {"CPU": 4 + 8 * 16 + 24 * 16, "GPU": 8}
    assert most_of_node_types({}) == {}


@pytest.mark.parametrize(
    ("pools", "cpus", "lower_ends"),
    [
        (Pools("cpu", (1, 4), (1, 12)), 2, (1, 1)),
        (Pools("cpu", (1, 1), (3, 3)), 2, (1, 1)),
        (Pools("cpu", (2, 2), (2, 2)), 3, (1, 2)),
        (Pools("cpu", (4, 8), (12, 24)), 8, (2, 6)),
        (Pools("cpu", (6, 6), (1, 10)), 7, (6, 1)),
    ],
)
def test_pools_on_what_is_left_begin_smaller_and_may_grow_as_before(
    pools: Pools, cpus: int, lower_ends: tuple[int, int]
) -> None:
    left = pools.within(cpus)
    assert (left.decode[0], left.model[0]) == lower_ends
    assert (left.decode[1], left.model[1]) == (pools.decode[1], pools.model[1])


@pytest.mark.parametrize(
    ("device", "resources", "decode_workers", "model_actors", "expected"),
    [
        ("cpu", LAPTOP, None, None, Pools("cpu", (1, 1), (1, 2))),
        ("cpu", LAPTOP, None, (2, 2), Pools("cpu", (1, 1), (2, 2))),
        ("cpu", Resources(16, 0, 16, 0), None, None, Pools("cpu", (1, 4), (1, 16))),
        ("cpu", Resources(16, 0, 16, 0), 6, None, Pools("cpu", (6, 6), (1, 16))),
        ("cuda", FROM_ZERO, 20, (4, 4), Pools("cuda", (20, 20), (4, 4))),
    ],
)
def test_detectors_get_all_cpus(
    device: str,
    resources: Resources,
    decode_workers: int | None,
    model_actors: tuple[int, int] | None,
    expected: Pools,
) -> None:
    assert choose_tracking_pools(device, resources, decode_workers, model_actors) == expected  # type: ignore[arg-type]


def test_more_detectors_than_cpus_are_refused() -> None:
    with pytest.raises(ClusterError, match="at most 2: lower --model-actors"):
        choose_tracking_pools("cpu", LAPTOP, None, (3, 4))
