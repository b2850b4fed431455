"""How four tools open the table: by themselves, and told of its folders as docs/queries.md tells them.

Each reads some columns of all rows. pandas and Polars are read where they are installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from par_model import storage
from par_model.catalogs import sql_types
from par_model.catalogs.ddl import glob_escaped
from par_model.catalogs.finished_table import Layout
from par_model.object_stores import object_store_options

# Gives the columns; told: whether it is told which files there are and what the folders are named after.
Reader = Callable[[Layout, list[str], bool], pa.Table]


def _hive(layout: Layout) -> ds.Partitioning:
    return ds.partitioning(layout.partitions, flavor="hive")


def _paths(layout: Layout) -> list[str]:
    return [storage.arrow_filesystem(file.uri)[1] for file in layout.files]


def with_pandas(layout: Layout, columns: list[str], told: bool) -> pa.Table:
    """``pandas.read_parquet`` of the folder."""
    import pandas as pd

    fs, path = storage.filesystem(layout.folder)
    options: dict[str, Any] = {"partitioning": _hive(layout)} if told else {}
    source: Any = _paths(layout) if told and layout.is_listed else path
    frame = pd.read_parquet(source, columns=columns, filesystem=fs, **options)
    return pa.Table.from_pandas(frame, preserve_index=False)


def with_pyarrow(layout: Layout, columns: list[str], told: bool) -> pa.Table:
    """``pyarrow.parquet.read_table`` of the folder, or a dataset that is told."""
    fs, path = storage.arrow_filesystem(layout.folder)
    if not told:
        return pq.read_table(path, columns=columns, filesystem=fs)
    files = _paths(layout) if layout.is_listed else path
    dataset = ds.dataset(files, filesystem=fs, format="parquet", partitioning=_hive(layout), partition_base_dir=path)
    return dataset.to_table(columns)


def with_polars(layout: Layout, columns: list[str], told: bool) -> pa.Table:
    """``polars.scan_parquet`` of the folder."""
    import polars as pl

    options: dict[str, Any] = {"storage_options": object_store_options(layout.folder)}
    source: Any = f"{layout.folder}/"  # without the slash, an object of that name where it is remote
    if told:
        options |= {"hive_partitioning": len(layout.partitions) > 0, "glob": False}
        if len(layout.partitions):
            empty = pl.from_arrow(layout.partitions.empty_table())
            assert isinstance(empty, pl.DataFrame)
            options["hive_schema"] = empty.schema
        source = [file.uri for file in layout.files] if layout.is_listed else source
    return pl.scan_parquet(source, **options).select(columns).collect().to_arrow()


def with_duckdb(layout: Layout, columns: list[str], told: bool) -> pa.Table:
    """A query of DuckDB."""
    types = sql_types.DUCKDB
    source = types.text(f"{glob_escaped(layout.folder)}/**/*.parquet")
    if told:
        if layout.is_listed:
            source = f"[{', '.join(types.text(glob_escaped(file.uri)) for file in layout.files)}]"
        if len(layout.partitions):
            named = ", ".join(f"{types.text(field.name)}: {types.of(field.type)}" for field in layout.partitions)
            source += f", hive_partitioning = true, hive_types = {{{named}}}"
        source = f"read_parquet({source})"
    with duckdb.connect() as connection:
        if not storage.is_local(layout.folder):
            connection.register_filesystem(storage.filesystem(layout.folder)[0])
        selected = ", ".join(types.name(column) for column in columns)
        return connection.sql(f"SELECT {selected} FROM {source}").to_arrow_table()


READERS: Mapping[str, Reader] = {
    "pandas": with_pandas,
    "pyarrow": with_pyarrow,
    "polars": with_polars,
    "duckdb": with_duckdb,
}
