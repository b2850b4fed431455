"""Manifests: which tracklets there are. Reading, checking, writing and importing them.

Each name is imported when it is first used, since the options of importers lie below, and help must not load pyarrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from par_model.manifest.read import Manifest
    from par_model.manifest.refuse import refuse_ambiguous
    from par_model.manifest.tracklets import TRACKLET_COLUMNS
    from par_model.manifest.write import write_manifest

_MODULES = {
    "TRACKLET_COLUMNS": "tracklets",
    "Manifest": "read",
    "refuse_ambiguous": "refuse",
    "write_manifest": "write",
}

__all__ = ["TRACKLET_COLUMNS", "Manifest", "refuse_ambiguous", "write_manifest"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
