"""`train --sampling cheap`: crops are decoded once as `infer --sampling cheap` decodes them, and that is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from par_model.api import read_tracklets
from par_model.errors import OutputError
from par_model.manifest.write import write_manifest
from par_model.model.weights import read_header
from par_model.sampling import Sampling
from par_model.training import loop
from par_model.training.cache import Shard
from par_model.training.options import TrainOptions
from par_model.types import RawCrops
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage
from tests.archive import video_row
from tests.tiny import write_tiny_weights
from tests.training.archive import SCHEMA, train_here
from tests.training.test_job import Killed, killed_epoch
from tests.video.frame_numbers import write_clip

BUDGET = 0.1
UNIFORM = Sampling("uniform", 3)


def write_clips(folder: Path) -> str:
    """A manifest of eight tracklets of two clips, each with key frames 25 apart and in it."""
    rows = []
    for i in range(8):
        clip = folder / f"{i % 2}.mp4"
        if not clip.exists():
            write_clip(clip, 120, options={"g": "25", "bf": "0", "sc_threshold": "0"})
        labels = [i % 2, *(int(i % 3 == vest) for vest in range(3)), -1]
        more = {"labels": labels, "split": "val" if i > 5 else "train"}
        rows.append(video_row(f"t{i}", str(clip), range(4 * i, 4 * i + 70)) | more)
    path = str(folder / "manifest.parquet")
    write_manifest(path, rows, label_schema=SCHEMA)
    return path


def frames_of(manifest: str, sampling: Sampling) -> dict[str, list[int]]:
    """What ``infer`` sees."""
    found = {}
    for crops in DecodeStage(None, sampling, DecodeOptions(isolate=False))(read_tracklets(manifest)):
        assert isinstance(crops, RawCrops)
        found[crops.tracklet_id] = crops.sampled_frames.tolist()
    return found


def test_crops_are_those_of_infer_the_budget_is_recorded_and_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, weights = write_clips(tmp_path), write_tiny_weights(tmp_path / "w.safetensors", SCHEMA, drop_path=0.0)
    out, crops = tmp_path / "out", tmp_path / "crops"

    def options(**more: Any) -> TrainOptions:
        asked: dict[str, Any] = {"sampling": "cheap", "decode_budget": BUDGET, "frames": 3, "epochs": 2}
        where = {"manifest": manifest, "weights": weights, "output": str(out), "crops": str(crops)}
        return TrainOptions(**where, batch_size=3, **(asked | more))

    with monkeypatch.context() as patch:
        patch.setattr(loop, "train_epoch", killed_epoch)
        with pytest.raises(Killed):
            train_here(options())
    with pytest.raises(OutputError, match=r"differs in decode_budget \(0.1 there, 0.5 now\)"):
        train_here(options(decode_budget=0.5))
    with pytest.raises(OutputError, match="differs in"):
        train_here(options(sampling="uniform"))
    monkeypatch.setattr(Shard, "write", lambda _: pytest.fail("decoded again"))
    summary = train_here(options())
    assert (summary["epochs"], summary["counts"]) == (2, {"train": 6, "val": 2, "failed": 0})
    assert json.loads((out / "run.json").read_text())["options"] == summary["options"]
    for recorded in (summary["options"], read_header(str(out / "last.safetensors")).training["options"]):
        assert (recorded["sampling"], recorded["decode_budget"], recorded["frames"]) == ("cheap", BUDGET, 3)

    kept = {
        row["tracklet_id"]: row["frames"]
        for file in crops.rglob("*.parquet")
        for row in pq.read_table(file).to_pylist()
    }
    assert kept == frames_of(manifest, Sampling("cheap", 3, decode_budget=BUDGET))
    assert all(any(frame % 25 == 0 for frame in frames) for frames in kept.values())
    assert kept != frames_of(manifest, UNIFORM)
