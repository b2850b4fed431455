"""DuckDB as a part of this process: for queries over Arrow tables that may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from par_model.scratch import scratch_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def database(memory: str = "400MB", threads: int | None = None) -> Iterator[DuckDBPyConnection]:
    """A database of its own, which asks no network for extensions. Above ``memory`` it goes on in a temporary folder.

    threads: None for one a core.
    """
    import duckdb

    with scratch_folder("database") as folder, duckdb.connect() as connection:
        connection.execute("SET memory_limit = ?", [memory])
        connection.execute("SET temp_directory = ?", [folder])
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET autoinstall_known_extensions = false")
        connection.execute("SET autoload_known_extensions = false")
        if threads is not None:
            connection.execute("SET threads = ?", [threads])
        yield connection
