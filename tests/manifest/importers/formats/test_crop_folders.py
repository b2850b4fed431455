"""Folders of crops, locally and on S3, become tracklets with the labels of their own name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from par_model import storage
from par_model.attributes import load_schema
from par_model.cli import main
from par_model.errors import ManifestError
from par_model.manifest import Manifest
from par_model.manifest.importers.formats.crop_folders import DUKE, MARS, find_crops
from par_model.manifest.tracklets import tracklets
from par_model.types import Tracklet

MARS_FILES = [
    "bbox_train/0001/0001C1T0001F010.jpg",
    "bbox_train/0001/0001C1T0001F002.jpg",
    "bbox_train/0001/0001C1T0001F1001.jpg",
    "bbox_train/0001/0001C2T0001F001.jpg",
    "bbox_train/0003/0003C6T0120F001.JPG",
    "bbox_train/0003/0001C1T0001F002.jpg",
    "bbox_train/copy of 0001/0001C1T0001F002.jpg",
    "bbox_test/0000/0000C1T0009F001.jpg",
    "bbox_test/00-1/00-1C1T0005F001.jpg",
    "bbox_test/0002/0002C1T0001F001.jpg",
    "bbox_test/0002/Thumbs.db",
    "info/train_name.txt",
]
MARS_ANNOTATIONS = """\
person-id,camera,tracklet,Tops.c,hat,gender
3,6,120,8,0,1
1,1,1,0,1,0
2,1,1,3,0,1
1,2,1,0,0,0
1,2,2,0,0,0
700,1,1,0,0,0
"""
DUKE_FILES = [
    "train/0005/0001/0005_C3_F0002_X00030.jpg",
    "train/0005/0001/0005_C3_F0001_X00025.jpg",
    "query/0007/0012/0007_C8_F0001_X00001.jpg",
    "gallery/0007/0012/0007_C8_F0001_X00001.jpg",
    "gallery/0007/0013/0007_C1_F0001_X00001.jpg",
    "gallery/0007/0013/0009_C1_F0001_X00001.jpg",
]


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder."""
    if request.param == "local":
        return str(tmp_path / "data")
    bucket: Callable[[], str] = request.getfixturevalue("s3")
    return f"{bucket()}/data"


def fill(root: str, names: list[str], **texts: str) -> None:
    for name in names:
        storage.write_bytes(storage.join(root, name), b"a crop")
    for name, text in texts.items():
        storage.write_bytes(storage.join(root, f"{name}.csv"), text.encode())


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["manifest", *args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def rows(uri: str) -> dict[str, dict[str, Any]]:
    found = [row for batch in Manifest.open(uri).iter_batches() for row in batch.to_pylist()]
    return {row["tracklet_id"]: row for row in found}


def labels_of(row: dict[str, Any], schema: str) -> dict[str, int]:
    fields = zip(load_schema(schema).score_fields, row["labels"], strict=True)
    return {name: value for name, value in fields if value != -1}


def test_mars_crops_get_the_labels_of_their_name(root: str, capsys: pytest.CaptureFixture[str]) -> None:
    fill(root, MARS_FILES, annotations=MARS_ANNOTATIONS)
    output = f"{root}/m.parquet"
    assert run("from-mars", "--root", root, "--annotations", f"{root}/annotations.csv", "--output", output) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "not-annotated\t00-1C1T0005",
        "not-annotated\t0000C1T0009",
        "no-crops\t0001C2T0002",
        "no-crops\t0700C1T0001",
    ]
    assert captured.err.splitlines() == [
        "6 annotated tracklets of 4 people",
        "attributes not annotated: short_sleeves, short_bottoms, shoulder_bag, backpack, hand_bag, long_hair, "
        "trousers, pose, motion, bottom_color, age",
        "3 files not named like crops left out",
        "2 tracklets with crops but without annotation: all labels -1",
        "2 annotated tracklets without crops left out",
        f"{output}: 6 tracklets",
    ]
    found = rows(output)
    assert {name: (row["split"], row["camera_id"], row["person_id"]) for name, row in found.items()} == {
        "0001C1T0001": ("train", "1", "0001"),
        "0001C2T0001": ("train", "2", "0001"),
        "0003C6T0120": ("train", "6", "0003"),
        "00-1C1T0005": ("test", "1", "00-1"),
        "0000C1T0009": ("test", "1", "0000"),
        "0002C1T0001": ("test", "1", "0002"),
    }
    folder = f"{root}/bbox_train/0001"
    assert found["0001C1T0001"]["image_uris"] == [f"{folder}/0001C1T0001F{n}.jpg" for n in ("002", "010", "1001")]
    color = {f"top_color_{c.value}": 0 for g in load_schema("mars").groups if g.name == "top_color" for c in g.classes}
    assert labels_of(found["0003C6T0120"], "mars") == {"hat": 0, "female": 1, **color, "top_color_complex": 1}
    assert labels_of(found["0001C1T0001"], "mars") == {"hat": 1, "female": 0, **color, "top_color_black": 1}
    assert labels_of(found["0000C1T0009"], "mars") == {}
    assert len(found["0000C1T0009"]["labels"]) == 43
    assert Manifest.open(output).label_schema == load_schema("mars")
    assert run("check", output) == 0


