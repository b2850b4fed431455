#!/usr/bin/env bash
# PyIceberg 0.12.0 with PyArrow 26.0.1, Table.append and Table.scan, seen on Linux, x86-64, Python 3.11.
#
# Guess:     an optional column comes back as it was written, null or not, whatever its type: frame_indices are a list
#            of integers, boxes a list of structs.
# Behaviour: a null list of integers stays null; a null list of structs becomes an empty list, without a word. It does so
#            twice: append writes the empty list into the file, and a scan of a file that has a null, made by another
#            writer and added by add_files, gives an empty list too. A null struct stays null. So a row without boxes,
#            which means the whole picture, becomes a row that has boxes, none of them.
# Output:    appended: frames [[1], None, []] boxes [[{'x': 4.0}], [], []] box [{'x': 4.0}, None, {'x': None}]
#            added:    frames [[1], None, []] boxes [[{'x': 4.0}], [], []] box [{'x': 4.0}, None, {'x': None}]
#            in the file that append wrote: boxes [[{'x': 4.0}], [], []]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'pyiceberg[pyarrow,sql-sqlite]==0.12.0' pyarrow==26.0.1
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import os

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import load_catalog

here = os.getcwd()
catalog = load_catalog("local", type="sql", uri=f"sqlite:///{here}/catalog.db", warehouse=f"file://{here}/warehouse")
catalog.create_namespace("street")
box = pa.struct([("x", pa.float32())])
rows = pa.table(
    {
        "frames": pa.array([[1], None, []], pa.list_(pa.int32())),
        "boxes": pa.array([[{"x": 4.0}], None, []], pa.list_(box)),
        "box": pa.array([{"x": 4.0}, None, {"x": None}], box),
    }
)
appended = catalog.create_table("street.appended", rows.schema)
appended.append(rows)
added = catalog.create_table("street.added", rows.schema)
pq.write_table(rows, f"{here}/rows.parquet")
added.add_files([f"file://{here}/rows.parquet"])
for name in ("appended", "added"):
    found = catalog.load_table(f"street.{name}").scan().to_arrow().to_pydict()
    print(f"{name + ':':10}" + " ".join(f"{column} {found[column]}" for column in rows.column_names))
    assert found["frames"] == [[1], None, []]
    assert found["box"] == [{"x": 4.0}, None, {"x": None}]
    assert found["boxes"] == [[{"x": 4.0}], [], []]
(task,) = appended.scan().plan_files()
written = pq.read_table(task.file.file_path.removeprefix("file://"))["boxes"].to_pylist()
print(f"in the file that append wrote: boxes {written}")
assert written == [[{"x": 4.0}], [], []]
PYTHON
