"""XML is read as a stream, from zip archives too, and never opens or becomes more than it is."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from par_model import storage
from par_model.errors import ManifestError, StorageError
from par_model.manifest.importers.xml_stream import read_xml


class Told:
    """A handler that keeps what it is told."""

    def __init__(self) -> None:
        self.origin = ""
        self.line: Callable[[], int] = lambda: 0
        self.events: list[tuple[object, ...]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.events.append((tag, attributes, self.line()))

    def data(self, text: str) -> None:
        if text.strip():
            self.events.append((text.strip(),))

    def end(self, tag: str) -> None:
        self.events.append((f"/{tag}",))


TEXT = '<a>\n<b c="1 &amp; 2">text</b></a>'
EVENTS = [("a", {}, 1), ("b", {"c": "1 & 2"}, 2), ("text",), ("/b",), ("/a",)]


def zipped(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            # With a date of their own: both processes of the tests must collect the same bytes.
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return data.getvalue()


def read(path: Path, data: bytes | str) -> Told:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    told = Told()
    read_xml(str(path), told, preferred="annotations.xml")
    return told


def test_elements_are_told_with_their_lines(tmp_path: Path) -> None:
    assert read(tmp_path / "a.xml", TEXT).events == EVENTS
    assert read(tmp_path / "a.xml", TEXT.encode("utf-16")).events == EVENTS


@pytest.mark.parametrize(
    "files",
    [
        {"annotations.xml": TEXT},
        {"annotations.xml": TEXT, "other.xml": "<z/>", "images/1.jpg": "x"},
        {"labels/v.xml": TEXT, "data/v.mp4": "x", "__MACOSX/labels/._v.xml": "x"},
    ],
)
def test_a_zip_archive_is_read_where_it_lies(files: dict[str, str], tmp_path: Path) -> None:
    told = read(tmp_path / "a.bin", zipped(**files))
    assert told.events == EVENTS
    assert told.origin == f"{tmp_path}/a.bin, {next(iter(files))}"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_archives_on_s3_are_read_too(s3: Callable[[], str]) -> None:
    uri = f"{s3()}/export.zip"
    storage.write_bytes(uri, zipped(**{"annotations.xml": TEXT}))
    told = Told()
    read_xml(uri, told, preferred="annotations.xml")
    assert told.events == EVENTS


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (zipped(**{"a.txt": ""}), "the zip archive holds no XML file; annotations.xml is looked for"),
        (zipped(), "the zip archive holds no XML file"),
        (zipped(**{"a.xml": TEXT, "b.xml": TEXT}), "the zip archive holds 2 XML files (a.xml, b.xml): take out"),
        (zipped(**{"a/annotations.xml": TEXT, "b/annotations.xml": TEXT}), "holds 2 XML files"),
        (zipped(**{"a.xml": TEXT})[:60], "the zip archive cannot be read"),
        (zipped(**{"a.xml": "<a>"}), "a.xml: is not XML: no element found"),
        ("", "is not XML: no element found"),
        ('<?xml version="1.0" encoding="gbk"?><a/>', "its encoding cannot be read: multi-byte"),
        ('<?xml version="1.0" encoding="nonsense"?><a/>', "its encoding cannot be read: unknown encoding: nonsense"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes | str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read(tmp_path / "a.xml", data)
    assert str(caught.value).startswith(f"{tmp_path}/a.xml")
    assert problem in str(caught.value)


def test_an_archive_that_is_damaged_within_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(**{"a.xml": "<a>" + "<b/>" * 1000 + "</a>"}))
    data[45] ^= 0xFF
    with pytest.raises(ManifestError, match=r"the zip archive cannot be read|is not XML"):
        read(tmp_path / "a.zip", bytes(data))


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE a SYSTEM "file:///etc/hostname">',
        '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a [<!ENTITY e "text">]>',
        "<!DOCTYPE a>",
    ],
)
def test_document_types_and_entities_are_refused_where_they_are_declared(declared: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="line 2: declares a document type or an entity"):
        read(tmp_path / "a.xml", f'<?xml version="1.0"?>\n{declared}<a>text</a>')


def test_length_is_that_of_the_xml_and_not_what_an_archive_says(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped(**{"a.xml": "<a>" + " " * 5_000_000 + "</a>"}))
    assert path.stat().st_size < 10_000
    with pytest.raises(ManifestError, match="is longer than 2,000,000 bytes of XML"):
        read_xml(str(path), Told(), preferred="annotations.xml", max_bytes=2_000_000)


def test_a_file_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no such file"):
        read_xml(f"{tmp_path}/none.xml", Told(), preferred="annotations.xml")
