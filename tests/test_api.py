"""What ``import par_model`` offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import par_model
from par_model.errors import FailureCode, TrackletError
from tests.archive import assert_same_table, write_archive

NAMES = [
    "AttributeSchema",
    "Failure",
    "Manifest",
    "ParError",
    "RawCrops",
    "RecogniseStage",
    "Tracklet",
    "check_manifest",
    "evaluate",
    "infer",
    "load_schema",
    "load_weights",
    "read_crops",
    "read_tracklets",
    "recognise",
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
