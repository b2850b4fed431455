"""Places: how URIs combine, and that a file appears whole or not at all, locally and on S3."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from par_model import storage
from par_model.errors import OutputError
from par_model.storage import PlaceError, Reason
from tests.s3_proxy import NothingMayGo

NAMES = st.text(alphabet="abcXYZ019-_.", min_size=1, max_size=8).filter(lambda s: set(s) != {"."})
PARTS = st.lists(NAMES, min_size=1, max_size=4)


@given(PARTS, NAMES)
def test_parent_and_name_take_apart_what_join_puts_together(folders: list[str], name: str) -> None:
    for root in ("/data", "s3://bucket", "memory://root"):
        folder = storage.join(root, *folders)
        uri = storage.join(folder, name)
        assert uri == f"{root}/{'/'.join([*folders, name])}"
        assert storage.parent(uri) == folder
        assert storage.name(uri) == name


@pytest.mark.parametrize(
    ("uri", "base", "expected"),
    [
        ("v.mp4", "/data", "/data/v.mp4"),
        ("sub/../v.mp4", "/data", "/data/v.mp4"),
        ("../v.mp4", "s3://bucket/manifests", "s3://bucket/v.mp4"),
        ("/abs/v.mp4", "s3://bucket", "/abs/v.mp4"),
        ("s3://other/v.mp4", "/data", "s3://other/v.mp4"),
        ("v.mp4", "file:///data", "file:///data/v.mp4"),
    ],
)
def test_relative_uris_are_taken_from_their_base(uri: str, base: str, expected: str) -> None:
    assert storage.absolute(uri, base) == expected


def test_without_a_base_the_working_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("m/x.parquet") == str(tmp_path / "m/x.parquet")


def test_the_parent_of_a_pattern_is_its_fixed_part() -> None:
    assert storage.parent("/data/day-*/m?.parquet") == "/data"
    assert storage.parent("s3://bucket/a/**/*.parquet") == "s3://bucket/a"


def test_a_file_whose_name_has_brackets_is_no_pattern(tmp_path: Path) -> None:
    path = tmp_path / "m[1].parquet"
    assert storage.is_glob(str(path))
    path.touch()
    assert not storage.is_glob(str(path))


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder on each kind of storage."""
    if request.param == "s3":
        bucket: Callable[[], str] = request.getfixturevalue("s3")
        return f"{bucket()}/folder"
    return str(tmp_path)


def break_off(uri: str, chunks: list[bytes]) -> None:
    with storage.atomic_writer(uri) as file:
        for chunk in chunks:
            file.write(chunk)
        raise RuntimeError("half-way")


def test_what_is_written_is_read_back_and_listed_in_name_order(place: str) -> None:
    for name in ("b.txt", "a/z.txt", "a.txt"):
        storage.write_bytes(storage.join(place, name), name.encode())
    listed = storage.list_files(place)
    assert [(storage.name(f.uri), f.size) for f in listed] == [("a.txt", 5), ("z.txt", 7), ("b.txt", 5)]
    assert [storage.read_bytes(f.uri) for f in listed] == [b"a.txt", b"a/z.txt", b"b.txt"]
    assert [storage.name(f.uri) for f in storage.glob_files(storage.join(place, "*.txt"))] == ["a.txt", "b.txt"]
    assert storage.is_folder(place)
    assert not storage.is_folder(storage.join(place, "a.txt"))


def test_a_link_has_the_version_of_its_file(tmp_path: Path) -> None:
    """As tools lay them that keep data in versions: the link stays as it was when its file is written anew."""
    target, folder = tmp_path / "cache", tmp_path / "links"
    target.write_bytes(b"abc")
    folder.mkdir()
    (folder / "link").symlink_to(target)
    place = str(folder / "link")

    def versions() -> set[str]:
        told = [storage.file_info(place), *storage.list_files(str(folder)), *storage.glob_files(f"{folder}/l*")]
        return {info.version for info in told if info is not None}

    (before,) = versions()
    target.write_bytes(b"abd")
    os.utime(target, (1, 1))
    (after,) = versions()
    assert before != after


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "x.bin"
    storage.write_bytes(str(target), b"12345")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.bin").symlink_to(target)
    (folder / "dangling.bin").symlink_to(tmp_path / "nothing")
    (folder / "sub").symlink_to(target.parent)
    expected = [storage.FileInfo(str(folder / "link.bin"), 5)]
    assert storage.list_files(str(folder)) == expected
    assert storage.glob_files(str(folder / "*")) == expected


