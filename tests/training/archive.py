"""A small labelled archive of still crops whose colours say the labels, so that a few epochs can learn them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from PIL import Image

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.manifest.write import write_manifest
from par_model.training.job import run_training
from par_model.training.local import LocalTrainer
from par_model.training.options import TrainOptions
from tests.tiny import write_tiny_weights

SCHEMA = AttributeSchema(
    "uniforms",
    (
        AttributeGroup("helmet", "binary", (AttributeClass("helmet", "a helmet"),)),
        AttributeGroup("vest", "exclusive", tuple(AttributeClass(v, f"a {v} vest") for v in ("red", "green", "blue"))),
        AttributeGroup("boots", "binary", (AttributeClass("boots", "boots"),)),
    ),
)
_COLORS = ((220, 40, 40), (40, 200, 40), (40, 40, 220))


def write_stills(folder: Path, count: int, *, frames: int = 4) -> list[dict[str, Any]]:
    """Tracklets of stills, 64x32: a white band on top is the helmet, the rest has the vest's colour. Boots are never
    annotated. Two tracklets are one person; splits by turns: four train, one val, one test."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    rows = []
    for i in range(count):
        helmet, vest = int(rng.random() < 0.4), int(rng.integers(3))
        uris = []
        for k in range(frames):
            picture = np.empty((64, 32, 3), np.uint8)
            picture[:] = _COLORS[vest]
            picture[:20] = 250 if helmet else 90
            noisy = np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"{i:03d}-{k}.png")
            uris.append(str(folder / f"{i:03d}-{k}.png"))
        labels = [helmet, *(int(vest == v) for v in range(3)), -1]
        split = ("train", "train", "train", "train", "val", "test")[i // 2 % 6]
        rows.append(
            {
                "tracklet_id": f"s{i:03d}",
                "image_uris": uris,
                "labels": labels,
                "person_id": f"p{i // 2}",
                "split": split,
            }
        )
    return rows


def write_labelled(folder: Path, count: int = 36, **changes: Any) -> str:
    """The manifest's path. changes: columns that every row gets."""
    rows = [row | changes for row in write_stills(folder / "stills", count)]
    path = str(folder / "manifest.parquet")
    write_manifest(path, rows, further=[pa.field("person_id", pa.string())], label_schema=SCHEMA)
    return path


@dataclass(frozen=True)
class Archive:
    """36 tracklets: 24 train, 6 val, 6 test. crops: a folder that runs share, so that they decode once."""

    manifest: str
    weights: str
    crops: str

    def options(self, output: Path | str, **others: Any) -> TrainOptions:
        """Two epochs of three steps, unless said otherwise."""
        asked: dict[str, Any] = {"manifest": self.manifest, "weights": self.weights, "crops": self.crops}
        return TrainOptions(**(asked | {"output": str(output), "epochs": 2, "batch_size": 8} | others))


def make_archive(folder: Path) -> Archive:
    """Weights without drop-path, so that the number of workers makes no difference."""
    weights = write_tiny_weights(folder / "w.safetensors", SCHEMA, drop_path=0.0)
    return Archive(write_labelled(folder), weights, str(folder / "crops"))


def train_here(options: TrainOptions, device: Literal["cpu", "cuda"] = "cpu") -> dict[str, Any]:
    """In this process, without Ray."""
    return run_training(options, lambda: nullcontext(LocalTrainer(device)))
