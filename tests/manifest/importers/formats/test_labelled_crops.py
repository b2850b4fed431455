"""Folders of one's own crops and a table of labels become tracklets of still images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from par_model import storage
from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.importers.formats.labelled_crops import LabelledCrops, read_labelled_crops, read_own_crops

SCHEMA = AttributeSchema.parse(
    """
    name = "own"

    [[groups]]
    name = "hat"
    kind = "binary"
    text = "a hat"
    aliases = ["Accessory-Hat"]

    [[groups]]
    name = "age"
    kind = "exclusive"
    classes = [{ value = "young", text = "young" }, { value = "old", text = "old", aliases = ["AgeOver60"] }]
    """,
    "own.toml",
)
FOLDERS = [
    "a/0001/f2.jpg",
    "a/0001/f10.jpg",
    "a/0001/f1.JPG",
    "a/0002/1.png",
    "b/0003/1.jpg",
    "b/0003/notes.txt",
    "x.jpg",
]


def read(root: str, files: list[str], labels: str, **options: Any) -> LabelledCrops:
    for name in files:
        storage.write_bytes(f"{root}/{name}", b"a picture")
    storage.write_bytes(f"{root}.csv", labels.encode())
    return read_labelled_crops(root, f"{root}.csv", SCHEMA, **options)


def told(found: LabelledCrops, root: str) -> dict[str, tuple[list[str], list[int]]]:
    return {
        row["tracklet_id"]: ([uri.removeprefix(f"{root}/") for uri in row["image_uris"]], row["labels"])
        for row in found.rows
    }


@pytest.mark.parametrize("place", ["local", "s3"])
def test_a_folder_is_a_tracklet_its_pictures_in_the_order_of_their_numbers(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bucket: Callable[[], str] | None = request.getfixturevalue("s3") if place == "s3" else None
    root = f"{bucket() if bucket else tmp_path}/crops"
    text = "tracklet,hat,age,split,cam,pid,mood\na/0001,1,old,train,3,p1,glad\n0003,0,,valid,,,\n0009,1,young,,,,\n"
    found = read(root, FOLDERS, text)
    assert told(found, root) == {
        "a/0001": (["a/0001/f1.JPG", "a/0001/f2.jpg", "a/0001/f10.jpg"], [1, 0, 1]),
        "a/0002": (["a/0002/1.png"], [-1, -1, -1]),
        "b/0003": (["b/0003/1.jpg"], [0, -1, -1]),
    }
    first, _, last = found.rows
    assert (first["split"], first["camera_id"], first["person_id"]) == ("train", "3", "p1")
    assert (last["split"], last.get("camera_id"), last.get("person_id")) == ("val", None, None)
    assert (found.not_annotated, found.no_crops, found.not_pictures) == (["a/0002", "x.jpg"], ["0009"], 1)
    assert found.voted.unknown_names == ["mood"]


def test_images_alone_are_tracklets_of_one(tmp_path: Path) -> None:
    """As PA-100K's labels and UPAR's, with their signs in the header."""
    root = f"{tmp_path}/PA100k"
    found = read(
        root,
        ["data/000001.jpg", "data/000002.jpg", "data/3.jpg"],
        "# Image,Accessory-Hat,AgeOver60\n000001.jpg,1,0\ndata/000002.jpg,0,1\n",
    )
    assert told(found, root) == {
        "data/3": (["data/3.jpg"], [-1, -1, -1]),
        "data/000001": (["data/000001.jpg"], [1, -1, 0]),
        "data/000002": (["data/000002.jpg"], [0, -1, 1]),
    }
    assert (found.not_annotated, found.no_crops) == (["data/3.jpg"], [])


def test_a_column_gathers_images_and_the_majority_of_them_counts(tmp_path: Path) -> None:
    root = f"{tmp_path}/r"
    files = [f"{n}.jpg" for n in range(1, 6)]
    text = "file,who,hat,age\n5.jpg,w1,1,young\n2.jpg,w1,1,old\n1.jpg,w1,0,\n3.jpg,w2,1,old\n9.jpg,w2,0,old\n"
    found = read(root, files, text, tracklet="who")
    assert told(found, root) == {"w1": (["1.jpg", "2.jpg", "5.jpg"], [1, -1, -1]), "w2": (["3.jpg"], [1, 0, 1])}
    assert (found.not_annotated, found.no_crops) == (["4.jpg"], ["9.jpg"])
    assert (found.voted.changing, found.voted.level) == ({"hat": 1, "age": 1}, {"age": 1})


def test_the_first_column_has_the_names_where_no_other_is_called_so(tmp_path: Path) -> None:
    assert list(told(read(f"{tmp_path}/a", ["x/1.jpg"], "which,hat\nx,1\n"), f"{tmp_path}/a")) == ["x"]
    assert list(told(read(f"{tmp_path}/b", ["x/1.jpg"], "which,hat\n1.jpg,1\n"), f"{tmp_path}/b")) == ["x/1"]


@pytest.mark.parametrize(
    ("files", "labels", "options", "problem"),
    [
        (["x/notes.txt"], "folder,hat\nx,1\n", {}, "no pictures there (.jpg, "),
        (
            ["x/1.jpg"],
            "folder,hat\ny,1\n",
            {},
            "nothing is in both: the column 'folder' has, for example, 'y', the folder 'x'",
        ),
        (["x/1.jpg"], "folder,hat\n", {}, "nothing is in both"),
        (["x/1.jpg", "y/1.jpg"], "file,hat\n1.jpg,1\n", {}, "line 2: '1.jpg' may be x/1.jpg or y/1.jpg in"),
        (["x/1.jpg"], "folder,hat\nx,1\n", {"image": "img"}, "has no column 'img'; it has folder, hat"),
        (["x/1.jpg"], "folder,hat,split\nx,1,dev\n", {}, "line 2: split 'dev' is none of train, val, test"),
        (
            ["x/1.jpg", "x/2.jpg"],
            "file,folder,hat,split\n1.jpg,x,1,test\n2.jpg,x,1,val\n",
            {},
            "line 3: tracklet 'x' has another split",
        ),
        (
            ["x/1.jpg"],
            "file,folder,hat\nx/1.jpg, ,1\n",
            {},
            "line 2: the column 'folder', of tracklets, is empty for image 'x/1.jpg'",
        ),
        *(
            (
                ["x/1.jpg"],
                f"file,folder,hat\nx/1.jpg,{word},1\n",
                {},
                f"line 2: the column 'folder', of tracklets, says {word!r}, which is no tracklet, for image 'x/1.jpg'",
            )
            for word in ("nan", "None", "-1")
        ),
        (
            ["x/1.jpg", "x/2.jpg"],
            "file,folder,hat\nx/1.jpg,1,1\nx/2.jpg,2,1\nx/1.jpg,2,1\n",
            {},
            "line 4: image 'x/1.jpg' is of tracklet '1' in a line before, and here of '2'",
        ),
        (["x/1.jpg"], "folder,mood\nx,1\n", {}, "no attribute is one of schema own: it has mood"),
        (["x/1.jpg", "x/1.png"], "file,hat\nx/1.jpg,1\n", {}, "some pictures differ in nothing but their suffix"),
    ],
)
def test_what_cannot_be_brought_together_is_refused(
    files: list[str], labels: str, options: dict[str, str], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ManifestError) as caught:
        read(f"{tmp_path}/r", files, labels, **options)
    assert problem in str(caught.value)


def test_what_systems_hide_beside_pictures_is_no_picture(tmp_path: Path) -> None:
    """macOS writes a file such as ._1.jpg, which holds no picture, beside each one in archives."""
    for name in ("a/1.jpg", "a/._1.jpg", "__MACOSX/a/._1.jpg", ".thumbnails/1.jpg"):
        storage.write_bytes(f"{tmp_path}/.set/{name}", b"a picture")
    found = read_own_crops(f"{tmp_path}/.set")
    assert found.rows == [{"tracklet_id": "a", "image_uris": [f"{tmp_path}/.set/a/1.jpg"]}]
    assert found.not_pictures == 3
