"""Manifests to the files of other tools."""
