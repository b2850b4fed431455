#!/usr/bin/env bash
# DuckDB 2.0.1, DataFusion 55.0.0, chdb 4.4.0, Polars 2.1.0, pyarrow 26.0.1, Python 3.11: scores in Parquet, one of
# them NaN (0 / 0, say), and the question who is above 0.9.
#
# Guess: an engine takes NaN either for the greatest of all numbers, so that it is above 0.9, or for equal to and
# above nothing, so that it is not; and how the rows of a file are cut into row groups changes no answer.
#
# Seen: Polars has the NaN always, pyarrow and ClickHouse never. DuckDB and DataFusion hold that it is the greatest,
# and yet have it or not by the row groups: the footer's greatest value leaves NaN out (as Parquet asks), so a row
# group whose other scores are low is skipped. The same rows, the same query, and another count once the file is
# written anew.
#
# Output seen, ids of the rows above 0.9 (id 2 is the NaN):
#   one row group:   DuckDB [2, 4, 5]  DataFusion [2, 4, 5]  Polars [2, 4, 5]  pyarrow [4, 5]  ClickHouse [4, 5]
#   two row groups:  DuckDB [4, 5]     DataFusion [4, 5]     Polars [2, 4, 5]  pyarrow [4, 5]  ClickHouse [4, 5]
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 datafusion==55.0.0 chdb==4.4.0 chdb-core==26.9.0 polars==2.1.0 \
    pyarrow==26.0.1 pandas==3.1.1
cd "$folder"
cat > see.py <<'PY'
import datafusion
import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

ABOVE = "SELECT id FROM {} WHERE score > 0.9 ORDER BY id"
scores = [0.1, 0.2, float("nan"), 0.3, 0.95, 0.97, 0.1, 0.2]
rows = pa.table({"id": list(range(8)), "score": pa.array(scores, pa.float32())})
WITH, WITHOUT = [2, 4, 5], [4, 5]
for name, size, skipping in (("one row group", 8, WITH), ("two row groups", 4, WITHOUT)):
    file = f"{size}.parquet"
    pq.write_table(rows, file, row_group_size=size)
    context = datafusion.SessionContext()
    context.register_parquet("scores", file)
    seen = {
        "DuckDB": [row[0] for row in duckdb.sql(ABOVE.format(f"'{file}'")).fetchall()],
        "DataFusion": context.sql(ABOVE.format("scores")).to_pydict()["id"],
        "Polars": pl.scan_parquet(file).filter(pl.col("score") > 0.9).collect()["id"].to_list(),
        "pyarrow": ds.dataset(file).to_table(filter=ds.field("score") > 0.9)["id"].to_pylist(),
    }
    print(f"{name}: ", *(f"{engine} {ids}" for engine, ids in seen.items()))
    assert list(seen.values()) == [skipping, skipping, WITH, WITHOUT], seen
PY
cat > clickhouse.py <<'PY'
import chdb

for size in (8, 4):
    query = f"SELECT groupArray(id) FROM file('{size}.parquet', Parquet) WHERE score > 0.9"
    ids = str(chdb.query(query, "TSV")).strip()
    print(f"ClickHouse, groups of {size}: {ids}")
    assert ids == "[4,5]", ids
PY
venv/bin/python see.py
venv/bin/python clickhouse.py
