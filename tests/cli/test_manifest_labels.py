"""``parjob manifest from-cvat`` and ``from-csv``: what they write, print and refuse."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from par_model import storage
from par_model.attributes import load_schema
from par_model.manifest import Manifest
from par_model.manifest.labels import read_labels
from tests.cli.test_manifest import rows, run
from tests.manifest.importers.cvat_files import box, document, task, track
from tests.video.frame_numbers import write_clip

STREET = load_schema("street")
PERSON = [
    ("hat", "checkbox", ["false"]),
    ("top color", "select", ["__undefined__", "red", "blue"]),
    ("mood", "select", ["__undefined__", "glad", "sad"]),
    ("age", "number", ["0", "99", "1"]),
]
HEAD = task({"person": PERSON, "car": []}, size="256x96")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty frames of 256x96 pixels, 25 a second."""
    return write_clip(tmp_path_factory.mktemp("clip") / "gate.mp4", 20)


def said(hat: str, color: str, mood: str = "glad") -> dict[str, str]:
    return {"hat": hat, "top color": color, "mood": mood, "age": "33"}


@pytest.fixture
def annotations(tmp_path: Path) -> str:
    """Two people and a car, as CVAT exports them."""
    tracks = [
        track(
            0, [box(3, (10, 5, 40, 90), said=said("true", "red")), box(4, (12, 5, 42, 90), said=said("true", "blue"))]
        ),
        track(
            1,
            [
                box(7, (100, 5, 140, 90), said=said("false", "__undefined__", "sad")),
                box(9, (100, 5, 140, 90), outside=1, said=said("false", "__undefined__")),
            ],
        ),
        track(2, [box(0, (1, 1, 9, 9))], label="car"),
    ]
    path = tmp_path / "annotations.xml"
    path.write_text(document(tracks, head=HEAD), encoding="utf-8")
    return str(path)


def from_cvat(clip: Path, tracks: str, output: str, *more: str) -> int:
    return run("from-cvat", "--video", str(clip), "--tracks", tracks, "--output", output, *more)


def sides(row: dict[str, Any]) -> list[tuple[int, ...]]:
    """Frame, left, top, width, height of each box."""
    return [(frame, *of.values()) for frame, of in zip(row["frame_indices"], row["boxes"], strict=True)]


def labels_of(row: dict[str, Any]) -> dict[str, int]:
    return {name: of for name, of in zip(STREET.score_fields, row["labels"], strict=True) if of != -1}


# --- from-cvat --------------------------------------------------------------------------------------------------------


