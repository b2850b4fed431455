"""Manifests: which tracklets there are. Reading, checking, writing and importing them."""

from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.manifest.write import write_manifest

__all__ = ["TRACKLET_COLUMNS", "Manifest", "refuse_ambiguous", "tracklets", "write_manifest"]
