"""What ``import par_model`` offers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import par_model
from par_model.cli.track import track_runner
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.errors import FailureCode, TrackletError
from par_model.tracking.runner import LocalTracking
from par_model.video.options import DecodeOptions
from tests.archive import assert_same_table, write_archive
from tests.labelling.results import write_run
from tests.labelling.test_apply import write_answers
from tests.tracking.colours import ColourDetector, write_walks

NAMES = [
    "AttributeSchema",
    "Failure",
    "Manifest",
    "ParError",
    "RawCrops",
    "RecogniseStage",
    "Tracklet",
    "apply_answers",
    "check_manifest",
    "choose_tracklets",
    "evaluate",
    "infer",
    "load_schema",
    "load_weights",
    "read_crops",
    "read_tracklets",
    "recognise",
    "track",
    "write_manifest",
]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_archive(tmp_path_factory.mktemp("archive"), bad=True)


def test_the_exported_names_are_these_and_each_says_what_it_is() -> None:
    assert par_model.__all__ == NAMES
    assert set(NAMES) <= set(dir(par_model))
    for name in NAMES:
        assert len(getattr(par_model, name).__doc__) > 40, name
    with pytest.raises(AttributeError, match="'par_model' has no attribute 'recognize'"):
        par_model.recognize  # noqa: B018


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'ray', 'av', 'decord', 'open_clip', 'pyarrow', 'duckdb', 'pandas', 'numpy', 'pydantic', 'click'}"
    code = f"import sys, par_model; print(sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_job_loads_what_it_needs_when_it_is_called() -> None:
    heavy = "{'torch', 'ray', 'av', 'decord', 'open_clip', 'pyarrow', 'duckdb', 'pydantic', 'click', 'trackers'}"
    used = "par_model.track, par_model.choose_tracklets, par_model.apply_answers, par_model.infer, par_model.evaluate"
    code = f"import sys, par_model; {used}; print(sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_recognising_in_memory_gives_the_rows_of_the_job(manifest: str, tiny_weights: Path, tmp_path: Path) -> None:
    par_model.infer(manifest, str(tiny_weights), str(tmp_path / "out"), embedding=True)
    table = pq.read_table(tmp_path / "out" / "attributes")
    found = par_model.recognise(
        par_model.read_tracklets(manifest), str(tiny_weights), embedding=True, batch_size=3, device="cpu"
    )
    assert found.column_names[:2] == ["tracklet_id", "status"]
    assert_same_table(found, table.select(found.column_names))


def test_crops_that_one_has_are_recognised_as_those_that_are_read(manifest: str, tiny_weights: Path) -> None:
    tracklets = [t for t in par_model.read_tracklets(manifest, limit=4) if isinstance(t, par_model.Tracklet)]
    crops = [par_model.read_crops(tracklet, frames=3) for tracklet in tracklets]
    assert [c.images[0].shape for c in crops] == [(80, 49, 3)] * 4
    read = par_model.recognise(tracklets, str(tiny_weights), frames=3)
    own = par_model.recognise(
        [par_model.RawCrops.of_images(c.tracklet_id, c.images) for c in crops], str(tiny_weights), frames=3
    )
    assert_same_table(own.select(["tracklet_id", "scores"]), read.select(["tracklet_id", "scores"]))
    assert own["sampled_frames"].to_pylist() == [[0, 1, 2]] * 4
    assert own["num_frames"].to_pylist() == [3] * 4


def test_nothing_to_recognise_is_an_empty_table(tiny_weights: Path) -> None:
    table = par_model.recognise([], str(tiny_weights))
    assert (len(table), table.column_names[0]) == (0, "tracklet_id")


def test_a_frame_that_cannot_be_read_is_an_error_with_its_code(manifest: str) -> None:
    by_id = {t.tracklet_id: t for t in par_model.read_tracklets(manifest)}
    assert isinstance(by_id["invalid-tracklet"], par_model.Failure)
    missing = by_id["video-not-found"]
    assert isinstance(missing, par_model.Tracklet)
    with pytest.raises(TrackletError) as caught:
        par_model.read_crops(missing)
    assert caught.value.code == FailureCode.VIDEO_NOT_FOUND


def test_defects_of_a_manifest(manifest: str) -> None:
    assert [(d.tracklet_id, str(d.code)) for d in par_model.check_manifest(manifest)] == [
        ("invalid-tracklet", "indices-not-increasing")
    ]


def test_people_of_bare_videos_become_a_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("par_model.tracking.look.load_detector", lambda location, **more: ColourDetector())
    video = str(write_walks(tmp_path / "a.mp4"))
    asked: dict[str, Any] = {"every": 2, "min_length": 20, "device": "cpu", "decode": DecodeOptions(damaged="use")}
    made = par_model.track(video, "colours", str(tmp_path / "tracked"), **asked)
    assert (made["exit_code"], made["manifest"]) == (0, f"{tmp_path}/tracked/tracklets.parquet")
    assert {name: made["fingerprint"][name] for name in ("every", "min_length", "damaged", "join")} == {
        **{"every": 2, "min_length": 20, "damaged": "use", "join": None}
    }
    found = [t for t in par_model.read_tracklets(made["manifest"]) if isinstance(t, par_model.Tracklet)]
    assert {t.tracklet_id: t.num_frames for t in found} == {"a-0": 25, "a-1": 27}
    assert found[0].frame_indices is not None
    assert (np.diff(found[0].frame_indices) == 2).all()
    assert par_model.track([video], "colours", str(tmp_path / "tracked"), **asked)["run_id"] == made["run_id"]
    with pytest.raises(par_model.ParError, match="--every is 0: must be at least 1"):
        par_model.track(video, "colours", str(tmp_path / "tracked"), every=0)
    with pytest.raises(TypeError, match="evry"):
        par_model.track(video, "colours", str(tmp_path / "tracked"), evry=2)


@pytest.mark.slow
def test_people_of_a_rendered_street_are_tracked_and_recognised(tmp_path: Path) -> None:
    """The detector and the weights that ship, on a street that neither has seen."""
    config = StreetConfig(seed=411, cameras=1, seconds=2, people_per_minute=40)
    render_street(config, tmp_path / "street", workers=1)
    made = par_model.track(f"{tmp_path}/street/videos", "demo", f"{tmp_path}/tracked", device="cpu", every=2)
    table = par_model.recognise(par_model.read_tracklets(made["manifest"]), frames=2, device="cpu")
    assert made["counts"]["tracklets"] == len(table) > 0
    assert set(table["status"].to_pylist()) == {"ok"}


def test_tracklets_are_chosen_and_answers_become_labels(tmp_path: Path) -> None:
    out, manifest = write_run(tmp_path)
    chosen = par_model.choose_tracklets(str(manifest), f"{tmp_path}/chosen.parquet", predictions=str(out), count=6)
    assert (chosen.count, chosen.by) == (6, {"uncertain": 4, "diverse": 1, "stratified": 1})
    ids = pq.read_table(chosen.output)["tracklet_id"].to_pylist()
    eva = write_answers(tmp_path / "eva.json", "eva", {name: {"hat": "yes"} for name in ids})
    tom = write_answers(tmp_path / "tom.json", "tom", {name: {"hat": "yes"} for name in ids[1:]})
    applied = par_model.apply_answers(str(manifest), [eva, tom], f"{tmp_path}/labelled.parquet")
    assert (applied.labelled, applied.authors) == (6, {"eva": 6, "tom": 5})
    labels = {row["tracklet_id"]: row["labels"] for row in pq.read_table(applied.output).to_pylist()}
    assert sorted(name for name, values in labels.items() if values is not None) == sorted(ids)
    asked: dict[str, Any] = {"split_shares": (0.5, 0.25, 0.25), "split_by": ("person",)}
    divided = par_model.apply_answers(str(manifest), eva, f"{tmp_path}/divided.parquet", **asked)
    assert {name: divided.splits[name] for name in ("train", "val", "test")} == {"train": 3, "val": 2, "test": 1}
    with pytest.raises(par_model.ParError, match=r"--split-shares is '0\.7/0\.7/0': give three shares that add up"):
        par_model.apply_answers(str(manifest), eva, f"{tmp_path}/none.parquet", split_shares=(0.7, 0.7, 0.0))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "no images"),
        ([np.zeros((4, 4), np.uint8)], r"uint8 \[h, w, 3\], got uint8 \(4, 4\)"),
        ([np.zeros((4, 4, 3))], "got float64"),
    ],
)
def test_images_that_are_no_pictures(images: list[np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        par_model.RawCrops.of_images("own", images)


@pytest.mark.parametrize(("cpus", "threads"), [(None, 1), (1, 1), (2, 1), (8, 7)])
def test_tracking_leaves_a_core_to_the_process_that_decodes(
    cpus: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the command without Ray does."""
    found: list[int] = []

    def run_tracking(options: object, make_runner: Callable[[], Any], *, retry_failed: bool) -> dict[str, Any]:
        with make_runner() as runner:
            found.append(runner.threads)
        return {}

    monkeypatch.setattr("os.cpu_count", lambda: cpus)
    monkeypatch.setattr("par_model.tracking.job.run_tracking", run_tracking)
    par_model.track("v.mp4", "demo", "out")
    with track_runner("cpu", None, None, address=None, no_ray=True) as runner:
        assert isinstance(runner, LocalTracking)
        assert found == [runner.threads] == [threads]
