#!/usr/bin/env bash
# lancedb 0.40.0 with PyArrow 26.0.1, Python 3.11: a table of tracklets with the name of the camera, which is null for
# some, and an FM index of it (lancedb.index.Fm), which is for searching within text.
#
# Guess: an index makes a search faster and changes no row. Of a null name contains() is null, and so is NOT of it, so
# that WHERE gives neither; every name contains ''.
#
# Seen: so it is without an index, and with a BTree. With the FM index "NOT contains(camera, 'station')"
# has the rows without a camera too, in filters, in counts and before a search for nearest vectors. Of rows that were
# added after the index was made it has them not, until the index is optimized: which rows come depends on when they
# were written. "contains(camera, '')" has no row instead of all. LIKE '%station%' and NOT LIKE do not use the index,
# and are right; "AND camera IS NOT NULL" mends NOT contains.
#
# Output seen (ids; 2 and 12 have no camera, and 10 to 14 came after the index):
#   no index                 NOT contains [1, 4, 11, 14]         contains '' [0, 1, 3, 4, 10, 11, 13, 14]
#   BTree                    NOT contains [1, 4, 11, 14]         contains '' [0, 1, 3, 4, 10, 11, 13, 14]
#   Fm                       NOT contains [1, 2, 4, 11, 14]      contains '' [10, 11, 13, 14]
#   Fm, optimized            NOT contains [1, 2, 4, 11, 12, 14]  contains '' []
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet lancedb==0.40.0 pyarrow==26.0.1
cat > "$folder/see.py" <<'PY'
import sys

import lancedb
import pyarrow as pa
from lancedb.index import BTree, Fm

CAMERAS = ["station north", "market", None, "station south", ""]
database = lancedb.connect(sys.argv[1])


def tracklets(first):
    vectors = pa.array([[float(number), 1.0] for number in range(5)], pa.list_(pa.float32(), 2))
    return pa.table({"id": pa.array(range(first, first + 5)), "camera": CAMERAS, "vector": vectors})


def asked(table, filter_):
    found = sorted(row["id"] for row in table.search().where(filter_).limit(100).to_list())
    near = sorted(row["id"] for row in table.search([0.0, 1.0]).where(filter_).limit(100).to_list())
    assert near == found and table.count_rows(filter_) == len(found), filter_
    return found


def seen(name, index, is_optimized=False):
    table = database.create_table("tracklets", tracklets(0), mode="overwrite")
    if index:
        table.create_index("camera", config=index)
    table.add(tracklets(10))
    if is_optimized:
        table.optimize()
    without, anything = asked(table, "NOT contains(camera, 'station')"), asked(table, "contains(camera, '')")
    print(f"{name:24} NOT contains {str(without):23} contains '' {anything}")
    assert asked(table, "camera NOT LIKE '%station%'") == [1, 4, 11, 14]
    assert asked(table, "NOT contains(camera, 'station') AND camera IS NOT NULL") == [1, 4, 11, 14]
    return without, anything


right = [1, 4, 11, 14], [0, 1, 3, 4, 10, 11, 13, 14]
assert seen("no index", None) == right
assert seen("BTree", BTree()) == right
assert seen("Fm", Fm()) == ([1, 2, 4, 11, 14], [10, 11, 13, 14])
assert seen("Fm, optimized", Fm(), is_optimized=True) == ([1, 2, 4, 11, 12, 14], [])
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" "$folder/tables" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
