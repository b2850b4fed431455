"""Every example runs, as its first lines say, on a small rendered street."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

import par_model
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("street")
    config = StreetConfig(seed=1, cameras=1, seconds=3.0, fps=10)
    return str(render_street(config, folder, workers=1, progress=lambda done, total: None))


def run(name: str, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, words)],
        env=os.environ
        | {"PYTHONPATH": str(EXAMPLES.parent), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def own_frames(manifest: str, folder: Path) -> None:
    tracklet = next(t for t in par_model.read_tracklets(manifest) if isinstance(t, par_model.Tracklet))
    for number, image in enumerate(par_model.read_crops(tracklet, frames=3).images):
        Image.fromarray(image).save(folder / f"{number}.png")
    said = run("own_frames.py", *(folder / f"{number}.png" for number in range(3)))
    answer = par_model.recognise([tracklet], frames=3)["top_color"][0].as_py()
    assert f"top_color: {answer} (" in said


def own_importer(manifest: str, folder: Path) -> None:
    boxes = [{"frame": f, "person": p, "left": 5, "top": 6, "right": 25, "bottom": 66} for p in "ab" for f in (7, 3)]
    (folder / "boxes.jsonl").write_text("\n".join(map(json.dumps, boxes)))
    said = run("own_importer.py", folder / "boxes.jsonl", "cam1.mp4", folder / "mine.parquet")
    assert said.strip() == f"{folder}/mine.parquet: 2 tracklets"
    rows = pq.read_table(folder / "mine.parquet").to_pylist()
    assert [(row["tracklet_id"], row["frame_indices"]) for row in rows] == [("cam1-a", [3, 7]), ("cam1-b", [3, 7])]
    assert rows[0]["boxes"][0] == {"x": 5.0, "y": 6.0, "w": 20.0, "h": 60.0}


def own_attributes(manifest: str, folder: Path) -> None:
    said = run("own_attributes.py", manifest, folder / "labelled.parquet")
    assert "helmet, vest_color_yellow, vest_color_orange" in said
    assert said.strip().endswith(f"{len(pq.read_table(manifest))} tracklets, 0 defects")
    assert pq.read_table(folder / "labelled.parquet")["labels"].to_pylist()[:2] == [[1, 0, 1], [-1, -1, -1]]


def own_ray_stage(manifest: str, folder: Path) -> None:
    tracklets = list(par_model.read_tracklets(manifest, limit=8))
    answers = par_model.recognise(tracklets).to_pylist()
    wanted = {f"{row['tracklet_id']} {row['top_color']}" for row in answers if row["status"] == "ok"}
    assert wanted <= set(run("own_ray_stage.py", manifest).splitlines())


def nearest_neighbours(manifest: str, folder: Path) -> None:
    lines = run("nearest_neighbours.py", manifest).splitlines()
    assert len(lines) == min(20, len(pq.read_table(manifest)))
    assert all(" is most like " in line for line in lines)


def score_other_model(manifest: str, folder: Path) -> None:
    said = run("score_other_model.py", manifest, folder / "scores")
    metrics = json.loads((folder / "scores" / "metrics.json").read_text())
    assert f"top colour right: {metrics['groups']['top_color']['accuracy']:.2f} of them" in said
    assert list(metrics["groups"]) == ["top_color"]


CASES: list[Callable[[str, Path], None]] = [
    own_frames,
    own_importer,
    own_attributes,
    own_ray_stage,
    nearest_neighbours,
    score_other_model,
]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_examples_do_what_they_say(case: Callable[[str, Path], None], manifest: str, tmp_path: Path) -> None:
    case(manifest, tmp_path)


def test_every_example_has_a_test_and_a_line_in_the_list_of_examples() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {case.__name__ for case in CASES}
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"examples/{name}.py" in text for name in names)
