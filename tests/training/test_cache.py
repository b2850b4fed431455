"""Crops are decoded once, reused by fingerprint, and gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from par_model.choices import DECODE_BUDGET
from par_model.errors import StorageError, UsageError
from par_model.manifest.read import Manifest
from par_model.manifest.write import write_manifest
from par_model.sampling import Sampling
from par_model.training.cache import Shard, failures, missing_shards, plan_shards
from par_model.training.inputs import Examples
from par_model.training.job import TrainJob
from par_model.training.options import TrainOptions
from par_model.training.store import CropStore, gather_shards
from par_model.types import Crops, Preprocess
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage
from tests.archive import video_row, write_archive
from tests.video.footage import write_tracks

IN_PROCESS = DecodeOptions(isolate=False)
EXAMPLES = Examples(("t0", "t1"), np.ones((2, 1), np.int8))


def shards_of(
    manifest: str, folder: Path, *, frames: int = 8, height: int = 64, decode: DecodeOptions = IN_PROCESS
) -> list[Shard]:
    opened = Manifest.open(manifest)
    return plan_shards(
        opened,
        np.arange(opened.num_rows),
        str(folder),
        content=opened.content_fingerprint(),
        preprocess=Preprocess(height=height, width=32),
        sampling=Sampling("uniform", frames),
        decode=decode,
    )


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_archive(tmp_path_factory.mktemp("archive"), bad=True)


def test_crops_are_those_that_infer_would_decode(
    manifest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("par_model.training.cache._SHARD_TRACKLETS", 5)
    shards = shards_of(manifest, tmp_path)
    assert [len(shard.rows) for shard in shards] == [5, 5, 4]
    assert missing_shards(shards) == shards
    assert shards[1].write() == 5
    assert {shard.uri for shard in missing_shards(shards) if not shard.again} == {shards[0].uri, shards[2].uri}
    for shard in missing_shards(shards):
        shard.write()
    again = missing_shards(shards_of(manifest, tmp_path))
    assert sorted(i for shard in again for i in shard.rows["tracklet_id"].to_pylist()) == sorted(failures(shards))
    assert all(shard.again for shard in again)
    assert len(missing_shards(shards_of(manifest, tmp_path, frames=9))) == 3
    assert len(missing_shards(shards_of(manifest, tmp_path, height=32))) == 3
    bad = failures(shards)
    assert {tracklet_id: why.partition(":")[0] for tracklet_id, why in bad.items()} == {name: name for name in bad}
    assert len(bad) == 4

    gather_shards([shard.uri for shard in shards], str(tmp_path / "local" / "crops.arrow"))
    store = CropStore(str(tmp_path / "local" / "crops.arrow"))
    (tmp_path / "local" / "crops.arrow").unlink()
    assert store.num_frames("t4") == 2  # of two frames, none twice
    stage = DecodeStage(shards[0].preprocess, Sampling("uniform", 8), shards[0].decode)
    rows = [t for batch in Manifest.open(manifest).iter_batches() for t in _good(batch)]
    compared = 0
    for crops in stage(rows):
        assert isinstance(crops, Crops)
        if crops.tracklet_id == "t4":
            continue
        kept = store.pixels(crops.tracklet_id, np.arange(8))
        assert np.abs(kept.astype(int) - crops.pixels).mean() < 3  # JPEG
        compared += 1
    assert compared == 9


def _good(batch: object) -> list[object]:
    from par_model.manifest.tracklets import tracklets
    from par_model.types import Tracklet

    return [t for t in tracklets(batch) if isinstance(t, Tracklet) and t.tracklet_id.startswith("t")]  # type: ignore[arg-type]


def written_store(manifest: str, folder: Path) -> CropStore:
    """All crops of the manifest, decoded, written and gathered."""
    (shard,) = shards_of(manifest, folder)
    shard.write()
    gather_shards([shard.uri], str(folder / "crops.arrow"))
    return CropStore(str(folder / "crops.arrow"))


def test_training_by_cost_keeps_and_sees_the_frames_that_infer_takes(tmp_path: Path) -> None:
    manifest = write_archive(tmp_path / "archive")
    options = TrainOptions(manifest=manifest, weights="", output=str(tmp_path / "out"), sampling="cheap", frames=3)
    header: Any = SimpleNamespace(preprocess=Preprocess(height=64, width=32))
    split: Any = SimpleNamespace(train=SimpleNamespace(rows=np.arange(8)), val=SimpleNamespace(rows=np.arange(8, 10)))
    job = TrainJob(options, Manifest.open(manifest), header, split, 3, "c", {})
    shards = job.shards()
    stage = DecodeStage(None, Sampling("cheap", 3), IN_PROCESS)
    rows = [t for batch in Manifest.open(manifest).iter_batches() for t in _good(batch)]
    expected = {crops.tracklet_id: sorted(set(crops.sampled_frames.tolist())) for crops in stage(rows)}
    assert expected["t9"] != Sampling("uniform", 3).positions(20, "t9").tolist()
    kept = {}
    for shard in shards:
        shard.write()
        kept |= {row["tracklet_id"]: row["frames"] for row in pq.read_table(shard.uri).to_pylist()}
    assert kept == expected
    other = replace(job, options=replace(options, decode_budget=0.5)).shards()
    assert {shard.uri for shard in other}.isdisjoint(shard.uri for shard in shards)
    assert options.results()["decode_budget"] == DECODE_BUDGET
    assert "decode_budget" not in replace(options, sampling="uniform").results()
    with pytest.raises(UsageError, match="--sampling cheap needs --decoder pyav"):
        replace(options, decode=DecodeOptions(decoder="decord"))


def test_a_place_that_cannot_be_written_is_a_storage_error(manifest: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (shard,) = shards_of(manifest, tmp_path / "file")
    with pytest.raises(StorageError, match="file"):
        shard.write()


def test_what_failed_is_tried_again_and_a_torn_shard_is_written_anew(tmp_path: Path) -> None:
    manifest = write_archive(tmp_path)
    videos = sorted({str(row["video_uri"]) for b in Manifest.open(manifest).iter_batches() for row in b.to_pylist()})
    away = Path(videos[0].removeprefix("file://"))
    away.rename(away.with_suffix(".away"))
    (shard,) = shards_of(manifest, tmp_path / "crops")
    shard.write()
    lost = failures([shard])
    assert lost
    assert all(why.startswith("video-not-found") for why in lost.values())
    (again,) = missing_shards([shard])
    assert again.write() == len(lost)
    assert failures([shard]) == lost
    before = {r["tracklet_id"]: r for r in pq.read_table(shard.uri.removeprefix("file://")).to_pylist()}

    away.with_suffix(".away").rename(away)
    (again,) = missing_shards([shard])
    assert again.write() == len(lost)
    assert missing_shards([shard]) == []
    after = {r["tracklet_id"]: r for r in pq.read_table(shard.uri.removeprefix("file://")).to_pylist()}
    assert after.keys() == before.keys()
    assert all(after[i] == row for i, row in before.items() if i not in lost)
    assert all(after[i]["crops"] for i in lost)

    file = Path(shard.uri.removeprefix("file://"))
    file.write_bytes(file.read_bytes()[:100])
    assert missing_shards([shard]) == [shard]


def test_crops_are_of_the_video_track_that_is_asked_for(tmp_path: Path) -> None:
    both = write_tracks(tmp_path / "both.mp4", [range(20), range(1000, 1020)])
    rows = [video_row(f"t{i}", both, [3, 9], video_stream=stream) for i, stream in enumerate((None, 1, 0, None))]
    manifest = str(tmp_path / "m.parquet")
    write_manifest(manifest, rows)
    first = shards_of(manifest, tmp_path / "crops")
    second = shards_of(manifest, tmp_path / "crops", decode=DecodeOptions(isolate=False, video_stream=1))
    other = shards_of(manifest, tmp_path / "crops", decode=DecodeOptions(isolate=False, unflagged_matrix="bt709"))
    assert len({shard.uri for shard in (*first, *second, *other)}) == 3
    crops = []
    for (shard,) in (first, second):
        shard.write()
        found = pq.read_table(shard.uri.removeprefix("file://")).to_pylist()
        crops.append({row["tracklet_id"]: row["crops"] for row in found})
    of_first, of_second = crops
    assert of_first["t0"] == of_first["t2"] == of_first["t3"] == of_second["t2"]
    assert of_first["t1"] == of_second["t0"] == of_second["t1"] == of_second["t3"]
    assert of_first["t0"] != of_first["t1"]
