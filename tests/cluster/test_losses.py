"""When a graph is to begin anew."""

from __future__ import annotations

import pytest

from par_model.cluster.losses import Losses
from par_model.errors import NodesLostError


class World:
    """A clock, and a cluster."""

    now, cpus = 0.0, 4

    def wait(self, losses: Losses, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            losses.look()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def losses(world: World) -> Losses:
    return Losses(4, lambda: world.cpus, lambda: world.now)


def test_quiet_alone_is_no_loss_nor_are_nodes_that_join(world: World, losses: Losses) -> None:
    world.wait(losses, 1000)
    world.cpus = 8
    world.wait(losses, 1000)


def test_half_a_minute_without_an_outcome_after_a_loss(world: World, losses: Losses) -> None:
    world.wait(losses, 1000)
    world.cpus = 3
    world.wait(losses, 20)
    losses.heard()
    world.wait(losses, 28)
    with pytest.raises(NodesLostError, match="1 of 4 CPUs went, and nothing came out for 30 s"):
        world.wait(losses, 4)


def test_what_comes_back_in_time_was_not_lost_and_one_cpu_is_too_few_to_begin_on(world: World, losses: Losses) -> None:
    world.wait(losses, 10)
    world.cpus = 2
    world.wait(losses, 20)
    world.cpus = 4
    world.wait(losses, 100)
    world.cpus = 1
    world.wait(losses, 1000)
    world.cpus = 2
    world.wait(losses, 28)
    with pytest.raises(NodesLostError, match="2 of 4 CPUs"):
        world.wait(losses, 4)


def test_a_graph_that_wants_more_cpus_than_there_are_begins_smaller_if_nothing_comes_out(world: World) -> None:
    """A minute and a half after the last one joined; and never where the two that it takes at least are not there."""
    losses = Losses(5, lambda: world.cpus, lambda: world.now)
    world.cpus = 1
    world.wait(losses, 1000)
    world.cpus = 2
    world.wait(losses, 80)
    world.cpus = 4
    world.wait(losses, 88)
    with pytest.raises(NodesLostError, match="take 5 CPUs, 4 are there, and nothing came out for 90 s"):
        world.wait(losses, 4)


def test_a_graph_that_began_is_left_alone_though_it_wants_more(world: World) -> None:
    losses = Losses(5, lambda: world.cpus, lambda: world.now)
    world.wait(losses, 80)
    losses.heard()
    world.wait(losses, 1000)
