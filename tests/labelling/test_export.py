"""Chosen tracklets go out as CVAT's tracks, and `from-cvat` brings them back equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.errors import ManifestError, SchemaError
from par_model.labelling.export import export_cvat
from par_model.manifest.write import write_manifest
from tests.archive import FRAMES, video_row, write_clips
from tests.cli.run import parjob

STREET = load_schema("street")
HAT = STREET.score_fields.index("hat")


def labels(**said: int) -> list[int]:
    """Labels of the schema street, -1 where nothing is said."""
    return [said.get(name, -1) for name in STREET.score_fields]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_clips(folder)
    return folder


def rows_of(archive: Path) -> list[dict[str, Any]]:
    """Two tracklets of a.mp4, of which one pauses and one has labels, and one of b.mp4 to its last frame."""
    return [
        video_row("t<1>", f"{archive}/a.mp4", [3, 4, 9, 10], labels=labels(hat=1)),
        video_row("t2", f"{archive}/a.mp4", range(5, 30)),
        video_row("t3", f"{archive}/b.mp4", range(40, FRAMES), labels=labels(hat=0)),
    ]


def told(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    none = [-1] * STREET.num_classes
    return {
        row["tracklet_id"]: (row["video_uri"], list(row["frame_indices"]), row["boxes"], row["labels"] or none)
        for row in rows
    }


def test_there_and_back(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = str(tmp_path / "m.parquet")
    still = {"tracklet_id": "still", "image_uris": ["/1.jpg"]}
    write_manifest(manifest, [*rows_of(archive), still], label_schema=STREET)
    command = ("label", "export", "--manifest", manifest, "--format", "cvat", "--output", tmp_path / "cvat")
    assert parjob(*command) == 0
    printed = capsys.readouterr()
    a, b = f"{tmp_path}/cvat/a.xml", f"{tmp_path}/cvat/b.xml"
    assert printed.out == f"{a}\t{archive}/a.mp4\n{b}\t{archive}/b.mp4\n"
    assert printed.err.splitlines()[-1] == (
        f"{tmp_path}/cvat: 3 tracks in 2 files; left out: 1 tracklet of still images"
    )
    back: list[dict[str, Any]] = []
    for name, file in (("a", a), ("b", b)):
        given = ("--video", archive / f"{name}.mp4", "--tracks", file, "--schema", "street")
        assert parjob("manifest", "from-cvat", *given, "--output", tmp_path / f"{name}.parquet") == 0
        back += pq.read_table(tmp_path / f"{name}.parquet").to_pylist()
    original = pq.read_table(manifest).to_pylist()[:3]
    assert told(back) == told(original)
    given = ("--videos", archive, "--tracks", tmp_path / "cvat", "--schema", "street")
    assert parjob("manifest", "from-cvat", *given, "--output", tmp_path / "both.parquet") == 0
    assert told(pq.read_table(tmp_path / "both.parquet").to_pylist()) == told(original)


def test_two_videos_of_one_name_get_two_files(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "A.mp4").write_bytes((archive / "a.mp4").read_bytes())
    rows = [video_row("1", f"{archive}/a.mp4", [1]), video_row("2", f"{tmp_path}/other/A.mp4", [1])]
    write_manifest(str(tmp_path / "m.parquet"), rows)
    made = export_cvat(str(tmp_path / "m.parquet"), str(tmp_path / "cvat"), "street")
    assert [Path(file.uri).name for file in made.files] == ["a.xml", "A-2.xml"]


STILL = {"video_uri": None, "frame_indices": None, "boxes": None, "image_uris": ["/1.jpg"]}


@pytest.mark.parametrize(
    ("change", "schema", "problem"),
    [
        ({"frame_indices": [59, 60]}, "street", "t is on frame 60, but .* ends with frame 59: `parjob"),
        ({"labels": [1, 0]}, "street", "'t', has 2 labels, the schema"),
        (STILL, "street", "has still images alone"),
        ({}, None, "does not say which schema its labels follow: give it with --schema"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    change: dict[str, Any], schema: str | None, problem: str, archive: Path, tmp_path: Path
) -> None:
    write_manifest(str(tmp_path / "m.parquet"), [video_row("t", f"{archive}/a.mp4", [1, 2]) | change])
    with pytest.raises(ManifestError, match=problem):
        export_cvat(str(tmp_path / "m.parquet"), str(tmp_path / "cvat"), schema)
    assert not (tmp_path / "cvat").exists()


def test_attributes_of_another_schema_than_the_labels_are_refused(archive: Path, tmp_path: Path) -> None:
    write_manifest(str(tmp_path / "m.parquet"), rows_of(archive), label_schema=STREET)
    with pytest.raises(SchemaError, match="its labels follow schema 'street', not 'duke'"):
        export_cvat(str(tmp_path / "m.parquet"), str(tmp_path / "cvat"), "duke")
