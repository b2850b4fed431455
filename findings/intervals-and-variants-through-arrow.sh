#!/usr/bin/env bash
# duckdb 2.0.1, pyarrow 26.0.1
#
# Guess: a Parquet file that Arrow reads and writes again still tells the same to the tool that wrote it first, or Arrow
# refuses, or warns of, the columns for which it has no type.
#
# Behaviour: DuckDB's INTERVAL and VARIANT come out of pyarrow as 12 bytes and as a struct of bytes, without an error or a
# warning. The copy has lost the marks: DuckDB reads its own columns back as BLOB and STRUCT, and what was `3 days` cannot
# be added to a date any more. UUID, JSON and TIME WITH TIME ZONE beside them: the first two keep their meaning, the last
# becomes TIME in UTC, its offset gone.
#
# Output seen:
#   original  INTERVAL=INTERVAL VARIANT=VARIANT UUID=UUID JSON=JSON TIMETZ=TIME WITH TIME ZONE
#   pyarrow   INTERVAL=fixed_size_binary[12] VARIANT=struct<metadata: binary not null, value: binary, ...>
#             UUID=extension<arrow.uuid> JSON=extension<arrow.json> TIMETZ=time64[us]
#   copy      INTERVAL=BLOB VARIANT=STRUCT(metadata BLOB, ...) UUID=UUID JSON=JSON TIMETZ=TIME
#   copy      date + x: Binder Error: No function matches the given name and argument types '+(DATE, BLOB)'. ...
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet duckdb==2.0.1 pyarrow==26.0.1
cd "$folder"
venv/bin/python -W error - <<'PY'
import duckdb
import pyarrow.parquet as pq

VALUES = {
    "INTERVAL": "INTERVAL 3 DAYS",
    "VARIANT": "{'gate': 5}::VARIANT",
    "UUID": "'12345678-1234-5678-1234-567812345678'::UUID",
    "JSON": "'{\"gate\": 5}'::JSON",
    "TIMETZ": "'12:00:00+02'::TIMETZ",
}


def types(folder):
    return {name: duckdb.sql(f"SELECT typeof(x) FROM '{folder}-{name}.parquet'").fetchall()[0][0] for name in VALUES}


found = {}
for name, value in VALUES.items():
    duckdb.sql(f"COPY (SELECT {value} AS x) TO 'original-{name}.parquet'")
    table = pq.read_table(f"original-{name}.parquet")
    found[name] = str(table.schema.field("x").type)
    pq.write_table(table, f"copy-{name}.parquet")

before, after = types("original"), types("copy")
for title, kinds in (("original", before), ("pyarrow", found), ("copy", after)):
    print(f"{title:9}", *(f"{name}={kind}" for name, kind in kinds.items()))

assert before["INTERVAL"] == "INTERVAL" and before["VARIANT"] == "VARIANT", before
assert found["INTERVAL"] == "fixed_size_binary[12]" and found["VARIANT"].startswith("struct<metadata: binary"), found
assert after["INTERVAL"] == "BLOB" and after["VARIANT"].startswith("STRUCT("), after
assert after["UUID"] == "UUID" and after["JSON"] == "JSON", after
assert found["TIMETZ"] == "time64[us]" and after["TIMETZ"] == "TIME", (found, after)
assert duckdb.sql("SELECT DATE '2026-05-01' + x FROM 'original-INTERVAL.parquet'").fetchall()[0][0].day == 4
try:
    duckdb.sql("SELECT DATE '2026-05-01' + x FROM 'copy-INTERVAL.parquet'").fetchall()
except duckdb.Error as error:
    print("copy      date + x:", str(error).splitlines()[0])
else:
    raise SystemExit("the copy's interval can be added to a date")
PY
