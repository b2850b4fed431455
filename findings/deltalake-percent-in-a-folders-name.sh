#!/usr/bin/env bash
# deltalake 1.6.6 with PyArrow 26.0.1, write_deltalake and DeltaTable, seen on Linux, x86-64, Python 3.11.
#
# Guess:     a local path is the folder of that name, whatever signs are in it, as it is for 100% and a#b.
# Behaviour: where the name has a percent sign and two hexadecimal digits, the log is written into the folder of that
#            name and read from the one that it would be if it were decoded: a%20b is looked for in "a b". So a first
#            write leaves a log and raises, and where "a b" is a table too, its log is taken for that of a%20b.
# Output:    100%: ['x'] a#b: ['x']
#            a%20b: raised, File not found: .../a b/_delta_log/00000000000000000000.json; left ['_delta_log', 'part']
#            a%20b beside a table "a b" with the column y: ['y']
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet deltalake==1.6.6 pyarrow==26.0.1
mkdir "$folder/tables"
cd "$folder/tables"
"$folder/venv/bin/python" - <<'PYTHON'
import os

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

here = os.getcwd()


def columns(name: str) -> list[str]:
    return [field.name for field in DeltaTable(f"{here}/{name}").schema().fields]


for name in ("100%", "a#b"):
    write_deltalake(f"{here}/{name}", pa.table({"x": [1]}))
    print(f"{name}: {columns(name)}", end=" ")
    assert columns(name) == ["x"]
print()
try:
    write_deltalake(f"{here}/a%20b", pa.table({"x": [1]}))
except Exception as error:
    said = str(error).replace(here, "...")
else:
    said = "nothing"
left = sorted(name.partition("-")[0] for name in os.listdir(f"{here}/a%20b"))
print(f"a%20b: raised, {said[said.find('File not found'):]}; left {left}")
assert "File not found: .../a b/_delta_log/00000000000000000000.json" in said
assert left == ["_delta_log", "part"]
write_deltalake(f"{here}/a b", pa.table({"y": [2]}))
print(f"a%20b beside a table \"a b\" with the column y: {columns('a%20b')}")
assert columns("a%20b") == ["y"]
PYTHON
