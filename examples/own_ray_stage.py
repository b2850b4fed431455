"""Recognition as a stage of your own Ray Data pipeline: whatever comes before and after is yours.

python examples/own_ray_stage.py tracklets.parquet
"""

import sys

import pyarrow as pa
import ray
from ray.data.expressions import col

import par_model


class Recognise:
    """Holds the weights, one copy an actor."""

    def __init__(self, manifest: str) -> None:
        self.manifest = manifest
        self.stage = par_model.RecogniseStage("demo")

    def __call__(self, ids: pa.Table) -> pa.Table:
        wanted = set(ids["tracklet_id"].to_pylist())
        tracklets = [t for t in par_model.read_tracklets(self.manifest) if t.tracklet_id in wanted]
        return par_model.recognise(tracklets, self.stage)


manifest = sys.argv[1]
ray.init("local", num_cpus=2, include_dashboard=False)
ids = [{"tracklet_id": t.tracklet_id} for t in par_model.read_tracklets(manifest, limit=8)]
answers = (
    ray.data.from_items(ids)
    .repartition(2)
    .map_batches(
        Recognise,
        fn_constructor_args=(manifest,),
        batch_format="pyarrow",  # other formats lose nulls and types
        compute=ray.data.ActorPoolStrategy(size=1),
    )
    .filter(expr=col("status") == "ok")
    .select_columns(["tracklet_id", "top_color"])
)
for row in answers.take_all():
    print(row["tracklet_id"], row["top_color"])
