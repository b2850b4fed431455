"""Pedestrian attributes from video archives: tracklet manifests in, a Parquet table out.

The names in ``__all__`` are the public interface, stable within a minor version. Each is imported when it is first
used, so that ``import par_model`` itself loads nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from par_model.api import (
        apply_answers,
        check_manifest,
        choose_tracklets,
        evaluate,
        infer,
        read_crops,
        read_tracklets,
        recognise,
        track,
    )
    from par_model.attributes import AttributeSchema, load_schema
    from par_model.errors import ParError
    from par_model.manifest import Manifest, write_manifest
    from par_model.model.stage import RecogniseStage
    from par_model.model.weights import load_weights
    from par_model.types import Failure, RawCrops, Tracklet

__version__ = "0.2.0"

_MODULES = {
    "AttributeSchema": "attributes",
    "Failure": "types",
    "Manifest": "manifest",
    "ParError": "errors",
    "RawCrops": "types",
    "RecogniseStage": "model.stage",
    "Tracklet": "types",
    "apply_answers": "api",
    "check_manifest": "api",
    "choose_tracklets": "api",
    "evaluate": "api",
    "infer": "api",
    "load_schema": "attributes",
    "load_weights": "model.weights",
    "read_crops": "api",
    "read_tracklets": "api",
    "recognise": "api",
    "track": "api",
    "write_manifest": "manifest",
}

__all__ = [
    "AttributeSchema",
    "Failure",
    "Manifest",
    "ParError",
    "RawCrops",
    "RecogniseStage",
    "Tracklet",
    "apply_answers",
    "check_manifest",
    "choose_tracklets",
    "evaluate",
    "infer",
    "load_schema",
    "load_weights",
    "read_crops",
    "read_tracklets",
    "recognise",
    "track",
    "write_manifest",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
