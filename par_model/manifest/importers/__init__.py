"""Manifests out of what other tools write."""
