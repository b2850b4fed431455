"""The whole job: against its own slower stage, and against the pipeline that one writes with Ray Data and decord.

python -m benchmarks.pipeline [--videos N] [--tracklets N] [--weights FILE] [--dry]

Copies of one minute of 1280x720 at 25 frames a second, each with many overlapping tracklets. A stage alone is pinned to
one core and has one thread; together they have two cores, one decode worker and one model actor. Rates count from the
first result on; what starting takes is printed beside them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import frames, usual
from benchmarks.results import table, write_section
from par_model.manifest.schema import COLUMNS

_MOST_APART = 2.0
# As large as one core decodes for, of such footage.
_BACKBONE = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": [96, 48], "patch_size": 8, "width": 128, "layers": 6, "head_width": 32},
    "text_cfg": {"width": 64, "heads": 2, "layers": 1},
}
_TARGETS = {"share": 0.85, "faster": 4.0}


def write_archive(folder: Path, videos: int, tracklets: int) -> str:
    """Copies of one video, each with the same overlapping tracklets, and their manifest."""
    first = frames.render(folder / "0.mp4")
    rows: dict[str, list[Any]] = {"tracklet_id": [], "video_uri": [], "frame_indices": [], "boxes": []}
    for video in range(videos):
        path = first if video == 0 else Path(shutil.copy(first, folder / f"{video}.mp4"))
        for tracklet in frames.overlapping(str(path), tracklets):
            assert tracklet.frame_indices is not None
            assert tracklet.boxes is not None
            rows["tracklet_id"].append(f"{video}-{tracklet.tracklet_id}")
            rows["video_uri"].append(str(path))
            rows["frame_indices"].append(tracklet.frame_indices)
            rows["boxes"].append([dict(zip("xywh", box, strict=True)) for box in tracklet.boxes.tolist()])
    schema = pa.schema([COLUMNS.field(name) for name in rows])
    pq.write_table(pa.table(rows, schema=schema), folder / "manifest.parquet")
    return str(folder / "manifest.parquet")


def small_network(folder: Path) -> str:
    """Random weights: what they answer costs as much as any answer."""
    from par_model.attributes import load_schema
    from par_model.model.initialise import initialise_weights
    from par_model.model.options import ModelOptions

    backbone, weights = folder / "clip.json", str(folder / "small.safetensors")
    backbone.write_text(json.dumps(_BACKBONE))
    sides = ModelOptions(
        spatial_map=((2, 0), (4, 1), (6, 2)),
        temporal_map=((4, 0), (6, 0)),
        spatial_width=96,
        temporal_width=96,
        depth=3,
        beyond_depth="last",
    )
    initialise_weights(weights, backbone=str(backbone), schema=load_schema("street"), options=sides, fit="pad", seed=0)
    return weights


def stage_alone(which: str, manifest: str, weights: str, pipe: Any) -> None:
    """Tracklets a second of one stage on one core, without its start."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[which == "model"]})
    import torch

    from par_model.inference.stages import DecodeTables, RecogniseTables

    torch.set_num_threads(1)
    units, settings = planned(manifest, weights)
    decode = DecodeTables(settings)
    if which == "decode":
        pipe.send(rate_of(table for unit in units for table in decode(unit)))
    else:
        crops = [table for unit in units[:2] for table in decode(unit)]
        recognise = RecogniseTables(settings)
        pipe.send(rate_of(recognise(table) for table in crops))
    decode.close()


def rate_of(tables: Iterator[pa.Table]) -> float:
    """Rows a second, from the first table on."""
    next(tables)
    started = time.perf_counter()
    rows = sum(len(table) for table in tables)
    return rows / (time.perf_counter() - started)


def planned(manifest: str, weights: str) -> tuple[list[pa.Table], Any]:
    """The units and settings that ``parjob infer`` would make for one decode worker."""
    from par_model.inference.options import InferOptions, StageSettings
    from par_model.inference.units import UnitSize, plan_units
    from par_model.manifest.read import Manifest
    from par_model.manifest.selection import Selection
    from par_model.model.weights import read_header
    from par_model.sampling import Sampling

    options = InferOptions(manifest=manifest, weights=weights, output="")
    header, rows = read_header(weights), Manifest.open(manifest)
    size = UnitSize.choose(rows.num_rows, usual.FRAMES * header.preprocess.crop_bytes, 1)
    settings = StageSettings(
        weights=weights,
        preprocess=header.preprocess,
        sampling=Sampling(frames=usual.FRAMES),
        decode=options.decode,
        device="cpu",
        precision="fp32",
        batch_size=usual.BATCH,
        compile=False,
        embedding=False,
        zero_shot=False,
    )
    return list(plan_units(rows, Selection(), usual.FRAMES, size)), settings


