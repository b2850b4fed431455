"""``parjob manifest from-crops``: what it writes, prints and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model import storage
from tests.cli.test_manifest import rows, run
from tests.cli.test_manifest_labels import labels_of


def test_folders_of_crops_with_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("0001/1.jpg", "0001/2.jpg", "0002/1.jpg", "0002/Thumbs.db"):
        storage.write_bytes(f"{tmp_path}/crops/{name}", b"a picture")
    labels, output = tmp_path / "labels.csv", f"{tmp_path}/m.parquet"
    labels.write_text("folder,person_id,split,hat,top color\n0001,7,train,1,red\n0003,8,test,0,blue\n")
    given = ["--root", f"{tmp_path}/crops", "--labels", str(labels), "--output", output]
    assert run("from-crops", *given, "--schema", "street") == 0
    first, second = rows(output)
    assert first["image_uris"] == [f"{tmp_path}/crops/0001/{n}.jpg" for n in (1, 2)]
    assert (first["tracklet_id"], first["person_id"], first["split"]) == ("0001", "7", "train")
    assert {name: of for name, of in labels_of(first).items() if of} == {"hat": 1, "top_color_red": 1}
    assert (second["tracklet_id"], second["split"], labels_of(second)) == ("0002", None, {})
    captured = capsys.readouterr()
    assert captured.out == "not-annotated\t0002\nno-crops\t0003\n"
    assert captured.err.splitlines()[-1] == (
        f"{output}: 2 tracklets, 3 images; not annotated: 1; without crops: 1; files that are no pictures: 1"
    )
    assert run("check", output) == 0
    assert run("from-crops", *given) == 2, "a schema is needed"


def test_crops_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("0001/2.jpg", "0001/10.jpg", "0002/1.jpg", "loose.png", "notes.txt"):
        storage.write_bytes(f"{tmp_path}/crops/{name}", b"a picture")
    output = f"{tmp_path}/m.parquet"
    given = ["--root", f"{tmp_path}/crops", "--output", output]
    assert run("from-crops", *given) == 0
    assert {row["tracklet_id"]: [Path(uri).name for uri in row["image_uris"]] for row in rows(output)} == {
        "0001": ["2.jpg", "10.jpg"],
        "0002": ["1.jpg"],
        "loose": ["loose.png"],
    }
    assert [row["labels"] for row in rows(output)] == [None] * 3
    assert capsys.readouterr().err == f"{output}: 3 tracklets, 4 images; files that are no pictures: 1\n"
    assert run("check", output) == 0
    assert run("from-crops", *given, "--each-image") == 0
    assert [row["tracklet_id"] for row in rows(output)] == ["0001/2", "0001/10", "0002/1", "loose"]
    assert run("from-crops", *given, "--schema", "street") == 2
    assert run("from-crops", *given, "--labels", "l.csv", "--schema", "street", "--each-image") == 2