def test_duke_crops_are_found_by_folder_and_copies_of_queries_count_once(
    root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    encoded = "name," + ",".join(load_schema("duke").score_fields) + "\n"
    for name, positive in (("0005C3T0001", 0), ("0007C8T0012", 35)):
        encoded += ",".join([name, *(str(int(i == positive)) for i in range(36))]) + "\n"
    fill(root, DUKE_FILES, encoded=encoded)
    output = f"{root}/m.parquet"
    assert run("from-duke", "--root", root, "--annotations", f"{root}/encoded.csv", "--output", output) == 0
    captured = capsys.readouterr()
    assert captured.out == "not-annotated\t0007C1T0013\n"
    assert "1 tracklet found again in a second folder and left out there" in captured.err
    assert "1 file not named like crops left out" in captured.err
    found = rows(output)
    assert {name: (row["split"], row["camera_id"], row["person_id"]) for name, row in found.items()} == {
        "0005C3T0001": ("train", "3", "0005"),
        "0007C8T0012": ("test", "8", "0007"),
        "0007C1T0013": ("test", "1", "0007"),
    }
    assert found["0005C3T0001"]["image_uris"] == [
        f"{root}/train/0005/0001/0005_C3_F000{n}_X000{x}.jpg" for n, x in ((1, 25), (2, 30))
    ]
    assert found["0007C8T0012"]["image_uris"] == [f"{root}/query/0007/0012/0007_C8_F0001_X00001.jpg"]
    assert found["0005C3T0001"]["labels"] == [1] + [0] * 35
    assert found["0007C8T0012"]["labels"] == [0] * 35 + [1]
    assert found["0007C1T0013"]["labels"] == [-1] * 36


def test_the_rows_are_sound_tracklets(tmp_path: Path) -> None:
    fill(str(tmp_path), MARS_FILES, annotations=MARS_ANNOTATIONS)
    given = ["--root", str(tmp_path), "--annotations", f"{tmp_path}/annotations.csv"]
    assert run("from-mars", *given, "--output", f"{tmp_path}/m.parquet") == 0
    batches = list(Manifest.open(f"{tmp_path}/m.parquet").iter_batches())
    found = [t for batch in batches for t in tracklets(batch)]
    assert len(found) == 6
    assert all(isinstance(t, Tracklet) and t.image_uris for t in found)


def test_one_listing_finds_all_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(str(tmp_path), MARS_FILES)
    listed: list[str] = []
    list_files = storage.list_files

    def counted(uri: str) -> list[storage.FileInfo]:
        listed.append(uri)
        return list_files(uri)

    monkeypatch.setattr(storage, "list_files", counted)
    assert len(find_crops(str(tmp_path), MARS).tracklets) == 6
    assert listed == [f"{tmp_path}/bbox_train", f"{tmp_path}/bbox_test"]


def test_a_tracklet_of_two_splits_is_refused(tmp_path: Path) -> None:
    fill(str(tmp_path), [*DUKE_FILES, "gallery/0005/0001/0005_C3_F0001_X00025.jpg"])
    with pytest.raises(ManifestError, match="tracklet 0005C3T0001 is both in train and in test"):
        find_crops(str(tmp_path), DUKE)


@pytest.mark.parametrize(
    ("files", "annotations", "problem"),
    [
        ([], MARS_ANNOTATIONS, "no crops there; they are looked for under names such as bbox_train/0001/"),
        (["bbox_train/0001/one.jpg"], MARS_ANNOTATIONS, "no crops there"),
        (["bbox_train/0900/0900C1T0001F001.jpg"], MARS_ANNOTATIONS, "no tracklet is in both, for example 0900C1T0001"),
        (MARS_FILES, None, "annotations.csv: there is no such file or folder"),
    ],
)
def test_nothing_to_import_is_one_line_and_nothing_is_written(
    files: list[str], annotations: str | None, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(str(tmp_path), files, **({} if annotations is None else {"annotations": annotations}))
    output = tmp_path / "m.parquet"
    given = ["--root", str(tmp_path), "--annotations", f"{tmp_path}/annotations.csv", "--output", str(output)]
    assert run("from-mars", *given) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert problem in captured.err
    assert captured.out == ""
    assert not output.exists()
