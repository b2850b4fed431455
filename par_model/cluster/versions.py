"""The same versions on every machine of a cluster: a table made by two of them could not be made again.

Nodes that are there when a job starts are asked before any work. A node that joins later is looked at by the first
stage that starts on it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from par_model.errors import ClusterError
from par_model.runs.record import versions

Versions = Mapping[str, str]

_PATIENCE_SECONDS = 120.0
_NODES_NAMED = 3
# Has no build for every processor; where it is missing, `--decoder decord` says so itself.
_MAY_BE_MISSING = ("decord",)


def versions_here() -> dict[str, str]:
    """Of this machine: Python, the package, and the libraries that its results depend on."""
    return {"python": platform.python_version()} | versions()


def refuse_other_nodes() -> None:
    """Raises ClusterError if a live node of the connected cluster has other versions than this process."""
    expected = versions_here()
    asked = {
        node["NodeManagerAddress"] + f" ({node['NodeID'][:8]})": _ask(node["NodeID"], tuple(expected))
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    }
    answered, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=_PATIENCE_SECONDS)
    found = {}
    for name, reference in asked.items():
        if reference in answered:
            try:
                found[name] = ray.get(reference)
            except ray.exceptions.RayError:
                continue  # it has left meanwhile, or cannot start a worker: stages would not run there either
    refuse_other_versions(expected, found)


def refuse_other_node(expected: Versions) -> None:
    """In a worker: raises ClusterError if its machine has other versions than the process that the user started."""
    context = ray.get_runtime_context()
    address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    name = f"{address} ({context.get_node_id()[:8]})"
    refuse_other_versions(expected, {name: versions_here()})


def refuse_other_versions(expected: Versions, found: Mapping[str, Versions]) -> None:
    """expected: of this process. found: by node. Builds (``2.9.0+cpu``) of one version are the same version.

    Raises ClusterError that names nodes, versions and what to do.
    """
    complaints = []
    for node, theirs in found.items():
        differing = [
            f"{name} {theirs.get(name, 'not installed')} (here {version})"
            for name, version in expected.items()
            if _public(theirs.get(name)) != _public(version) and not (name in _MAY_BE_MISSING and name not in theirs)
        ]
        if differing:
            complaints.append(f"node {node} has {', '.join(differing)}")
    if complaints:
        more = len(complaints) - _NODES_NAMED
        others = [f"and {more} more nodes differ"] if more > 0 else []
        raise ClusterError(
            f"{'; '.join([*complaints[:_NODES_NAMED], *others])}: install the same versions on every node (on a "
            "cluster of `ray up`, run that again), then run the same command again"
        )


def _public(version: str | None) -> str | None:
    return None if version is None else version.partition("+")[0]


def _ask(node_id: str, names: tuple[str, ...]) -> Any:
    here = NodeAffinitySchedulingStrategy(node_id, soft=False)
    task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=here)(_by_value())  # type: ignore[call-overload]
    return task.remote(names)


def _by_value() -> Callable[[tuple[str, ...]], dict[str, str]]:
    """A function that travels as code: a node with another version of this package has no such function to import."""

    def installed(names: tuple[str, ...]) -> dict[str, str]:
        import importlib
        import platform
        from importlib import metadata

        found = {"python": platform.python_version()}
        for name in names:
            try:
                if name == "par_model":  # as it would be imported: metadata may be those of another copy
                    found[name] = importlib.import_module(name).__version__
                elif name != "python":
                    found[name] = metadata.version(name)
            except (ImportError, AttributeError):
                continue
        return found

    return installed
