"""``parjob manifest``: what it prints, its exit codes, and what it writes, locally and on S3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model import storage
from par_model.attributes import load_schema
from par_model.cli import main
from par_model.manifest import Manifest, write_manifest
from par_model.manifest.schema import COLUMNS
from tests.manifest.examples import box, on_images, on_video, write
from tests.video.frame_numbers import write_clip

UNEVEN = [0, 1, 2, 7, 8, 20, 21, 22, 60, 61]
TRACKS = "3,2,10,20,30,40,1,-1,-1,-1\n1,1,5.5,6,7,8,1,-1,-1,-1\n9,1,6.5,6,7,8,1,-1,-1,-1\n"


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["manifest", *args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def rows(uri: str) -> list[dict[str, Any]]:
    return [row for batch in Manifest.open(uri).iter_batches() for row in batch.to_pylist()]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten frames at uneven times, in 1/25 s."""
    return write_clip(tmp_path_factory.mktemp("clip") / "gate.north.mp4", len(UNEVEN), times=UNEVEN)


@pytest.fixture
def tracks(tmp_path: Path) -> str:
    path = tmp_path / "tracks.txt"
    path.write_text(TRACKS, encoding="utf-8")
    return str(path)


# --- from-mot ---------------------------------------------------------------------------------------------------------


def test_tracks_become_a_manifest_that_checks_clean(
    clip: Path, tracks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    output = str(tmp_path / "m.parquet")
    assert run("from-mot", "--video", clip.name, "--tracks", tracks, "--output", output) == 0
    assert capsys.readouterr().err.strip() == f"{output}: 2 tracklets, 3 boxes"
    assert pq.read_schema(output) == pa.schema([field for field in COLUMNS if field.name != "video_stream"])
    common = {"video_uri": str(clip), "image_uris": None, "camera_id": None, "start_time": None, "split": None}
    common |= {"labels": None, "video_stream": None, "_defect": None}
    assert rows(output) == [
        common
        | {"tracklet_id": "gate.north-1", "frame_indices": [0, 8], "_row": 0}
        | {"boxes": [box(5.5, 6.0, 7.0, 8.0), box(6.5, 6.0, 7.0, 8.0)]},
        common
        | {"tracklet_id": "gate.north-2", "frame_indices": [2], "boxes": [box(10.0, 20.0, 30.0, 40.0)], "_row": 1},
    ]
    assert run("check", output) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "prefix"), [(["--camera", "c9"], "c9"), (["--camera", "c9", "--id-prefix", "x"], "x")]
)
def test_ids_take_the_prefix_else_the_camera(
    options: list[str], prefix: str, clip: Path, tracks: str, tmp_path: Path
) -> None:
    output = str(tmp_path / "m.parquet")
    assert run("from-mot", "--video", str(clip), "--tracks", tracks, "--output", output, *options) == 0
    assert [(row["tracklet_id"], row["camera_id"]) for row in rows(output)] == [
        (f"{prefix}-1", "c9"),
        (f"{prefix}-2", "c9"),
    ]


def test_start_times_follow_the_videos_own_timestamps(clip: Path, tracks: str, tmp_path: Path) -> None:
    output = str(tmp_path / "m.parquet")
    given = ["--start-time", "2026-05-01T14:00:00.5+02:00"]
    assert run("from-mot", "--video", str(clip), "--tracks", tracks, "--output", output, *given) == 0
    assert [row["start_time"] for row in rows(output)] == [
        datetime(2026, 5, 1, 12, 0, 0, 500_000, tzinfo=UTC),
        datetime(2026, 5, 1, 12, 0, 0, 580_000, tzinfo=UTC),
    ]


