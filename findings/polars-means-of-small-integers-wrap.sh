#!/usr/bin/env bash
# Polars 2.1.0, numpy 2.4.6, Python 3.11: scores in whole per cent (UInt8), whose mean over a row's columns is asked for,
# and an embedding that is quantised to Int8, multiplied by itself.
#
# Guess: a mean is a float and lies between the least and the greatest value. Polars sums columns of 8 and 16 bits in 64
# (sum, cum_sum, rolling_sum, list.sum all do), so that dot, which gives an Int64, is right too, and the square of a
# length is not negative.
#
# Seen: mean_horizontal adds up in the columns' own type and divides then: the mean of 100, 100 and 100 is the Float64
# 14.67, that of 90, 80 and 100 is 4.67. sum_horizontal gives 44 as a UInt8. dot multiplies in Int8 and adds the
# remainders up in Int64: the embedding's product with itself is -1883, not 2931877. Nothing is said, also in group_by
# and with the streaming engine. numpy's mean is right, and so is that of pandas 3.1.1 and DuckDB 2.0.1. A cast to Int64
# or Float64 before mends it.
#
# Output seen:
#   mean of 100, 100, 100 and of 90, 80, 100: Polars [14.67, 4.67], numpy [100.0, 90.0]
#   cast first:                               Polars [100.0, 90.0]
#   the embedding by itself:                  Polars -1883 (Int64), cast first 2931877
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars==2.1.0 numpy==2.4.6
cat > "$folder/see.py" <<'PY'
import numpy as np
import polars as pl

PARTS = ["hat", "bag", "top"]
scores = pl.DataFrame({"hat": [100, 90], "bag": [100, 80], "top": [100, 100]}, schema=dict.fromkeys(PARTS, pl.UInt8))


def rounded(values):
    return [round(float(value), 2) for value in values]


mean = pl.mean_horizontal(PARTS).alias("mean")
eager = scores.select(mean)
assert eager.schema["mean"] == pl.Float64
streamed = scores.lazy().select(mean).collect(engine="streaming")
wide = rounded(scores.select(pl.col(PARTS).cast(pl.Float64)).select(mean)["mean"])
by_numpy = rounded(scores.to_numpy().mean(axis=1))
by_polars = rounded(eager["mean"])
assert rounded(streamed["mean"]) == by_polars
print(f"mean of 100, 100, 100 and of 90, 80, 100: Polars {by_polars}, numpy {by_numpy}")
print(f"cast first:                               Polars {wide}")
assert by_polars == [14.67, 4.67]
assert wide == by_numpy == [100.0, 90.0]
assert scores.select(pl.sum_horizontal(PARTS).alias("sum"))["sum"].to_list() == [44, 14]
assert scores["hat"].sum() == 190 and scores.schema["hat"] == pl.UInt8

quantised = np.random.default_rng(0).integers(-127, 128, 512).astype(np.int8)
embedding = pl.DataFrame({"tracklet": [1] * 512, "x": quantised})
product = embedding.select(pl.col("x").dot("x"))
grouped = embedding.group_by("tracklet").agg(pl.col("x").dot("x"))
right = embedding.select(pl.col("x").cast(pl.Int64).dot(pl.col("x").cast(pl.Int64))).item()
print(f"the embedding by itself:                  Polars {product.item()} ({product.schema['x']}), cast first {right}")
assert product.schema["x"] == pl.Int64
assert product.item() == grouped["x"].item() == -1883
assert right == int(quantised.astype(np.int64) @ quantised.astype(np.int64)) == 2931877
PY
"$folder/venv/bin/python" -W ignore "$folder/see.py" 2> "$folder/said.txt" || { cat "$folder/said.txt"; exit 1; }
