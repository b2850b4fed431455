"""One function over many items, in workers that may die."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from par_model.cluster.inference import ray_runner
from par_model.cluster.sizing import Resources
from par_model.cluster.spread import shares, spread
from par_model.cluster.tracking import tracking_runner
from par_model.errors import ClusterError, OutputError

pytestmark = pytest.mark.usefixtures("local_ray")


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def dies_once(folder: str, number: int) -> int:
    mark = Path(folder, str(number))
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuses(number: int) -> int:
    if number == 7:
        raise OutputError("there is no room for seven")
    return number


def always_dies(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_every_item_is_done_elsewhere_as_many_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("par_model.cluster.spread._MOST_WAITING", 5)
    done = list(spread(square, iter(range(20))))
    assert sorted(number for number, _ in done) == [n * n for n in range(20)]
    assert os.getpid() not in {process for _, process in done}
    assert list(spread(square, [])) == []


def test_an_item_whose_worker_died_is_done_again(tmp_path: Path) -> None:
    assert sorted(spread(partial(dies_once, str(tmp_path)), range(5))) == [0, 1, 2, 3, 4]
    assert (tmp_path / "3").exists()


def test_what_is_raised_on_purpose_comes_as_it_is() -> None:
    with pytest.raises(OutputError, match="no room for seven"):
        list(spread(refuses, range(10)))


def test_who_waits_for_a_worker_in_vain_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the nodes went that had a CPU."""
    monkeypatch.setattr("par_model.cluster.spread._PATIENCE_SECONDS", 0.2)
    with pytest.raises(ClusterError, match=r"no worker answered for 0.2 s: .*no CPU; the same command again goes on"):
        list(spread(time.sleep, [60.0]))


@pytest.mark.slow
def test_an_item_that_ends_every_worker_ends_the_job() -> None:
    with pytest.raises(ClusterError, match="again goes on from here"):
        list(spread(always_dies, range(1)))


def test_one_node_shares_its_files_and_any_number_what_is_not_local(tmp_path: Path) -> None:
    assert shares(str(tmp_path), may_grow=False)
    assert not shares(str(tmp_path), may_grow=True)
    assert shares("s3://bucket/out", may_grow=True)


@pytest.mark.parametrize("make", [ray_runner, tracking_runner])
@pytest.mark.parametrize("grows", [True, False])
def test_a_runner_knows_whether_nodes_may_join(
    make: Any, grows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as those of a cluster that is a head alone when the job begins: they have other disks."""
    found = Resources(live_cpus=2, live_gpus=0, most_cpus=2, most_gpus=0, grows=grows)
    monkeypatch.setattr(Resources, "of_cluster", lambda joined: found)
    with make(None, "cpu", 1, (1, 1)) as runner:
        assert runner.shares(str(tmp_path)) != grows
        assert runner.shares("s3://bucket/out")


def writes_on(folder: str, number: int) -> int:
    """The first refuses once others are at work, who write until they are stopped."""
    if number == 0:
        while len(list(Path(folder).iterdir())) < 2:
            time.sleep(0.01)
        raise OutputError("not this one")
    for at in range(10**6):
        Path(folder, f"{number}-{at % 50}").write_text("x")
    return number


def test_nobody_writes_any_more_once_a_refusal_is_raised(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="not this one"):
        list(spread(partial(writes_on, str(tmp_path)), range(6)))
    for path in tmp_path.iterdir():
        path.unlink()
    time.sleep(1)
    assert list(tmp_path.iterdir()) == []
