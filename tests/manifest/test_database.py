"""A database of a query's own: it goes on where memory ends, asks no network, and leaves nothing."""

from __future__ import annotations

from pathlib import Path

from par_model.manifest.database import database


def test_what_is_larger_than_its_memory_is_sorted_and_nothing_stays(tmp_path: Path) -> None:
    with database("60MB", threads=1) as connection:
        folder = connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0]
        assert Path(folder).is_dir()
        connection.execute("CREATE TABLE t AS SELECT i, hash(i) AS h FROM range(2_000_000) r(i)")
        first = connection.execute("SELECT i, h FROM t ORDER BY h, i LIMIT 1 OFFSET 1_999_999").fetchall()
        largest = connection.execute("SELECT max(h) FROM t").fetchall()
        assert first[0][1] == largest[0][0]
        assert any(Path(folder).iterdir())
        told = "SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions' OR name = 'threads'"
        settings = dict(connection.execute(told).fetchall())
    assert settings == {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "threads": "1",
    }
    assert not Path(folder).exists()
