"""Score another model by the same protocol. Here it is a simple one: what colour is the middle of the upper half?

python examples/score_other_model.py labelled.parquet scores
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import par_model

COLOURS = {
    "black": (20, 20, 20),
    "white": (230, 230, 230),
    "gray": (128, 128, 128),
    "red": (180, 30, 30),
    "green": (30, 130, 50),
    "blue": (30, 60, 170),
    "yellow": (220, 200, 40),
    "purple": (120, 40, 140),
}
manifest, output = sys.argv[1:]
known = {
    c.value for group in par_model.load_schema("street").groups if group.name == "top_color" for c in group.classes
}
names = [name for name in COLOURS if name in known]
colours = np.array([COLOURS[name] for name in names], np.float64)

answers = []
for tracklet in par_model.read_tracklets(manifest):
    if isinstance(tracklet, par_model.Failure):
        continue
    try:
        image = par_model.read_crops(tracklet, frames=1).images[0]
    except par_model.ParError as error:
        print(f"{tracklet.tracklet_id}: {error}")
        continue
    height, width = image.shape[:2]
    chest = image[height // 4 : height // 2, width // 3 : max(width // 3 + 1, 2 * width // 3)]
    nearest = np.linalg.norm(colours - chest.reshape(-1, 3).mean(axis=0), axis=1).argmin()
    answers.append({"tracklet_id": tracklet.tracklet_id, "top_color": names[nearest]})

Path(output).mkdir(parents=True, exist_ok=True)
table = str(Path(output) / "simple-model.parquet")
pq.write_table(pa.Table.from_pylist(answers), table)

metrics = par_model.evaluate(manifest, table, output)
print("tracklets that are not in the table count as wrong:", metrics["counts"]["missing"])
print(f"top colour right: {metrics['groups']['top_color']['accuracy']:.2f} of them")
print("not in any number, for the model does not tell them:", len(metrics["left_out"]["untrained"]), "classes")
