"""``parjob crops``."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from par_model import storage
from par_model.cli import main
from par_model.cli.crops import folder_name
from tests.video.footage import flat, write_flat, write_tracks
from tests.video.frame_numbers import read, write_clip

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("tracklet_id", "expected"),
    [
        ("0001C1T0001", "0001C1T0001"),
        ("cam-1_7", "cam-1_7"),
        ("a.b..c", "a.b..c"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "%2E.%2E"),
        (".hidden.", "%2Ehidden%2E"),
        ("a/b", "a%2Fb"),
        ("../../etc", "%2E.%2F..%2Fetc"),
        ("50%~ä", "50%25%7E%C3%A4"),
        ("x" * 150, "x" * 150),
        ("x" * 151, "x" * 150 + "~" + hashlib.sha256(b"x" * 151).hexdigest()[:12]),
    ],
)
def test_folder_names_are_percent_encoded(tracklet_id: str, expected: str) -> None:
    assert folder_name(tracklet_id) == expected


@given(IDS)
def test_a_folder_name_is_one_safe_component_that_tells_the_id(tracklet_id: str) -> None:
    name = folder_name(tracklet_id)
    assert re.fullmatch(r"[A-Za-z0-9_.%~-]{1,163}", name)
    assert not name.startswith(".")
    assert not name.endswith(".")
    if "~" not in name:
        assert unquote(name) == tracklet_id


@given(IDS, IDS)
def test_different_ids_have_different_folders(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one == other)


@given(st.text("ab/.", min_size=140, max_size=170), st.text("ab/.", min_size=140, max_size=170))
def test_different_long_ids_have_different_folders(one: str, other: str) -> None:
    assert (folder_name(one) == folder_name(other)) == (one == other)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 40)


def write_manifest(path: Path, rows: list[tuple[str, str, list[int], list[list[float]] | None]]) -> None:
    box = pa.struct([(side, pa.float32()) for side in "xywh"])
    columns = {
        "tracklet_id": pa.array([r[0] for r in rows], pa.string()),
        "video_uri": pa.array([r[1] for r in rows], pa.string()),
        "frame_indices": pa.array([r[2] for r in rows], pa.list_(pa.int32())),
        "boxes": pa.array([r[3] and [dict(zip("xywh", b, strict=True)) for b in r[3]] for r in rows], pa.list_(box)),
    }
    pq.write_table(pa.table(columns), path)


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["crops", *args])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def index(folder: Path) -> dict[str, dict[str, str]]:
    text = (folder / "crops.csv").read_text()
    return {row["tracklet_id"]: row for row in csv.DictReader(io.StringIO(text))}


def test_crops_are_the_sampled_frames_cut_and_undistorted(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    boxes = [[10.5, 40, 20, 30]] * 20
    write_manifest(
        tmp_path / "m.parquet", [("a/b", "clip.mp4", list(range(20)), None), ("b", str(clip), [*range(20)], boxes)]
    )
    (tmp_path / "clip.mp4").symlink_to(clip)
    assert run("--manifest", str(tmp_path / "m.parquet"), "--output", str(out)) == 0
    assert capsys.readouterr().out == f"{out}: 12 crops of 2 tracklets; 0 failed (see crops.csv)\n"
    frames = [1, 5, 8, 11, 15, 18]
    assert sorted(p.name for p in (out / "a%2Fb").iterdir()) == sorted(f"{frame}.png" for frame in frames)
    for frame in frames:
        whole = np.asarray(Image.open(out / "a%2Fb" / f"{frame}.png"))
        assert read(whole) == frame
        assert np.array_equal(np.asarray(Image.open(out / "b" / f"{frame}.png")), whole[40:70, 10:31])
    assert index(out)["a/b"] == {
        "tracklet_id": "a/b", "folder": "a%2Fb", "frames": "1 5 8 11 15 18", "error": "", "message": ""
    }  # fmt: skip


def test_failed_tracklets_are_in_the_index_and_many_of_them_in_the_exit_code(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest(tmp_path / "m.parquet", [("good", str(clip), [0], None), ("late", str(clip), [99], None)])
    options = ["--manifest", str(tmp_path / "m.parquet"), "--output", str(tmp_path / "out"), "--json"]
    assert run(*options) == 3
    assert json.loads(capsys.readouterr().out) == {"tracklets": 2, "failed": 1, "crops": 1}
    row = index(tmp_path / "out")["late"]
    assert (row["folder"], row["error"]) == ("", "frame-out-of-range")
    assert "frame 99" in row["message"]
    assert run(*options, "--max-failure-rate", "0.5") == 0


def test_again_with_other_frames_leaves_none_of_the_first_run(clip: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", [("a", str(clip), [*range(40)], None)])
    options = ["--manifest", str(tmp_path / "m.parquet"), "--output", str(tmp_path / "out")]
    assert run(*options) == 0
    (tmp_path / "out" / "a" / "notes.txt").write_text("mine")
    assert run(*options, "--frames", "2", "--sampling", "first") == 0
    assert sorted(p.name for p in (tmp_path / "out" / "a").iterdir()) == ["0.png", "1.png", "notes.txt"]


def test_stills_are_named_by_their_positions(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(np.full((20, 10, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    columns = {
        "tracklet_id": pa.array(["0001C1T0001"]),
        "image_uris": pa.array([[f"{i}.png" for i in range(3)]], pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    assert run("--manifest", str(tmp_path / "m.parquet"), "--output", str(tmp_path / "out")) == 0
    assert index(tmp_path / "out")["0001C1T0001"]["frames"] == "0 0 1 1 2 2"
    for i in range(3):
        assert (np.asarray(Image.open(tmp_path / "out" / "0001C1T0001" / f"{i}.png")) == 40 * i).all()


def test_limit_takes_the_first_rows(clip: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", [(name, str(clip), [3], None) for name in "zyx"])
    assert run("--manifest", str(tmp_path / "m.parquet"), "--output", str(tmp_path / "out"), "--limit", "2") == 0
    assert list(index(tmp_path / "out")) == ["z", "y"]


def test_crops_go_to_object_stores(clip: Path, tmp_path: Path) -> None:
    import fsspec

    write_manifest(tmp_path / "m.parquet", [("a", str(clip), [3], None)])
    assert run("--manifest", str(tmp_path / "m.parquet"), "--output", f"memory://crops-{tmp_path.name}") == 0
    found = fsspec.filesystem("memory").cat_file(f"/crops-{tmp_path.name}/a/3.png")
    assert read(np.asarray(Image.open(io.BytesIO(found)))) == 3


def test_everything_may_lie_in_s3(s3: Callable[[], str], clip: Path, tmp_path: Path) -> None:
    bucket = s3()
    storage.write_bytes(f"{bucket}/videos/clip.mp4", clip.read_bytes())
    write_manifest(tmp_path / "m.parquet", [("a", "../videos/clip.mp4", [3, 21], None)])
    storage.write_bytes(f"{bucket}/manifests/m.parquet", (tmp_path / "m.parquet").read_bytes())
    out = f"{bucket}/crops"
    assert run("--manifest", f"{bucket}/manifests/m.parquet", "--output", out, "--frames", "2") == 0
    assert read(np.asarray(Image.open(io.BytesIO(storage.read_bytes(f"{out}/a/21.png"))))) == 21
    assert [f.uri for f in storage.list_files(out)] == [f"{out}/a/21.png", f"{out}/a/3.png", f"{out}/crops.csv"]


@pytest.mark.parametrize(
    ("options", "code", "line"),
    [
        (["--frames", "0"], 2, "--frames is 0: must be at least 1"),
        (["--decode-budget", "nan"], 2, "--decode-budget is nan: must be above 0 and at most 1"),
        (["--limit", "0"], 2, "--limit is 0: must be at least 1"),
        (["--video-timeout", "-1"], 2, "--video-timeout is -1.0: must be above 0"),
        (["--max-failure-rate", "7"], 2, "--max-failure-rate is 7.0: must be at least 0 and at most 1"),
        (["--split", "train"], 1, "has no tracklet of split 'train'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    options: list[str], code: int, line: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifest(tmp_path / "m.parquet", [("a", str(clip), [3], None)])
    assert run("--manifest", str(tmp_path / "m.parquet"), "--output", str(tmp_path / "out"), *options) == code
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_id_with_the_name_of_the_index_fails_alone(clip: Path, tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", [("crops.csv", str(clip), [3], None), ("a", str(clip), [3], None)])
    assert run("--manifest", str(tmp_path / "m.parquet"), "--output", str(tmp_path / "out")) == 3
    row = index(tmp_path / "out")["crops.csv"]
    assert (row["folder"], row["error"]) == ("", "invalid-tracklet")
    assert "rename the tracklet" in row["message"]
    assert index(tmp_path / "out")["a"]["frames"] == "3 3 3 3 3 3"


def test_importing_the_command_loads_nothing_heavy() -> None:
    check = "import sys, par_model.cli.crops; print(*{'av', 'torch', 'ray', 'decord', 'PIL', 'numpy'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_the_video_track_and_the_matrix_are_as_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = write_tracks(tmp_path / "both.mp4", [range(9), range(1000, 1009)])
    unsaid = write_flat(tmp_path / "unsaid.mp4", [flat((73, 111, 203))] * 9, "libx264")  # red of BT.709
    write_manifest(tmp_path / "m.parquet", [("both", both, [4], None), ("unsaid", unsaid, [4], None)])
    options = ["--manifest", str(tmp_path / "m.parquet"), "--output", str(tmp_path / "out")]

    def crop(name: str) -> np.ndarray:
        return np.asarray(Image.open(tmp_path / "out" / name / "4.png"))

    assert run(*options) == 0
    assert read(crop("both")) == 4
    assert np.abs(crop("unsaid")[30, 30] - np.array([185, 11, 31])).max() <= 4
    monkeypatch.setenv("PARJOB_CROPS_UNFLAGGED_MATRIX", "bt709")
    assert run(*options, "--video-stream", "1", "--max-failure-rate", "0.5") == 0
    assert read(crop("both")) == 1004
    assert index(tmp_path / "out")["unsaid"]["error"] == "video-unreadable"
    assert run(*options) == 0
    assert np.abs(crop("unsaid")[30, 30] - np.array([200, 30, 30])).max() <= 4
    assert run(*options, "--video-stream", "-1") == 2
    assert run(*options, "--decoder", "decord") == 2