def test_cvats_tracks_and_attributes_become_a_manifest_with_labels(
    clip: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = f"{tmp_path}/m.parquet"
    assert from_cvat(clip, annotations, output, "--schema", "street", "--camera", "c1") == 0
    first, second = rows(output)
    assert (first["tracklet_id"], first["camera_id"], first["video_uri"]) == ("c1-0", "c1", str(clip))
    assert sides(first) == [(3, 10, 5, 30, 85), (4, 12, 5, 30, 85)]
    assert sides(second) == [(7, 100, 5, 40, 85)]
    assert labels_of(first) == {"hat": 1}, "red and blue are level"
    assert labels_of(second) == {"hat": 0}
    absent = [group.name for group in STREET.groups if group.name not in ("hat", "top_color")]
    captured = capsys.readouterr()
    assert captured.err.splitlines() == [
        "attributes that the schema does not know: mood, age",
        f"attributes not annotated: {', '.join(absent)}",
        "top color changes within 1 tracklet: the majority counts, 1 of them without one and so not annotated",
        f"{output}: 2 tracklets, 3 boxes; left out: 1 track of classes that are not people ('car' 1); 1 box marked "
        "outside",
    ]
    assert Manifest.open(output).label_schema == STREET
    assert run("check", output) == 0


def test_without_a_schema_there_are_no_labels_and_that_is_said(
    clip: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = f"{tmp_path}/m.parquet"
    assert from_cvat(clip, annotations, output) == 0
    assert [row["labels"] for row in rows(output)] == [None, None]
    first = capsys.readouterr().err.splitlines()[0]
    assert first == "attributes left out, --schema makes labels of them: age, hat, mood, top color"


def test_auto_makes_the_schema_that_training_reads(
    clip: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, beside = f"{tmp_path}/gate.parquet", f"{tmp_path}/gate.schema.toml"
    assert from_cvat(clip, annotations, output, "--schema", "auto") == 0
    assert capsys.readouterr().err.splitlines()[:2] == [
        "attributes that no schema can hold: age (number input)",
        f"{beside}: 5 classes",
    ]
    schema = load_schema(beside)
    assert schema.score_fields == ("hat", "top_color_red", "top_color_blue", "mood_glad", "mood_sad")
    labels = read_labels(Manifest.open(output), schema)
    assert labels.values.tolist() == [[1, -1, -1, 1, 0], [0, -1, -1, 0, 1]]
    assert run("check", output, "--schema", beside) == 0
    assert from_cvat(clip, annotations, output, "--schema", "auto") == 0, "the same again"


def test_auto_does_not_write_over_a_schema_that_somebody_changed(
    clip: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, beside = f"{tmp_path}/gate.parquet", tmp_path / "gate.schema.toml"
    assert from_cvat(clip, annotations, output, "--schema", "auto") == 0
    better = beside.read_text().replace("a pedestrian: hat", "a person who wears a hat")
    beside.write_text(better)
    before = Path(output).read_bytes()
    capsys.readouterr()
    assert from_cvat(clip, annotations, output, "--schema", "auto") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == (
        f"parjob: {beside}: is there already and differs: take it with --schema {beside}, or remove it so that it is "
        "made anew"
    )
    assert (beside.read_text(), Path(output).read_bytes()) == (better, before)
    assert from_cvat(clip, annotations, output, "--schema", str(beside)) == 0
    assert Manifest.open(output).label_schema == load_schema(str(beside))


def test_another_pictures_size_is_refused_and_scaled_on_demand(
    clip: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(annotations).read_text().replace("<width>256</width><height>96<", "<width>512</width><height>192<")
    Path(annotations).write_text(text)
    output = f"{tmp_path}/m.parquet"
    assert from_cvat(clip, annotations, output) == 1
    assert capsys.readouterr().err == (
        f"parjob: {annotations}: pictures of 512x192 were annotated, but the video's are of 256x96: "
        "--tracks-size 512x192 scales the boxes, if it is the right video\n"
    )
    assert from_cvat(clip, annotations, output, "--tracks-size", "512x192") == 0
    assert sides(rows(output)[0]) == [(3, 5, 2.5, 15, 42.5), (4, 6, 2.5, 15, 42.5)]


def test_frames_beyond_the_videos_end_are_refused(
    clip: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(annotations).write_text(Path(annotations).read_text().replace('frame="7"', 'frame="20"'))
    assert from_cvat(clip, annotations, f"{tmp_path}/m.parquet") == 1
    # No option of this command changes the numbers.
    assert capsys.readouterr().err.endswith("the video's last frame is 19; is it the right video?\n")
    assert not Path(f"{tmp_path}/m.parquet").exists()


def test_ids_of_their_own_are_kept_and_must_not_collide(
    clip: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(annotations).read_text()
    Path(annotations).write_text(text.replace('<attribute name="age">33<', '<attribute name="tracklet_id">x 1<', 1))
    output = f"{tmp_path}/m.parquet"
    assert from_cvat(clip, annotations, output) == 0
    assert [row["tracklet_id"] for row in rows(output)] == ["x 1", "gate-1"]
    Path(annotations).write_text(text.replace('<attribute name="age">33<', '<attribute name="tracklet_id">gate-1<', 1))
    assert from_cvat(clip, annotations, output) == 1
    assert "two tracks are called 'gate-1': choose another --id-prefix" in capsys.readouterr().err


def test_the_archive_that_cvat_exports_may_lie_on_s3(
    s3: Callable[[], str], clip: Path, annotations: str, tmp_path: Path
) -> None:
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(annotations, "annotations.xml")
    bucket = s3()
    storage.write_bytes(f"{bucket}/e.zip", archive.read_bytes())
    storage.write_bytes(f"{bucket}/v.mp4", clip.read_bytes())
    given = ["--video", f"{bucket}/v.mp4", "--tracks", f"{bucket}/e.zip", "--output", f"{bucket}/m.parquet"]
    assert run("from-cvat", *given, "--schema", "auto", "--id-prefix", "gate") == 0
    assert [sides(row) for row in rows(f"{bucket}/m.parquet")][1] == [(7, 100, 5, 40, 85)]
    assert load_schema(f"{bucket}/m.schema.toml").num_classes == 5


def test_corners_are_no_option_of_cvat(clip: Path, annotations: str, tmp_path: Path) -> None:
    assert from_cvat(clip, annotations, f"{tmp_path}/m.parquet", "--corners") == 2


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two videos, of which one lies further down, and one that nobody annotated."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "may").mkdir()
    write_clip(folder / "gate.mp4", 20)
    for name in ("may/door.mp4", "yard.mp4"):
        (folder / name).write_bytes((folder / "gate.mp4").read_bytes())
    return folder


def many(command: str, clips: Path, tracks: Path, output: str, *more: str) -> int:
    return run(command, "--videos", str(clips), "--tracks", str(tracks), "--output", output, *more)


def test_a_folder_of_annotations_becomes_one_manifest_with_one_schema(
    clips: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels of attributes that only one file has are known of its tracks alone; --schema auto takes those of both."""
    folder, output = tmp_path / "exports", f"{tmp_path}/m.parquet"
    folder.mkdir()
    with zipfile.ZipFile(folder / "gate.zip", "w") as archive:
        archive.write(annotations, "annotations.xml")
    head = task({"person": [("vest", "checkbox", ["false"]), ("mood", "select", ["calm", "sad"])]}, size="256x96")
    of_door = [track(0, [box(2, (1, 2, 11, 22), said={"vest": "true", "mood": "calm"})])]
    (folder / "door.xml").write_text(document(of_door, head=head))
    (folder / "cellar.xml").write_text(document(of_door, head=head))
    assert many("from-cvat", clips, folder, output, "--schema", "auto") == 0
    captured = capsys.readouterr()
    assert captured.out == f"no-tracks\t{clips}/yard.mp4\nno-video\t{folder}/cellar.xml\n"
    assert captured.err.splitlines()[-1].startswith(
        f"{output}: 2 videos, 2 files without a partner, 3 tracklets, 4 boxes"
    )
    schema = load_schema(f"{tmp_path}/m.schema.toml")
    assert schema.score_fields == (
        "hat", "top_color_red", "top_color_blue", "mood_glad", "mood_sad", "mood_calm", "vest"
    )  # fmt: skip
    assert {row["tracklet_id"]: row["labels"] for row in rows(output)} == {
        "gate-0": [1, -1, -1, 1, 0, 0, -1],
        "gate-1": [0, -1, -1, 0, 1, 0, -1],
        "may/door-0": [-1, -1, -1, 0, 0, 1, 1],
    }


def test_one_refused_export_of_many_leaves_no_manifest(
    clips: Path, annotations: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "exports", tmp_path / "m.parquet"
    folder.mkdir()
    (folder / "gate.xml").write_text(Path(annotations).read_text())
    (folder / "yard.xml").write_text(Path(annotations).read_text().replace("256", "640"))
    assert many("from-cvat", clips, folder, str(output)) == 1
    error = capsys.readouterr().err
    assert "refused:" in error
    assert "640x96" in error
    assert "1 video of 2 refused, see above; nothing is written" in error
    assert not output.exists()
    (folder / "yard.xml").write_text(
        document([track(0, [box(3, (1, 2, 11, 22), said={"tracklet_id": "anna"})])], head=HEAD)
    )
    (folder / "gate.xml").write_text((folder / "yard.xml").read_text())
    assert many("from-cvat", clips, folder, str(output)) == 1
    assert "tracks of two videos are called 'anna': each needs an id of its own" in capsys.readouterr().err
    assert many("from-cvat", clips, folder, str(output), "--task", "5") == 2


# --- from-csv ---------------------------------------------------------------------------------------------------------

TABLE = """\
frame,id,x,y,w,h,hat,top_color,score
0,1,10,5,30,85,1,red,0.9
1,1,12,5,30,85,1,red,0.9
1,2,100,5,40,85,0,,0.8
"""
COLUMNS = "frame=frame,id=id,x=x,y=y,w=w,h=h"


def from_csv(clip: Path, text: str, output: str, *more: str) -> int:
    tracks = Path(output).with_suffix(".csv")
    tracks.write_text(text)
    return run("from-csv", "--video", str(clip), "--tracks", str(tracks), "--output", output, *more)


def test_a_table_by_its_columns(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = f"{tmp_path}/m.parquet"
    assert from_csv(clip, TABLE, output, "--columns", COLUMNS) == 0
    assert {row["tracklet_id"]: (sides(row), row["labels"]) for row in rows(output)} == {
        "gate-1": ([(0, 10, 5, 30, 85), (1, 12, 5, 30, 85)], None),
        "gate-2": ([(1, 100, 5, 40, 85)], None),
    }
    assert capsys.readouterr().err == f"{output}: 2 tracklets, 3 boxes\n"


def test_further_columns_are_labels(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = f"{tmp_path}/m.parquet"
    assert from_csv(clip, TABLE, output, "--columns", COLUMNS, "--labels", "--schema", "street") == 0
    colors = {name: 0 for name in STREET.score_fields if name.startswith("top_color_")}
    assert [labels_of(row) for row in rows(output)] == [{"hat": 1, **colors, "top_color_red": 1}, {"hat": 0}]
    assert capsys.readouterr().err.splitlines()[0] == "attributes that the schema does not know: score"
    assert run("check", output) == 0


def test_labels_may_be_in_a_file_of_their_own(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("track_id,hat\n2.0,1\n9,0\n")
    output = f"{tmp_path}/m.parquet"
    given = ["--columns", COLUMNS, "--labels", str(labels), "--schema", "street"]
    assert from_csv(clip, TABLE, output, *given) == 0
    assert [labels_of(row) for row in rows(output)] == [{}, {"hat": 1}]
    captured = capsys.readouterr()
    assert captured.out == "no-track\t9\n"
    assert captured.err.splitlines()[0] == f"1 tracklet not in {labels}: all labels -1"
    labels.write_text("tracklet_id,hat\ngate-1,1\n")
    assert from_csv(clip, TABLE, output, *given) == 0
    assert [labels_of(row) for row in rows(output)] == [{"hat": 1}, {}]
    for text, problem in (
        ("track_id,hat\n7,1\n", "no id in column 'track_id' is one of the tracks, for example '7'"),
        ("who,hat\n1,1\n", "has no column of ids (tracklet_id, track_id, id); it has who, hat"),
        ("id,hat\n1,1\n1,0\n", "line 3: '1' is there twice"),
    ):
        labels.write_text(text)
        assert from_csv(clip, TABLE, output, *given) == 1
        assert problem in capsys.readouterr().err


def test_shares_of_the_picture_become_pixels(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "labels"
    folder.mkdir()
    for number in (1, 3):
        (folder / f"gate_{number}.txt").write_text("0 0.5 0.5 0.25 0.5 9\n0 0.25 0.5 0.125 0.5\n2 0.5 0.5 0.1 0.1 4\n")
    output = f"{tmp_path}/m.parquet"
    given = ["--video", str(clip), "--tracks", str(folder), "--output", output, "--preset", "ultralytics"]
    assert run("from-csv", *given) == 1
    assert "say with --people which classes are people; it has '0' 4, '2' 2" in capsys.readouterr().err
    assert run("from-csv", *given, "--people", "0") == 0
    assert [sides(row) for row in rows(output)] == [[(0, 96, 24, 64, 48), (2, 96, 24, 64, 48)]]
    assert capsys.readouterr().err.endswith(
        "1 tracklet, 2 boxes; left out: 2 boxes of classes that are not people ('2' 2); 2 boxes of no track (no track "
        "id)\n"
    )
    assert run("from-csv", *given, "--people", "0", "--frame-step", "7") == 1
    assert "last frame is 19" in capsys.readouterr().err
    assert run("from-csv", *given, "--people", "0", "--tracks-size", "9x9") == 2
    output_before = Path(output).read_bytes()
    for more in (["--labels", "--schema", "street"], ["--schema", "street"]):
        assert run("from-csv", *given, "--people", "0", *more) == 2
        assert "--preset ultralytics: its files have boxes but no labels" in capsys.readouterr().err
    assert Path(output).read_bytes() == output_before
    labels = tmp_path / "labels.csv"
    labels.write_text("id,hat\n9,1\n")
    assert run("from-csv", *given, "--people", "0", "--labels", str(labels), "--schema", "street") == 0
    assert [labels_of(row) for row in rows(output)] == [{"hat": 1}]


KITTI = "0 7 Pedestrian 0 0 0 10 5 40 90 -1 -1 -1 -1 -1 -1 -1\n"


@pytest.mark.parametrize(
    ("files", "given", "found"),
    [
        (
            {"gate.csv": TABLE, "door.csv": "frame,id,x,y,w,h\n4,1,1,2,3,4\n"},
            ["--columns", COLUMNS],
            {"gate-1": 0, "gate-2": 1, "may/door-1": 4},
        ),
        ({"gate.txt": KITTI, "may/door.txt": KITTI}, ["--preset", "kitti"], {"gate-7": 0, "may/door-7": 0}),
        (
            {"labels/gate_1.txt": "0 0.5 0.5 0.25 0.5 9\n", "labels/door_3.txt": "0 0.5 0.5 0.25 0.5 9\n"},
            ["--preset", "ultralytics"],
            {"gate-9": 0, "may/door-9": 2},
        ),
        (
            {
                "gate/00_000_000000.txt": "person 7 0 0 0 10 5 40 90 0 0 0 0 0 0 0\n",
                "door/00_000_000004.txt": "person 7 0 0 0 10 5 40 90 0 0 0 0 0 0 0\n",
            },
            ["--preset", "deepstream-kitti"],
            {"gate-7": 0, "may/door-7": 4},
        ),
    ],
    ids=["columns", "kitti", "ultralytics", "deepstream"],
)
def test_tables_or_folders_of_many_videos_become_one_manifest(
    files: dict[str, str],
    given: list[str],
    found: dict[str, int],
    clips: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, output = tmp_path / "tracks", f"{tmp_path}/m.parquet"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    assert many("from-csv", clips, folder, output, *given) == 0
    assert {row["tracklet_id"]: row["frame_indices"][0] for row in rows(output)} == found
    assert {row["tracklet_id"].rpartition("-")[0]: row["video_uri"] for row in rows(output)} == {
        name: str(clips / f"{name}.mp4") for name in ("gate", "may/door")
    }
    captured = capsys.readouterr()
    assert captured.out == f"no-tracks\t{clips}/yard.mp4\n"
    assert f"{output}: 2 videos, 1 file without a partner, {len(found)} tracklets" in captured.err


@pytest.mark.parametrize(
    ("preset", "files"),
    [
        (
            "ultralytics",
            {
                "gate_1.txt": "0 0.5 0.5 0.25 0.5 9\n",
                "deeper/gate_3.txt": "0 0.5 0.5 0.25 0.5 9\n",
                "deeper/x.txt": "\n",
            },
        ),
        (
            "deepstream-kitti",
            {
                "gate/00_000_000000.txt": "person 9 0 0 0 10 5 40 90 0 0 0 0 0 0 0\n",
                "gate/deeper/gate/00_000_000002.txt": "person 9 0 0 0 10 5 40 90 0 0 0 0 0 0 0\n",
            },
        ),
    ],
)
def test_frames_of_a_video_further_down_are_not_taken_for_those_of_one_above(
    preset: str, files: dict[str, str], clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are called gate, or one lies below the other's folder."""
    videos, folder, output = tmp_path / "videos", tmp_path / "tracks", f"{tmp_path}/m.parquet"
    below = "deeper/gate" if preset == "ultralytics" else "gate/deeper/gate"
    for name in ("gate", below):
        (videos / name).parent.mkdir(parents=True, exist_ok=True)
        (videos / f"{name}.mp4").write_bytes((clips / "gate.mp4").read_bytes())
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    assert many("from-csv", videos, folder, output, "--preset", preset) == 0
    assert {row["tracklet_id"]: row["frame_indices"] for row in rows(output)} == {"gate-9": [0], f"{below}-9": [2]}
    assert capsys.readouterr().err == f"{output}: 2 videos, 2 tracklets, 2 boxes\n"


def test_no_two_videos_begin_at_one_time_that_is_given(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "tracks", f"{tmp_path}/m.parquet"
    folder.mkdir()
    given = ["--preset", "kitti", "--start-time", "2026-05-01T12:00:00"]
    (folder / "gate.txt").write_text(KITTI)
    assert many("from-csv", clips, folder, output, *given) == 0
    assert [row["start_time"].isoformat() for row in rows(output)] == ["2026-05-01T12:00:00+00:00"]
    (folder / "door.txt").write_text(KITTI)
    assert many("from-csv", clips, folder, output, *given) == 2
    assert "--start-time: is one video's, but there are 2; --name-pattern takes times" in capsys.readouterr().err


def test_one_refused_of_many_that_lie_beside_each_other_is_named(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = tmp_path / "tracks", f"{tmp_path}/m.parquet"
    folder.mkdir()
    for name in ("gate_1", "door_30"):
        (folder / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.5 9\n")
    assert many("from-csv", clips, folder, output, "--preset", "ultralytics") == 1
    assert capsys.readouterr().err.startswith(f"refused: {folder}/door_*.txt: 1 of 1 boxes are on frames up to 29")


def test_one_file_of_labels_is_of_all_videos(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, output = tmp_path / "tracks", f"{tmp_path}/m.parquet"
    folder.mkdir()
    for name in ("gate", "door"):
        (folder / f"{name}.csv").write_text(TABLE)
    labels = tmp_path / "labels.csv"
    labels.write_text("tracklet_id,hat\ngate-2,1\nmay/door-1,0\n")
    given = ["--columns", COLUMNS, "--schema", "street", "--labels", str(labels)]
    assert many("from-csv", clips, folder, output, *given) == 0
    assert {row["tracklet_id"]: labels_of(row) for row in rows(output)} == {
        "gate-1": {}, "gate-2": {"hat": 1}, "may/door-1": {"hat": 0}, "may/door-2": {},
    }  # fmt: skip
    assert f"2 tracklets not in {labels}: all labels -1" in capsys.readouterr().err
    (folder / "gate.csv").write_text("")
    assert many("from-csv", clips, folder, output, *given[:-1], str(tmp_path / "absent.csv")) == 1
    assert capsys.readouterr().err == f"parjob: cannot read {tmp_path}/absent.csv: there is no such file or folder\n"
    assert many("from-csv", clips, folder, output, "--columns", COLUMNS, "--sequence", "a") == 2
    assert "--sequence does not apply to --videos" in capsys.readouterr().err


def test_label_studios_percent_and_frame_rate_are_those_of_the_clip(clip: Path, tmp_path: Path) -> None:
    keys = [
        {"frame": of, "enabled": of < 9, "x": x, "y": 0, "width": 25, "height": 50, "rotation": 0, "time": of / 12.5}
        for of, x in ((1, 0), (9, 50))
    ]
    results = [
        {"id": "r", "type": "videorectangle", "value": {"sequence": keys, "labels": ["Person"]}},
        {"id": "r", "type": "choices", "from_name": "hat", "value": {"choices": ["yes"]}},
    ]
    path = tmp_path / "t.json"
    path.write_text(json.dumps([{"id": 1, "annotations": [{"id": 2, "result": results}]}]))
    output = f"{tmp_path}/m.parquet"
    given = ["--video", str(clip), "--tracks", str(path), "--output", output, "--preset", "label-studio"]
    assert run("from-csv", *given, "--schema", "street") == 0
    (row,) = rows(output)
    # Half as many numbers as frames: each number is two frames, 6.25 percent of 256 pixels apart.
    assert sides(row) == [(frame, 16 * (frame // 2), 0, 64, 48) for frame in range(18)]
    assert labels_of(row) == {"hat": 1}


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ([], "give --preset NAME, or --columns frame=...,id=..."),
        (["--preset", "kitti", "--columns", COLUMNS], "give --preset NAME, or --columns"),
        (["--columns", "frame=frame"], "needs frame, id and x,y,w,h"),
        (["--columns", COLUMNS, "--labels"], "--labels needs --schema"),
        (["--preset", "mot"], "Invalid value for '--preset'"),
        (["--columns", COLUMNS, "--people", "1"], "--people needs a column that says what a box is of"),
    ],
)
def test_what_is_not_said_rightly_is_wrong_usage(
    more: list[str], problem: str, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert from_csv(clip, TABLE, f"{tmp_path}/m.parquet", *more) == 2
    assert problem in capsys.readouterr().err


def test_corners_that_are_called_sizes_are_found_out(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "frame,id,x,y,w,h\n0,1,200,20,250,95\n1,1,202,20,252,95\n"
    output = f"{tmp_path}/m.parquet"
    assert from_csv(clip, text, output, "--columns", COLUMNS) == 1
    assert "Then say --corners" in capsys.readouterr().err
    assert from_csv(clip, text, output, "--columns", COLUMNS, "--corners") == 0
    assert sides(rows(output)[0]) == [(0, 200, 20, 50, 75), (1, 202, 20, 50, 75)]


def test_steps_that_no_video_has_are_wrong_usage(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert from_csv(clip, TABLE, f"{tmp_path}/m.parquet", "--columns", COLUMNS, "--frame-step", "9" * 20) == 2
    assert "Invalid value for '--frame-step'" in capsys.readouterr().err
