"""Attributes of your own: write a schema, and labels in its order into a manifest that `parjob train` takes.

python examples/own_attributes.py tracklets.parquet labelled.parquet
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq

import par_model

SCHEMA = """
name = "uniforms"

[[groups]]
name = "helmet"
kind = "binary"
text = "a pedestrian wearing a helmet"
negative_text = "a pedestrian without a helmet"

[[groups]]
name = "vest_color"
kind = "exclusive"
classes = [
    { value = "yellow", text = "a pedestrian in a yellow vest" },
    { value = "orange", text = "a pedestrian in an orange vest" },
]
"""
source, output = sys.argv[1:]
path = Path(output).with_suffix(".toml")
path.write_text(SCHEMA)
schema = par_model.load_schema(str(path))
print("labels are in this order:", ", ".join(schema.score_fields))

# What people said of some tracklets; what nobody looked at is -1.
said = {"helmet": 1, "vest_color_yellow": 0, "vest_color_orange": 1}
rows = pq.read_table(source).drop_columns(["labels"]).to_pylist()
for number, row in enumerate(rows):
    row["labels"] = [said[name] for name in schema.score_fields] if number == 0 else [-1] * schema.num_classes

own = ("tracklet_id", "video_uri", "frame_indices", "boxes", "camera_id", "start_time", "split", "labels")
kept = [{name: row[name] for name in own if name in row} for row in rows]
par_model.write_manifest(output, kept, label_schema=schema)
print(f"{output}: {len(rows)} tracklets, {len(par_model.check_manifest(output, schema))} defects")
