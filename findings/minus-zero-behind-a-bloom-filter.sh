#!/usr/bin/env bash
# DuckDB 2.0.1 and DataFusion 55.0.0, Python 3.11: a column of doubles on its way from one to the other by Parquet.
#
# How far people moved is rounded to one digit. What drifts to the left by less than 0.05 becomes -0.0, which is equal
# to 0 by IEEE 754 and in both engines.
#
# Guess: whoever asks for "moved = 0" finds these rows, in any order of the engines; the footer's smallest value,
# -0.0, tempts nobody to skip them, since readers know about signed zeros.
#
# Seen: each engine finds them in its own memory, and DuckDB in its own file. DuckDB's COPY gives the column a bloom
# filter without being asked, which hashes the bits of -0.0, and DataFusion looks 0.0 up in it: no row of 4,096,
# without a word. "moved >= 0 AND moved <= 0" has none either, since the planner makes the same question of it.
# "abs(moved) = 0" has them all, so has "moved = -0.0", and so has "moved = 0" with bloom filters unread
# (datafusion.execution.parquet.bloom_filter_on_read).
#
# Output seen:
#   DuckDB            moved = 0: 4096
#   DataFusion        moved = 0: 0
#   DataFusion        moved >= 0 AND moved <= 0: 0
#   DataFusion        abs(moved) = 0: 4096
#   DataFusion        moved = -0.0: 4096
#   in memory         moved = 0: 4096
#   no bloom filters  moved = 0: 4096
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 datafusion==55.0.0 pyarrow==26.0.1 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PY'
import datafusion
import duckdb
import numpy as np
import pyarrow as pa

drift = np.random.default_rng(0).uniform(-0.04, -0.01, 8192)
drift[1::2] = 0.7
people = pa.table({"moved": np.round(drift, 1)})
duckdb.sql("COPY people TO 'people.parquet'")

file = datafusion.SessionContext()
file.register_parquet("people", "people.parquet")
memory = datafusion.SessionContext()
memory.from_arrow(people, name="people")
unread = datafusion.SessionContext(
    datafusion.SessionConfig().set("datafusion.execution.parquet.bloom_filter_on_read", "false")
)
unread.register_parquet("people", "people.parquet")


def count(engine, condition):
    return engine.sql(f"SELECT count(*) AS n FROM people WHERE {condition}").to_pydict()["n"][0]


seen = {
    ("DuckDB", "moved = 0"): duckdb.sql("SELECT count(*) FROM 'people.parquet' WHERE moved = 0").fetchall()[0][0],
    ("DataFusion", "moved = 0"): count(file, "moved = 0"),
    ("DataFusion", "moved >= 0 AND moved <= 0"): count(file, "moved >= 0 AND moved <= 0"),
    ("DataFusion", "abs(moved) = 0"): count(file, "abs(moved) = 0"),
    ("DataFusion", "moved = -0.0"): count(file, "moved = -0.0"),
    ("in memory", "moved = 0"): count(memory, "moved = 0"),
    ("no bloom filters", "moved = 0"): count(unread, "moved = 0"),
}
for (engine, condition), rows in seen.items():
    print(f"{engine:17} {condition}: {rows}")
assert list(seen.values()) == [4096, 0, 0, 4096, 4096, 4096, 4096], seen
PY
