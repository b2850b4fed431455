"""The options of commands that read a manifest, and of those that write one."""

from __future__ import annotations

from typing import Any

from par_model.options import option, required


def manifest_option() -> Any:
    """The field of a dataclass that names the manifest to read."""
    return option(required, "Manifest of tracklets: a Parquet file, a folder or a quoted pattern.", metavar="URI")


def output_manifest_option() -> Any:
    """The field of a dataclass that names the manifest to write."""
    return option(required, "The manifest to write, a Parquet file; one that is there is replaced.", metavar="URI")