def test_a_track_beyond_the_videos_end_is_refused_with_the_last_frame(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = tmp_path / "late.txt"
    late.write_text("4,1,5,5,9,9\n63,2,5,5,9,9\n", encoding="utf-8")
    output = tmp_path / "m.parquet"
    assert run("from-mot", "--video", str(clip), "--tracks", str(late), "--output", str(output)) == 1
    assert capsys.readouterr().err == (
        f"parjob: {late}: 1 of 2 boxes are on frames up to 62, but the video's last frame is 9; is it the right video, "
        "and does the file count every frame (--frame-step), from the right one (--first-frame)?\n"
    )
    assert not output.exists()


def test_images_of_a_constant_rate_are_told_by_their_number_and_mapped_on_request(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the clip's ten frames at 0, 1, 2, 7, 8, 20, 21, 22, 60, 61 ffmpeg 5.1 extracts 62 images."""
    tracks = tmp_path / "images.txt"
    tracks.write_text("".join(f"{image},1,{image},5,9,9\n" for image in range(1, 63)), encoding="utf-8")
    output = str(tmp_path / "m.parquet")
    given = ["--video", str(clip), "--tracks", str(tracks), "--output", output]
    assert run("from-mot", *given) == 1
    assert "at a constant rate of 25 a second, the video gives 62 images" in capsys.readouterr().err
    assert run("from-mot", *given, "--numbering", "constant-rate") == 0
    assert "left out: 52 boxes on images that repeat a frame" in capsys.readouterr().err
    (row,) = rows(output)
    assert row["frame_indices"] == list(range(10))
    # The first image of each frame, as read off the numbers that ffmpeg's images show.
    assert [int(b["x"]) - 1 for b in row["boxes"]] == [0, 1, 2, 6, 8, 19, 21, 22, 59, 61]


def test_images_of_another_rate_are_mapped_as_the_option_says(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the clip's ten frames ffmpeg -vf fps=5 extracts 12 images, of the frames 2, 3, 4 and 7."""
    tracks = tmp_path / "images.txt"
    tracks.write_text("".join(f"{image},1,{image},5,9,9\n" for image in range(1, 13)), encoding="utf-8")
    output = str(tmp_path / "m.parquet")
    given = ["from-mot", "--video", str(clip), "--tracks", str(tracks), "--output", output]
    assert run(*given, "--numbering", "fps-filter", "--image-rate", "5") == 0
    assert "left out: 8 boxes on images that repeat a frame" in capsys.readouterr().err
    (row,) = rows(output)
    assert row["frame_indices"] == [2, 3, 4, 7]
    assert [int(b["x"]) for b in row["boxes"]] == [1, 2, 3, 5]
    assert run(*given, "--numbering", "constant-rate", "--image-rate", "1") == 1
    assert "image 12 is beyond the" in capsys.readouterr().err
    for wrong, said in (
        (["--image-rate", "5"], "--image-rate needs --numbering constant-rate"),
        (["--numbering", "fps-filter"], "--numbering fps-filter needs --image-rate"),
        (["--numbering", "fps-filter", "--image-rate", "0"], "0 images a second are none"),
        (["--numbering", "fps-filter", "--image-rate", "fast"], "'fast' is not a rate such as 5"),
    ):
        assert run(*given, *wrong) == 2
        assert said in capsys.readouterr().err


def test_what_is_left_out_is_counted(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = tmp_path / "gt.txt"
    text = "1 1 5 5 9 9 1 1 1\n2 1 5 5 9 9 1 1 1\n2 1 5 5 9 9 1 1 1\n1 2 5 5 9 9 1 1 1\n1 3 5 5 9 9 0 1 1\n"
    truth.write_text(text, encoding="utf-8")
    output = str(tmp_path / "m.parquet")
    given = ["--video", str(clip), "--tracks", str(truth), "--output", output]
    assert run("from-mot", *given, "--min-length", "2") == 0
    assert [row["tracklet_id"] for row in rows(output)] == ["gate.north-1"]
    assert capsys.readouterr().err.splitlines() == [
        f"{output}: 1 tracklet, 2 boxes; left out: 1 ground-truth row of confidence 0; 1 track of fewer than 2 boxes; "
        "merged: 1 repeated row",
    ]
    before = rows(output)
    assert run("from-mot", *given, "--min-length", "3") == 1
    assert capsys.readouterr().err.startswith(f"parjob: {truth}: no tracks are left to write; 0 tracklets, 0 boxes")
    assert rows(output) == before


@pytest.mark.parametrize("wrong", ["video", "tracks", "folder"])
def test_what_cannot_be_read_is_one_line_and_nothing_is_written(
    wrong: str, clip: Path, tracks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    none = str(tmp_path / "none")
    video = {"video": none, "folder": str(tmp_path)}.get(wrong, str(clip))
    output = tmp_path / "m.parquet"
    given = ["--video", video, "--tracks", none if wrong == "tracks" else tracks, "--output", str(output)]
    assert run("from-mot", *given) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"parjob: cannot read {tmp_path if wrong == 'folder' else none}")
    assert not output.exists()


def test_a_time_that_is_none_is_wrong_usage(
    clip: Path, tracks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--video", str(clip), "--tracks", tracks, "--output", str(tmp_path / "m.parquet")]
    assert run("from-mot", *given, "--start-time", "noon") == 2
    assert "'noon' is not an ISO 8601 time" in capsys.readouterr().err


def test_options_come_from_the_environment(
    clip: Path, tracks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "m.parquet")
    assert run("from-mot", "--video", str(clip), "--tracks", tracks) == 2
    assert "PARJOB_MANIFEST_FROM_MOT_OUTPUT" in capsys.readouterr().err
    monkeypatch.setenv("PARJOB_MANIFEST_FROM_MOT_OUTPUT", output)
    monkeypatch.setenv("PARJOB_MANIFEST_FROM_MOT_CAMERA", "from env")
    assert run("from-mot", "--video", str(clip), "--tracks", tracks) == 0
    assert rows(output)[0]["tracklet_id"] == "from env-1"


def test_every_uri_may_be_on_s3(
    s3: Callable[[], str], clip: Path, tracks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket = s3()
    for source, name in ((str(clip), "v.mp4"), (tracks, "t.txt")):
        storage.write_bytes(f"{bucket}/{name}", Path(source).read_bytes())
    given = ["--video", f"{bucket}/v.mp4", "--tracks", f"{bucket}/t.txt", "--start-time", "2026-05-01T12:00:00Z"]
    assert run("from-mot", *given, "--output", f"{bucket}/m/m.parquet") == 0
    assert (
        run("from-mot", "--video", str(clip), *given[2:], "--id-prefix", "v", "--output", f"{tmp_path}/l.parquet") == 0
    )
    local = [row | {"video_uri": f"{bucket}/v.mp4"} for row in rows(f"{tmp_path}/l.parquet")]
    assert rows(f"{bucket}/m/m.parquet") == local
    capsys.readouterr()
    assert run("check", f"{bucket}/m") == 0
    assert run("show", f"{bucket}/m/*.parquet") == 0
    assert run("check", f"{bucket}/none") == 1
    captured = capsys.readouterr()
    assert "videos     1, 3 frames" in captured.out
    assert f"parjob: manifest {bucket}/none: there is no such file or folder" in captured.err


# --- check ------------------------------------------------------------------------------------------------------------


def broken(tmp_path: Path) -> str:
    nasty = on_video("a\tb\nc\\", boxes=[box(0, 0, 1, 1)])
    return write(tmp_path / "m.parquet", [on_video("ok"), nasty, on_video(None), on_images("ok", "/1.jpg")])


def test_check_prints_one_line_a_defect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", broken(tmp_path)) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "row 1\ta\\tb\\nc\\\\\tlengths-differ\t2 frame_indices but 1 boxes",
        "row 2\t\tnull-id\ttracklet_id is null",
        "row 3\tok\tduplicate-id\ttracklet_id is already that of row 0",
    ]
    assert captured.err == "4 rows, 3 defects\n"


def test_check_prints_json_for_machines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", broken(tmp_path), "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"], document["count"]) == (4, 3)
    assert document["defects"][0] == {
        "row": 1,
        "tracklet_id": "a\tb\nc\\",
        "code": "lengths-differ",
        "message": "2 frame_indices but 1 boxes",
    }
    assert document["defects"][1]["tracklet_id"] is None
    assert run("check", write(tmp_path / "ok.parquet", [on_video("ok")]), "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"rows": 1, "defects": [], "count": 0}


def test_check_knows_the_labels_by_the_file_or_by_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labelled = [on_video("a", labels=[0] * 36)]
    uri = str(tmp_path / "m.parquet")
    write_manifest(uri, labelled, label_schema=load_schema("mars"))
    assert run("check", uri) == 1
    assert "labels has 36 values, but schema mars has 43" in capsys.readouterr().out
    assert run("check", uri, "--schema", "duke") == 0
    capsys.readouterr()
    assert run("check", write(tmp_path / "plain.parquet", labelled)) == 0
    assert "give --schema" in capsys.readouterr().err
    assert run("check", uri, "--schema", "marz") == 1


@pytest.mark.parametrize("kind", ["none", "text", "empty"])
def test_what_is_no_manifest_is_one_line(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.parquet"
    if kind == "text":
        path.write_text("tracklet_id\n", encoding="utf-8")
    elif kind == "empty":
        write(path, [])
    assert run("check", str(path)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    expected = {"none": "there is no such file", "text": "is not Parquet", "empty": "has no rows"}[kind]
    assert expected in captured.err


# --- show -------------------------------------------------------------------------------------------------------------


def test_show_counts_what_a_manifest_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = [1, 0, -1] + [-1] * 40
    uri = str(tmp_path / "m.parquet")
    found = [
        on_video("a", labels=labels),
        on_video("b", video_uri="/b.mp4", frame_indices=[1], boxes=[box(0, 0, float("nan"), 1)], camera_id="south"),
        on_images("c", "/1.jpg", "/2.jpg", labels=labels, split="test"),
    ]
    write_manifest(uri, found, label_schema=load_schema("mars"))
    assert run("show", uri, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    counts = {name: document[name] for name in ("rows", "tracklets", "files", "videos", "frames", "images", "labelled")}
    assert counts == {"rows": 3, "tracklets": 3, "files": 1, "videos": 2, "frames": 3, "images": 2, "labelled": 2}
    assert {c["value"]: c["tracklets"] for c in document["cameras"]} == {"north": 1, "south": 1, None: 1}
    assert {s["value"]: s["tracklets"] for s in document["splits"]} == {"train": 2, "test": 1}
    assert document["labels"][:3] == [
        {"name": "short_sleeves", "positive": 2, "negative": 0, "not_annotated": 0},
        {"name": "short_bottoms", "positive": 0, "negative": 2, "not_annotated": 0},
        {"name": "shoulder_bag", "positive": 0, "negative": 0, "not_annotated": 2},
    ]
    assert document["columns"]["start_time"] == "timestamp[ms, tz=UTC]"
    assert [(row["row"], row["tracklet_id"]) for row in document["examples"]] == [(0, "b"), (1, "a"), (2, "c")]
    assert document["examples"][0]["boxes"] == [{"x": 0, "y": 0, "w": None, "h": 1}]
    assert run("show", uri) == 0
    text = capsys.readouterr().out
    assert "rows       3 in 1 file\n" in text
    assert "cameras    south (1), north (1), none (1)\n" in text
    assert "splits     train (2), test (1)\n" in text
    assert ["short_sleeves", "2", "0", "0"] in [line.split() for line in text.splitlines()]
    assert ["tracklet_id", "b"] in [line.split() for line in text.splitlines()]


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = "import sys, par_model.cli.manifest; print(*sorted(m.split('.')[0] for m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."}
    ).stdout.split()
    assert not {"torch", "ray", "av", "pandas", "pyarrow", "numpy", "fsspec", "duckdb"} & set(loaded)


# --- convert ----------------------------------------------------------------------------------------------------------


def test_convert_says_what_it_wrote_and_doubts_empty_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = [{"tracklet_id": "a", "video_uri": "/a.mp4", "frame_indices": [1, 2], "boxes": [[90, 5, 30, 60]] * 2}]
    pq.write_table(pa.Table.from_pylist(listed), tmp_path / "m.parquet")
    made = str(tmp_path / "made.parquet")
    assert run("convert", "--manifest", str(tmp_path / "m.parquet"), "--output", made) == 2
    assert "missing option --box-format: give --box-format or set PARJOB_MANIFEST_CONVERT_BOX_FORMAT" in (
        capsys.readouterr().err
    )
    asked = ("convert", "--manifest", str(tmp_path / "m.parquet"), "--output", made, "--box-format")
    assert run(*asked, "xyxy") == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{made}: 1 tracklet, 2 boxes",
        "2 of them empty, with a width or height that is not above 0: are the boxes xywh? "
        f"`parjob manifest check {made}` names them",
    ]
    assert run(*asked, "xywh") == 0
    assert capsys.readouterr().err.splitlines() == [f"{made}: 1 tracklet, 2 boxes"]
    assert rows(made)[0]["boxes"] == [box(90.0, 5.0, 30.0, 60.0)] * 2
    assert run("check", made) == 0
