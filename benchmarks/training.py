"""Training on the demo archive from random weights: what is learned, what six frames bring, what the cache saves.

    python -m benchmarks.training [--work DIR] [--archive DIR] [--epochs N] [--workers N]

Renders the demo archive (unless --archive names one), makes a small backbone with random weights, trains it twice with
the same budget, on six frames and on one, recognises the archive with both and scores split `test`: all cameras, and
the crowded one, where people hide each other. Nothing is pretrained.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.results import table, write_section
from par_model.attributes import load_schema
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.model.initialise import initialise_weights
from par_model.model.options import ModelOptions
from par_model.training.cache import Shard
from par_model.training.inputs import Examples, Reader
from par_model.training.job import TrainJob
from par_model.training.options import TrainOptions
from par_model.training.store import CropStore, gather_shards

CROWDED = "market"
BACKBONE = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": [64, 32], "layers": 4, "width": 64, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 1},
}
_EXPLAINED = """The demo archive ({tracklets} training tracklets, {test} of split test), a ViT of four blocks and width
64 on 64x32 pixels, random weights, {workers} workers, the released recipe but for {epochs} epochs. Means over classes,
with the 95 % interval over tracklets. Constant: what is commonest in the split itself."""


def parjob(*arguments: object) -> None:
    command = [sys.executable, "-c", "from par_model.cli import main; main()", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def weights(work: Path) -> Path:
    (work / "backbone.json").write_text(json.dumps(BACKBONE))
    options = ModelOptions(spatial_width=64, temporal_width=64, fusion_width=64)
    path = work / "random.safetensors"
    initialise_weights(str(path), backbone=str(work / "backbone.json"), schema=load_schema("street"), options=options)
    return path


def run(work: Path, manifest: Path, frames: int, epochs: int, workers: int) -> tuple[Path, float]:
    """Train and recognise; the table's folder, and the minutes of training."""
    out, predictions = work / f"train-{frames}", work / f"table-{frames}"
    parjob(
        *("train", "--manifest", manifest, "--weights", work / "random.safetensors", "--output", out),
        *("--crops", work / "crops", "--epochs", epochs, "--workers", workers, "--frames", frames),
    )
    minutes = json.loads((out / "run.json").read_text())["seconds"] / 60
    best = out / "best.safetensors"
    parjob("infer", "--manifest", manifest, "--weights", best, "--output", predictions, "--no-ray")
    return predictions, minutes


def score(manifest: Path, predictions: Path, output: Path) -> dict[str, Any]:
    parjob("evaluate", "--manifest", manifest, "--predictions", predictions, "--output", output, "--split", "test")
    found: dict[str, Any] = json.loads((output / "metrics.json").read_text())
    return found


def only_camera(manifest: Path, camera: str, path: Path) -> Path:
    rows = pq.read_table(manifest)
    pq.write_table(rows.filter(pc.equal(rows["camera_id"], camera)), path)
    return path


def learned_rows(out: Path, metrics: dict[str, Any], minutes: float) -> list[list[str]]:
    curve = pq.read_table(out / "metrics.parquet").to_pylist()
    best = next(row for row in reversed(curve) if row["best"])
    first, lowest = curve[0]["val_loss"], min(row["val_loss"] for row in curve)
    gain = metrics["means"]["macro_f1"] - metrics["constant"]["means"]["macro_f1"]
    always = float(np.mean([c["f1_always"] for c in metrics["classes"].values() if c["f1_always"] is not None]))
    accuracy, constant = (m["means"]["group_accuracy"] for m in (metrics, metrics["constant"]))
    return [
        ["validation loss, first epoch to lowest", f"{first:.2f} to {lowest:.2f}", ""],
        [
            "validation macro F1, first epoch to best",
            f"{curve[0]['val_macro_f1']:.3f} to {best['val_macro_f1']:.3f}",
            "",
        ],
        ["test macro F1", measured(metrics, "macro_f1"), f"constant {metrics['constant']['means']['macro_f1']:.3f}"],
        ["gain over the constant", f"{gain:.3f}", f"at least 0.3: {'met' if gain >= 0.3 else 'MISSED'}"],
        [
            "the same, against saying yes to every class",
            f"{metrics['means']['macro_f1'] - always:.3f}",
            f"{always:.3f}",
        ],
        ["test accuracy, mean over groups", f"{accuracy:.3f}", f"constant {constant:.3f}"],
        ["test mA", measured(metrics, "mA"), f"constant {metrics['constant']['means']['mA']:.3f}"],
        ["test paper's F1", f"{metrics['paper']['f1']:.3f}", f"constant {metrics['constant']['paper']['f1']:.3f}"],
        ["time, decoding included", f"{minutes:.1f} min", f"at most 20: {'met' if minutes <= 20 else 'MISSED'}"],
    ]