def our_job(manifest: str, weights: str, pipe: Any) -> None:
    """``parjob infer`` on a local Ray: its seconds, start and all, and its own account."""
    from par_model.cluster.inference import ray_runner
    from par_model.inference.job import run_inference
    from par_model.inference.options import InferOptions

    output = f"{Path(manifest).parent}/ours"
    options = InferOptions(
        manifest=manifest, weights=weights, output=output, frames=usual.FRAMES, batch_size=usual.BATCH
    )
    started = time.perf_counter()
    summary = run_inference(options, lambda: ray_runner(None, "cpu", 1, (1, 1)))
    pipe.send({"seconds": time.perf_counter() - started, "stages": summary["stages"], "counts": summary["counts"]})


def in_process(call: Callable[..., None], *arguments: object) -> Any:
    """What ``call`` sends, from a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=call, args=(*arguments, there))
    process.start()
    while not here.poll(1):
        if not process.is_alive():
            raise SystemExit(f"{call.__name__} ended with {process.exitcode}")
    sent = here.recv()
    process.join()
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=12)
    parser.add_argument("--tracklets", type=int, default=60, help="in each video")
    parser.add_argument("--weights", default=None, help="default: random ones of a small network")
    parser.add_argument("--dry", action="store_true", help="print only, leave RESULTS.md alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="parjob-bench-") as folder:
        weights = arguments.weights or small_network(Path(folder))
        manifest = write_archive(Path(folder), arguments.videos, arguments.tracklets)
        alone = {which: in_process(stage_alone, which, manifest, weights) for which in ("decode", "model")}
        print(json.dumps(alone), file=sys.stderr)
        slower, faster = sorted(alone.values())
        if faster > _MOST_APART * slower:
            raise SystemExit(f"the stages are more than {_MOST_APART:g} times apart: change --tracklets or --weights")
        ours = in_process(our_job, manifest, weights)
        theirs = in_process(usual.run, manifest, weights)
    rows = arguments.videos * arguments.tracklets
    assert ours["counts"]["status"] == {"ok": rows, "failed": 0}
    assert theirs["rows"] == rows
    body = report(alone, ours, theirs, rows)
    print(body)
    if not arguments.dry:
        write_section("Pipeline", body)


def report(alone: dict[str, float], ours: dict[str, Any], theirs: dict[str, Any], rows: int) -> str:
    """Both tables, in Markdown."""
    stages = ours["stages"]
    share = stages["tracklets_per_second"] / min(alone.values())
    times = theirs["seconds"] / ours["seconds"]
    busy = ", ".join(f"{name} {stages[name]['busy_share']:.0%}" for name in alone)
    first = table(
        ["tracklets a second", "alone, on one core", "together", "of the slower stage", "target"],
        [
            [
                f"decode {alone['decode']:.1f}, model {alone['model']:.1f}",
                f"{min(alone.values()):.1f}",
                f"{stages['tracklets_per_second']:.1f} (busy: {busy})",
                f"{share:.2f}",
                f"at least {_TARGETS['share']}: {'met' if share >= _TARGETS['share'] else 'missed'}",
            ]
        ],
    )
    second = table(
        [f"{rows} tracklets, start and all", "read_parquet, decord, map_batches", "parjob infer", "faster", "target"],
        [
            [
                "seconds",
                f"{theirs['seconds']:.1f}",
                f"{ours['seconds']:.1f} (of which {stages['startup_seconds']:.1f} to start)",
                f"{times:.1f}x",
                f"at least {_TARGETS['faster']:g}x: {'met' if times >= _TARGETS['faster'] else 'missed'}",
            ]
        ],
    )
    return f"{first}\n\n{second}"


if __name__ == "__main__":
    main()
