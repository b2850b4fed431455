"""Pedestrian attributes from video archives: tracklet manifests in, a Parquet table out."""

__version__ = "0.1.0"
