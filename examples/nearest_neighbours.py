"""Who looks like whom: embeddings of tracklets, and the nearest neighbours of each.

python examples/nearest_neighbours.py tracklets.parquet
"""

import sys

import numpy as np

import par_model

table = par_model.recognise(par_model.read_tracklets(sys.argv[1], limit=20), weights="demo", embedding=True)
table = table.filter(table["embedding"].is_valid())
ids = table["tracklet_id"].to_pylist()

# Embeddings have length 1, so their products are cosines.
embeddings = np.stack(table["embedding"].to_pylist())
cosines = embeddings @ embeddings.T
np.fill_diagonal(cosines, -1)

for one, row in zip(ids, cosines, strict=True):
    nearest = np.argsort(-row)[:3]
    print(one, "is most like", ", ".join(f"{ids[i]} ({row[i]:.3f})" for i in nearest))
