"""How work travels through Ray at the extremes: one video with every tracklet, and a video for each tracklet.

Stand-ins take the place of decoding and of the network; what travels between them are blank crops of full size.

    python -m benchmarks.scale_ray [--rows 20000]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import stand_ins
from benchmarks.results import peak_mib, table, write_section
from par_model.attributes import load_schema
from par_model.cluster.inference import RayRunner, ray_runner
from par_model.inference.job import run_inference
from par_model.inference.options import InferOptions, StageSettings
from par_model.inference.planned import Units
from par_model.inference.stages import RecogniseTables
from par_model.manifest.schema import COLUMNS
from par_model.model.initialise import initialise_weights

_EXPLAINED = """{rows:,} tracklets through Ray Data on one machine, one decode worker, one model actor. Stand-ins take
the place of both stages; the crops between them are blank but of full size, {crop_kib:.0f} KiB a tracklet,
{crops_gib:.1f} GiB in all, against an object store of {store_gib:.1f} GiB, Ray's default for
the memory that is free. Load average over the last 15 minutes: {load:.0f}; what is above the number of cores is other
work, and makes rates lower."""
_BACKBONE = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 224, "patch_size": 32, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"width": 16, "heads": 2, "layers": 1},
}


def write_manifest(path: Path, rows: int, videos: int) -> None:
    """Forty boxes a tracklet, beginning all over their videos."""
    starts = np.sort(np.random.default_rng(0).integers(0, 90_000, rows))
    boxes = [{"x": 1.0, "y": 2.0, "w": 30.0, "h": 60.0}] * 40
    found = [
        {
            "tracklet_id": f"t{i:06}",
            "video_uri": f"s3://archive/{i % videos:06}.mp4",
            "frame_indices": list(range(start, start + 40)),
            "boxes": boxes,
        }
        for i, start in enumerate(starts.tolist())
    ]
    pq.write_table(pa.Table.from_pylist(found, schema=COLUMNS), path)


def measure(manifest: str, weights: str, network: type[RecogniseTables], pipe: Any) -> None:
    """In a process of its own, so that its peak memory is its own."""
    found: dict[str, Any] = {"units": 0, "largest": 0}

    @contextmanager
    def runner() -> Iterator[RayRunner]:
        import ray
        from ray._private.internal_api import memory_summary

        with ray_runner(None, "cpu", 1, (1, 1)) as plain:
            yield _Counting(**vars(replace(plain, decode=stand_ins.NoDecoding, recognise=network)), found=found)
            spilled = re.search(
                r"Spilled (\d+) MiB", memory_summary(address=ray.get_runtime_context().gcs_address, stats_only=True)
            )
            found["spilled_mib"] = int(spilled[1]) if spilled else 0
            found["store_gib"] = ray.cluster_resources()["object_store_memory"] / 2**30  # type: ignore[no-untyped-call]

    options = InferOptions(manifest=manifest, weights=weights, output=f"{manifest}.out")
    started = time.perf_counter()
    summary = run_inference(options, runner)
    found |= {
        "seconds": time.perf_counter() - started,
        "counts": summary["counts"]["status"],
        "rate": summary["stages"]["tracklets_per_second"],
        "peak_mib": peak_mib(),
    }
    pipe.send(found)


_SHAPES = (
    ("one video", 1, stand_ins.NoNetwork),
    ("a video each", None, stand_ins.NoNetwork),
    ("one video, the model slower than decoding", 1, stand_ins.SlowNetwork),
)


class _Counting(RayRunner):
    """Notes the units that pass."""

    def __init__(self, found: dict[str, Any], **fields: Any) -> None:
        super().__init__(**fields)
        object.__setattr__(self, "_found", found)

    def outcomes(self, units: Units, settings: StageSettings) -> Iterator[pa.Table]:
        self._found["units"] += len(units)  # type: ignore[attr-defined]
        self._found["largest"] = max(self._found["largest"], *map(len, units))  # type: ignore[attr-defined]
        return super().outcomes(units, settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    results = []
    with tempfile.TemporaryDirectory(prefix="parjob-scale-") as folder:
        (Path(folder) / "clip.json").write_text(json.dumps(_BACKBONE))
        weights = f"{folder}/w.safetensors"
        initialise_weights(
            weights, backbone=f"{folder}/clip.json", schema=load_schema("street"), options=None, fit="pad", seed=0
        )
        for name, videos, network in _SHAPES:
            manifest = Path(folder) / f"{name}.parquet"
            write_manifest(manifest, rows, videos or rows)
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=measure, args=(str(manifest), weights, network, theirs))
            process.start()
            theirs.close()  # so that the end of a process that failed is seen
            results.append(ours.recv() | {"name": name})
            process.join()
            print(json.dumps(results[-1]), flush=True)
            assert results[-1]["counts"] == {"ok": rows, "failed": 0}
    crop = stand_ins.FRAMES * 224 * 224 * 3
    header = ["shape", "units", "largest unit's crops", "tracklets a second", "spilled", "driver's peak memory"]
    body = [
        [
            r["name"],
            f"{r['units']:,}",
            f"{r['largest'] * crop / 2**20:.0f} MiB",
            f"{r['rate']:.0f}",
            f"{r['spilled_mib']} MiB",
            f"{r['peak_mib']:.0f} MiB",
        ]
        for r in results
    ]
    explained = _EXPLAINED.format(
        rows=rows,
        crop_kib=crop / 2**10,
        crops_gib=rows * crop / 2**30,
        store_gib=results[0]["store_gib"],
        load=os.getloadavg()[2],
    )
    text = f"{explained}\n\n{table(header, body)}"
    print(text)
    write_section("Scale through Ray", text)


if __name__ == "__main__":
    main()
