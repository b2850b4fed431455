"""What is taken from Ray that Ray does not promise to keep: all of it is here, so that another Ray is met in one file.

Public Ray asks a head only by joining, and has no question for what a cluster may grow to. Seen with Ray 2.60.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ray._private import services
from ray._private.gcs_utils import create_gcs_channel
from ray._private.state import state
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

if TYPE_CHECKING:
    import ray.data

__all__ = ["cluster_limits", "create_gcs_channel", "gcs_service_pb2", "gcs_service_pb2_grpc", "services"]


def cluster_limits() -> dict[str, float] | None:
    """The resources that the connected cluster may grow to, None where its configuration does not say."""
    found = state.get_max_resources_from_cluster_config()
    return None if found is None else dict(found)


def blocks_of(graph: ray.data.Dataset) -> Iterator[tuple[Any, int, int]]:
    """References to a graph's blocks as they come out of it, each with its rows and bytes. The blocks stay where they
    are: Ray Data's public iterators bring them here."""
    for bundle in graph.iter_internal_ref_bundles():
        for entry in bundle.blocks:
            yield entry.ref, entry.metadata.num_rows or 0, entry.metadata.size_bytes or 0