def measured(metrics: dict[str, Any], name: str) -> str:
    low, high = metrics["intervals"]["means"][name]
    return f"{metrics['means'][name]:.3f} ({low:.3f} to {high:.3f})"


def frames_rows(scores: dict[tuple[int, str], dict[str, Any]]) -> list[list[str]]:
    rows = []
    for where in ("all cameras", CROWDED):
        six, one = scores[6, where], scores[1, where]
        for name in ("macro_f1", "mA", "group_accuracy"):
            pair = [f"{m['means'][name]:.3f}" for m in (one, six)]
            rows.append([where, name, *pair, f"{six['means'][name] - one['means'][name]:+.3f}"])
        temporal = [m["groups"]["gait"]["macro_f1"] for m in (one, six)]
        rows.append([where, "gait macro F1", *(f"{v:.3f}" for v in temporal), f"{temporal[1] - temporal[0]:+.3f}"])
    return rows


def cache_rows(work: Path, manifest: Path) -> list[list[str]]:
    """One epoch's crops from the cache, against decoding the same frames from the footage again."""
    options = TrainOptions(
        manifest=str(manifest),
        weights=str(work / "random.safetensors"),
        output=str(work / "none"),
        crops=str(work / "crops"),
    )
    job = TrainJob.look(options)
    shards = job.shards()
    train = [shard for shard in shards if shard.sampling.frames == options.cache_frames]
    path = work / "store" / "crops.arrow"
    gather_shards([shard.uri for shard in train], str(path))
    labels = job.split.train
    reader = Reader(CropStore(str(path)), Examples(tuple(labels.ids), labels.values), job.frames, "random", 0)
    again = [
        Shard(
            str(work / "again" / f"{i}.parquet"), s.rows, s.preprocess, type(s.sampling)("random", job.frames), s.decode
        )
        for i, s in enumerate(train)
    ]
    cached, decoded = [], []
    for epoch in (1, 2):
        started = time.perf_counter()
        for start in range(0, len(labels), 16):
            reader.read(np.arange(start, min(start + 16, len(labels))), epoch)
        cached.append(time.perf_counter() - started)
        started = time.perf_counter()
        for shard in again:
            shard.write()
        decoded.append(time.perf_counter() - started)
    size = sum(Path(shard.uri).stat().st_size for shard in train)
    return [
        [
            "crops of one epoch",
            f"{min(decoded):.2f} s decoding",
            f"{min(cached):.2f} s from the cache",
            f"{min(decoded) / min(cached):.0f} times faster",
        ],
        ["size of the cache", f"{size / 2**20:.1f} MiB", f"{options.cache_frames} frames a tracklet at most", ""],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("parjob-demo") / "benchmark-training")
    parser.add_argument("--archive", type=Path, help="a rendered archive, with manifest.parquet")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    work: Path = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    archive = options.archive.absolute() if options.archive else work / "street-0"
    manifest = archive / "manifest.parquet"
    if not manifest.exists():
        render_street(StreetConfig(), archive)
    weights(work)
    crowded = only_camera(manifest, CROWDED, work / "crowded.parquet")
    scores: dict[tuple[int, str], dict[str, Any]] = {}
    minutes: dict[int, float] = {}
    for frames in (6, 1):
        predictions, minutes[frames] = run(work, manifest, frames, options.epochs, options.workers)
        for where, labelled in (("all cameras", manifest), (CROWDED, crowded)):
            scores[frames, where] = score(labelled, predictions, work / f"scores-{frames}-{where.replace(' ', '-')}")
    splits = pq.read_table(manifest, columns=["split"])["split"]
    counted = {where: scores[6, where]["counts"]["labelled"] for where in ("all cameras", CROWDED)}
    explained = _EXPLAINED.format(
        tracklets=pc.sum(pc.equal(splits, "train")).as_py(),
        test=counted["all cameras"],
        workers=options.workers,
        epochs=options.epochs,
    )
    compared = (
        f"Six frames against one, the same epochs and batches ({minutes[6]:.1f} and {minutes[1]:.1f} minutes), on "
        f"{counted['all cameras']} test tracklets of all cameras and {counted[CROWDED]} of the crowded one:"
    )
    learned = learned_rows(work / "train-6", scores[6, "all cameras"], minutes[6])
    body = [
        explained,
        table(["six frames", "", ""], learned),
        compared,
        table(["where", "measure", "one frame", "six frames", "gain"], frames_rows(scores)),
        table(["cache", "", "", ""], cache_rows(work, manifest)),
    ]
    write_section("Training", "\n\n".join(body))


if __name__ == "__main__":
    main()
