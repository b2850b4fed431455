#!/usr/bin/env bash
# PyIceberg 0.12.0 with PyArrow 26.0.1, Table.scan over files of Hive folders, seen on Linux, x86-64, Python 3.11.
#
# Guess:     a filter on camera_id finds the rows of a camera whichever columns are selected. The files lie in folders
#            camera_id=... and lack the column, as Hive tables that were migrated do; its value is in each file's
#            partition, from which readers take it (Iceberg's spec, "Column Projection").
# Behaviour: where camera_id is selected, or everything, the rows are found. Where it is filtered by and not selected,
#            the scan gives no row, without a word: the plan has the right file, and the filter then takes the
#            column that the file lacks for null. count() of the same filter is right.
# Output:    planned files 1, count 2
#            everything 2, with camera_id 2, without camera_id 0
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
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.typedef import Record

here = os.getcwd()
catalog = load_catalog("local", type="sql", uri=f"sqlite:///{here}/catalog.db", warehouse=f"file://{here}/warehouse")
catalog.create_namespace("street")
schema = pa.schema([("tracklet_id", pa.string()), ("camera_id", pa.string())])
table = catalog.create_table("street.people", schema)
with table.update_spec() as spec:
    spec.add_identity("camera_id")
with table.transaction() as transaction:
    mapping = table.schema().name_mapping.model_dump_json()
    transaction.set_properties({"schema.name-mapping.default": mapping})
    with transaction.update_snapshot().fast_append() as snapshot:
        for camera, people in (("03", ["a", "b"]), ("3", ["c"])):
            place = f"{here}/people/camera_id={camera}"
            os.makedirs(place)
            pq.write_table(pa.table({"tracklet_id": people}), f"{place}/part-0.parquet")
            file = parquet_file_to_data_file(table.io, transaction.table_metadata, f"file://{place}/part-0.parquet")
            file[3] = Record(camera)
            snapshot.append_data_file(file)


def scan(**fields):
    return catalog.load_table("street.people").scan(row_filter="camera_id = '03'", **fields)


planned, counted = len(list(scan().plan_files())), scan().count()
print(f"planned files {planned}, count {counted}")
every, chosen, lacking = (
    scan(**fields).to_arrow().num_rows
    for fields in ({}, {"selected_fields": ("tracklet_id", "camera_id")}, {"selected_fields": ("tracklet_id",)})
)
print(f"everything {every}, with camera_id {chosen}, without camera_id {lacking}")
assert (planned, counted) == (1, 2)
assert (every, chosen, lacking) == (2, 2, 0)
PYTHON
