"""What readers of a catalog see: pyiceberg and deltalake, whatever lies in the folders."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from par_model.object_stores import object_store_options

ICEBERG = "iceberg"
DELTA = "delta"
BOTH = [ICEBERG, DELTA]


def catalog_of(kind: str) -> Any:
    """The catalog ``local`` of the fixture ``warehouse``, or the log in OUT."""
    if kind == ICEBERG:
        from par_model.catalogs.iceberg import Iceberg

        return Iceberg.named("local.street.attributes")
    from par_model.catalogs.delta import Delta

    return Delta()


def iceberg_catalog(options: dict[str, str] | None = None) -> Any:
    """options: of pyiceberg, beyond those of its configuration."""
    from pyiceberg.catalog import load_catalog

    return load_catalog("local", **(options or {}))


def iceberg_table(options: dict[str, str] | None = None) -> Any:
    """options: as of ``iceberg_catalog``."""
    return iceberg_catalog(options).load_table("street.attributes")


def delta_table(out: str) -> Any:
    from deltalake import DeltaTable

    return DeltaTable(out, storage_options=object_store_options(out))


def rows_in(kind: str, out: str) -> pa.Table:
    """All rows that the catalog's table has now, by id."""
    # As docs/catalogs.md says of S3.
    options = {"py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"} if out.startswith("s3://") else {}
    found = iceberg_table(options).scan().to_arrow() if kind == ICEBERG else delta_table(out).to_pyarrow_table()
    return found.sort_by("tracklet_id")


def snapshots(kind: str, out: str) -> int:
    """How many commits the catalog's table has."""
    return len(iceberg_table().history()) if kind == ICEBERG else delta_table(out).version() + 1
