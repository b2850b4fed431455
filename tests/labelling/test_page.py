"""The labelling page: what it knows of each tracklet, and what it must not tell."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from par_model.errors import ManifestError, UsageError
from par_model.labelling import page as page_module
from par_model.labelling.choose import RANK, WHY
from par_model.labelling.options import LabelPageOptions
from par_model.labelling.page import run_label_page
from par_model.manifest import write_manifest
from tests.cli.run import parjob
from tests.report.results import SCHEMA, failed_row, ok_row, write_result
from tests.report.test_page import policy_hashes

OTHER = """
name = "other"
[[groups]]
name = "hat"
kind = "binary"
text = "a hat"
[[groups]]
name = "top_color"
kind = "exclusive"
classes = [{ value = "green", text = "g" }, { value = "red", text = "r" }]
[[groups]]
name = "umbrella"
kind = "binary"
text = "an umbrella"
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run over t0 (red, hat), t1 (blue, no hat) and x (failed); its manifest is beside it."""
    return write_result(tmp_path, [ok_row("t0", "red", hat=0.9), ok_row("t1", "blue", hat=0.2), failed_row("x")])


def ranked(manifest: Path) -> None:
    """Order the rows x, t0, t1, with reasons."""
    table = pq.read_table(manifest)
    table = table.append_column(RANK, pa.array([2, 3, 1], pa.int32()))
    pq.write_table(table.append_column(WHY, pa.array(["hat 0.90", None, "camera 2"])), manifest)


def written(folder: Path, **options: Any) -> str:
    output = folder / "label.html"
    run_label_page(LabelPageOptions(str(folder / "manifest.parquet"), str(output), **options))
    return output.read_text(encoding="utf-8")


def element(page: str, name: str) -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_tracklets_come_in_the_order_of_their_ranks_with_predictions_and_reasons(out: Path, tmp_path: Path) -> None:
    ranked(tmp_path / "manifest.parquet")
    data = element(written(tmp_path, predictions=str(out), author="eva"), "data")
    assert [t["id"] for t in data["tracklets"]] == ["x", "t0", "t1"]
    assert [t["why"] for t in data["tracklets"]] == ["camera 2", "hat 0.90", None]
    assert data["groups"] == [
        {"name": "top_color", "answers": ["red", "blue", "green"]},
        {"name": "backpack", "answers": ["yes", "no"]},
        {"name": "hat", "answers": ["yes", "no"]},
    ]
    assert [t.get("predicted") for t in data["tracklets"]] == [
        [None, None, None],
        [[0, 0.8], [1, 0.9], [0, 0.9]],
        [[1, 0.8], [1, 0.9], [1, 0.8]],
    ]
    assert (data["schema"], data["schema_name"], data["author"], data["blind"]) == (
        *(SCHEMA.to_toml(), "small"),
        *("eva", False),
    )
    assert data["schema_sha256"] == hashlib.sha256(SCHEMA.to_toml().encode()).hexdigest()


def test_the_page_asks_nobody_and_runs_nothing_but_its_own(out: Path, tmp_path: Path) -> None:
    page = written(tmp_path, predictions=str(out))
    allowed, own = policy_hashes(page)
    assert allowed == own
    assert not re.search(r"https?://", page)


def test_who_is_blind_sees_no_predictions_and_no_reasons(out: Path, tmp_path: Path) -> None:
    ranked(tmp_path / "manifest.parquet")
    page = written(tmp_path, predictions=str(out), blind=True)
    data = element(page, "data")
    assert data["blind"] is True
    assert all(t["why"] is None and "predicted" not in t for t in data["tracklets"])
    assert "0.90" not in page


def test_predictions_are_those_of_the_groups_and_values_that_both_schemas_have(out: Path, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(OTHER)
    output = tmp_path / "label.html"
    options = {"schema": str(tmp_path / "other.toml"), "predictions": str(out)}
    made = run_label_page(LabelPageOptions(str(tmp_path / "manifest.parquet"), str(output), **options))  # type: ignore[arg-type]
    data = element(output.read_text(), "data")
    assert [t["predicted"] for t in data["tracklets"]] == [
        [[0, 0.9], [1, 0.8], None],
        [[1, 0.8], None, None],  # blue is no class of this schema
        [None, None, None],
    ]
    assert (made.tracklets, made.groups, made.predicted_tracklets, made.predicted_groups) == (3, 3, 2, 2)


def test_crops_are_those_of_the_tracklet_in_their_own_size_each_once(out: Path, tmp_path: Path) -> None:
    page = written(tmp_path)
    crops = [Image.open(io.BytesIO(base64.b64decode(webp))).convert("RGB") for webp in element(page, "crops-0")]
    assert [crop.size for crop in crops] == [(20, 40), (20, 40)]
    (r, _, b), (r2, _, b2) = (crop.resize((1, 1)).getpixel((0, 0)) for crop in crops)  # type: ignore[misc]
    assert (r > 180, b < 60, r2 < 60, b2 > 180) == (True, True, True, True)
    assert element(page, "data")["tracklets"][0]["frames"] == [0, 1]


def test_a_large_crop_is_made_smaller_without_distortion(tmp_path: Path) -> None:
    Image.new("RGB", (600, 1200)).save(tmp_path / "large.png")
    row = {"tracklet_id": "t", "image_uris": [str(tmp_path / "large.png")]}
    write_manifest(str(tmp_path / "manifest.parquet"), [row], label_schema=SCHEMA)
    (crop,) = element(written(tmp_path), "crops-0")
    assert Image.open(io.BytesIO(base64.b64decode(crop))).size == (192, 384)


def test_what_cannot_be_read_is_on_the_page_with_the_reason(tmp_path: Path) -> None:
    Image.new("RGB", (8, 16)).save(tmp_path / "a.png")
    rows = [
        {"tracklet_id": "bad", "video_uri": "v.mp4", "frame_indices": []},
        {"tracklet_id": "gone", "image_uris": [str(tmp_path / "gone.png")]},
        {"tracklet_id": "good", "image_uris": [str(tmp_path / "a.png")]},
    ]
    write_manifest(str(tmp_path / "manifest.parquet"), rows, label_schema=SCHEMA)
    page = written(tmp_path)
    shown = element(page, "data")["tracklets"]
    assert [t["id"] for t in shown] == ["bad", "gone", "good"]
    assert "frame_indices is empty" in shown[0]["missing"]
    assert shown[1]["missing"].startswith("image-not-found: ")
    assert [len(element(page, f"crops-{i}")) for i in range(3)] == [0, 0, 1]


def test_tracklets_of_the_same_ids_on_another_day_are_others(tmp_path: Path) -> None:
    def fingerprint(day: str, name: str, frames: list[int], x: float, **more: Any) -> str:
        box = {"x": x, "y": 0.0, "w": 9.0, "h": 9.0}
        row = {"video_uri": f"{day}/{name}", "frame_indices": frames, "boxes": [box] * len(frames)} | more
        write_manifest(str(tmp_path / "m.parquet"), [{"tracklet_id": "cam1-1"} | row])
        page = str(tmp_path / "p.html")
        run_label_page(LabelPageOptions(str(tmp_path / "m.parquet"), page, schema="street"))
        return str(element(Path(page).read_text(), "data")["tracklets_sha256"])

    one = fingerprint("monday", "cam1.mp4", [1, 2], 0.0)
    assert one == fingerprint("moved", "cam1.mp4", [1, 2], 0.0)
    others = [
        fingerprint("monday", "cam1.mp4", [1, 3], 0.0),
        fingerprint("monday", "cam1.mp4", [1, 2], 1.0),
        fingerprint("monday", "cam2.mp4", [1, 2], 0.0),
        fingerprint("monday", "", [], 0.0, video_uri=None, frame_indices=None, boxes=None, image_uris=["a.png"]),
    ]
    assert len({one, *others}) == 5


def test_what_is_refused(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = str(tmp_path / "manifest.parquet")
    with pytest.raises(UsageError, match="exists and is no HTML page"):
        run_label_page(LabelPageOptions(manifest, manifest))
    with pytest.raises(UsageError, match="lies among the table's files"):
        run_label_page(LabelPageOptions(manifest, str(out / "attributes" / "p.html"), predictions=str(out)))
    with pytest.raises(UsageError, match=r"--author is 'e\\nva': must be one line of text"):
        LabelPageOptions(manifest, str(tmp_path / "p.html"), author="e\nva")
    monkeypatch.setattr(page_module, "MOST", 2)
    with pytest.raises(ManifestError, match="has 3 tracklets, and a page takes 2 at most: choose"):
        run_label_page(LabelPageOptions(manifest, str(tmp_path / "p.html")))
    monkeypatch.undo()
    still = {"image_uris": [str(tmp_path / "a.png")]}
    write_manifest(manifest, [{"tracklet_id": "t", **still}])
    with pytest.raises(ManifestError, match="does not say which schema its labels follow: give it with --schema"):
        run_label_page(LabelPageOptions(manifest, str(tmp_path / "p.html")))
    pq.write_table(pa.Table.from_pylist([{"tracklet_id": "t", **still}] * 2), manifest)
    with pytest.raises(ManifestError, match="'t'"):
        run_label_page(LabelPageOptions(manifest, str(tmp_path / "p.html"), schema="street"))
    assert not (tmp_path / "p.html").exists()


def test_the_command_says_what_is_on_the_page(out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("label", "page", "--manifest", tmp_path / "manifest.parquet", "--output", tmp_path / "p.html")
    assert parjob(*asked, "--predictions", out) == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "parjob: predictions for 3 of 3 groups, on 2 of 3 tracklets"
    assert said.out.startswith(f"{tmp_path}/p.html: 3 tracklets, 0.0 MB; open it in a browser")
    assert parjob(*asked, "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["tracklets"], made["groups"], made["predicted_groups"]) == (3, 3, 0)
