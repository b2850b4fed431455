"""Versions that differ between nodes: what the line says."""

from __future__ import annotations

import pytest

from par_model.cluster.versions import refuse_other_versions, versions_here
from par_model.errors import ClusterError

HERE = {"python": "3.12.1", "par_model": "0.1.0", "torch": "2.9.0+cu128", "decord": "0.6.0"}


def test_the_line_names_node_versions_and_what_to_do() -> None:
    with pytest.raises(ClusterError) as caught:
        refuse_other_versions(HERE, {"10.0.0.7": HERE | {"par_model": "0.0.9"}, "10.0.0.8": HERE})
    said = str(caught.value)
    assert said.startswith("node 10.0.0.7 has par_model 0.0.9 (here 0.1.0): install the same versions on every node")
    assert "`ray up`" in said
    assert "10.0.0.8" not in said


def test_what_is_missing_differs_too() -> None:
    without = {name: version for name, version in HERE.items() if name != "torch"}
    with pytest.raises(ClusterError, match=r"torch not installed \(here 2\.9\.0\+cu128\)"):
        refuse_other_versions(HERE, {"a": without})


def test_builds_and_a_second_reader_may_differ() -> None:
    refuse_other_versions(
        HERE, {"cpu": HERE | {"torch": "2.9.0+cpu"}, "arm": {n: v for n, v in HERE.items() if n != "decord"}}
    )
    with pytest.raises(ClusterError, match=r"decord 0\.5"):
        refuse_other_versions(HERE, {"old": HERE | {"decord": "0.5"}})


def test_many_nodes_are_counted() -> None:
    nodes = {f"n{i}": HERE | {"python": "3.11.9"} for i in range(9)}
    with pytest.raises(ClusterError, match=r"n2 has python 3\.11\.9 \(here 3\.12\.1\); and 6 more nodes differ:"):
        refuse_other_versions(HERE, nodes)


def test_here_is_what_runs_here() -> None:
    here = versions_here()
    refuse_other_versions(here, {"self": here})
    assert {"python", "par_model", "torch", "ray", "av", "pyarrow"} <= here.keys()