def test_a_failed_write_leaves_nothing_and_keeps_what_was_there(place: str) -> None:
    old, new = storage.join(place, "old.bin"), storage.join(place, "new.bin")
    storage.write_bytes(old, b"kept")
    for uri in (old, new):
        with pytest.raises(RuntimeError, match="half-way"):
            break_off(uri, [b"x" * 10_000])
    assert [(storage.name(f.uri), f.size) for f in storage.list_files(place)] == [("old.bin", 4)]
    assert storage.read_bytes(old) == b"kept"


def test_a_large_upload_that_fails_is_not_completed(s3: Callable[[], str]) -> None:
    uri = f"{s3()}/large.bin"
    with pytest.raises(RuntimeError, match="half-way"):
        break_off(uri, [bytes(60 << 20), b"more than one part"])
    assert not storage.exists(uri)


def test_a_write_is_invisible_until_it_is_whole(place: str) -> None:
    uri = storage.join(place, "file.bin")
    with storage.atomic_writer(uri) as file:
        file.write(b"half")
        assert not storage.exists(uri)
        file.write(b"whole")
    assert storage.read_bytes(uri) == b"halfwhole"


@pytest.mark.parametrize("asked", [1, 2])
def test_a_write_asks_first_and_again_before_it_appears(place: str, asked: int) -> None:
    answers = iter([None] * (asked - 1))

    def before() -> None:
        if next(answers, "no") is not None:
            raise OutputError("not any more")

    uri = storage.join(place, "file.bin")
    with pytest.raises(OutputError, match="not any more"):
        storage.write_bytes(uri, b"1", before)
    assert storage.list_files(place) == []


def test_removing_is_complete_and_forgiving(place: str) -> None:
    storage.write_bytes(storage.join(place, "sub/a.bin"), b"1")
    storage.remove(storage.join(place, "sub"))
    storage.remove(storage.join(place, "sub"))
    assert storage.list_files(place) == []


def test_what_may_not_be_removed_is_said_key_by_key(
    s3: Callable[[], str], s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Removing many, s3fs passes over the keys that S3 refuses."""
    bucket = s3()
    with NothingMayGo(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        for name in ("a", "b"):
            storage.write_bytes(f"{bucket}/sub/{name}.bin", b"1")
        for uri in (f"{bucket}/sub/a.bin", f"{bucket}/sub"):
            with pytest.raises(PlaceError, match=f"cannot remove {uri}: .*removing needs s3:DeleteObject") as caught:
                storage.remove(uri)
            assert caught.value.reason is Reason.ACCESS_DENIED
        proxy.allowed = "sub/"  # one by one they may go
        storage.remove(f"{bucket}/sub")
        assert storage.list_files(f"{bucket}/sub") == []


def test_what_is_absent_has_its_own_reason(place: str) -> None:
    uri = storage.join(place, "nothing.bin")
    with pytest.raises(PlaceError, match="there is no such file or folder") as caught:
        storage.read_bytes(uri)
    assert caught.value.reason is Reason.NOT_FOUND
    assert uri in str(caught.value)
    assert not storage.exists(uri)


def test_files_are_listed_as_the_place_is_spelled(s3: Callable[[], str]) -> None:
    """What is removed is told from what was written by its URI."""

    for scheme in ("s3", "s3a"):
        place = s3().replace("s3://", f"{scheme}://")
        storage.write_bytes(f"{place}/out/a.parquet", b"x")
        assert [file.uri for file in storage.list_files(f"{place}/out")] == [f"{place}/out/a.parquet"]
        assert [file.uri for file in storage.glob_files(f"{place}/*/*.parquet")] == [f"{place}/out/a.parquet"]


def test_a_bucket_that_does_not_exist_is_named(s3: Callable[[], str]) -> None:
    s3()
    with pytest.raises(PlaceError, match=r"no such bucket \(nowhere-at-all\)") as caught:
        storage.write_bytes("s3://nowhere-at-all/x.bin", b"1")
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0)
    with pytest.raises(PlaceError, match="access denied") as caught:
        storage.read_bytes(str(path))
    assert caught.value.reason is Reason.ACCESS_DENIED


def test_a_scheme_that_nothing_opens_is_an_error_of_its_own() -> None:
    with pytest.raises(PlaceError, match=r"gopher://x/y: cannot be opened"):
        storage.read_bytes("gopher://x/y")


def test_place_errors_travel_between_processes() -> None:
    error = pickle.loads(pickle.dumps(PlaceError("cannot read x: gone", Reason.NOT_FOUND)))
    assert (str(error), error.reason) == ("cannot read x: gone", Reason.NOT_FOUND)
