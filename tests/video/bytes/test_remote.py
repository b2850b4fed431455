"""Videos in an object store: on a real S3 server on loopback."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import fsspec
import numpy as np
import pytest
from PIL import Image

from par_model import storage
from par_model.errors import FailureCode
from par_model.sampling import Sampling
from par_model.types import Failure, RawCrops, Tracklet
from par_model.video.bytes import remote
from par_model.video.bytes.remote import RemoteObject
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import packet_indexes
from par_model.video.stage import DecodeStage
from tests.video.frame_numbers import read, write_clip

IN_PROCESS = DecodeOptions(isolate=False)
DATA = np.random.default_rng(0).bytes(3 << 20)
LATE = [1500, 1520, 1540, 1560, 1580, 1599]


def tracklet(uri: str, frames: list[int]) -> Tracklet:
    return Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray(frames, np.int32))


def shown(stage: DecodeStage, uri: str, frames: list[int]) -> list[int]:
    (crops,) = stage([tracklet(uri, frames)])
    assert isinstance(crops, RawCrops), crops
    return [read(image) for image in crops.images]


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1600 frames in about 16 MB: too large to be fetched whole without looking."""
    folder = tmp_path_factory.mktemp("long")
    options = {"g": "50", "preset": "ultrafast", "crf": "4"}
    path = write_clip(folder / "long.mp4", 1600, size=(480, 272), options=options)
    assert path.stat().st_size > remote.SMALL_OBJECT
    return path


def test_a_small_video_is_fetched_with_one_request_and_left_nowhere(
    s3: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    clip = write_clip(tmp_path / "clip.mp4", 60)
    uri = f"{s3()}/a/clip.mp4"
    storage.write_bytes(uri, clip.read_bytes())
    stage = DecodeStage(None, Sampling("all"), IN_PROCESS)
    assert shown(stage, uri, [0, 31, 59]) == [0, 31, 59]
    assert stage.counters.bytes_read == clip.stat().st_size
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_child_process_reads_from_s3_too(s3: Callable[[], str], tmp_path: Path) -> None:
    uri = f"{s3()}/clip.mp4"
    storage.write_bytes(uri, write_clip(tmp_path / "clip.mp4", 30).read_bytes())
    assert shown(DecodeStage(None, Sampling("all")), uri, [7, 29]) == [7, 29]


def test_much_of_a_large_video_is_fetched_whole_and_little_of_it_in_ranges(
    s3: Callable[[], str], long_clip: Path
) -> None:
    uri, size = f"{s3()}/long.mp4", long_clip.stat().st_size
    storage.write_bytes(uri, long_clip.read_bytes())
    start = DecodeStage(None, Sampling("all"), IN_PROCESS)
    assert shown(start, uri, [0, 3, 20]) == [0, 3, 20]
    assert start.counters.bytes_read < 0.15 * size
    first = DecodeStage(None, Sampling("all"), IN_PROCESS)
    assert shown(first, uri, LATE) == LATE
    assert first.counters.bytes_read < 0.2 * size  # its header tells where the packets lie
    again = DecodeStage(None, Sampling("all"), IN_PROCESS)
    assert shown(again, uri, LATE) == LATE
    assert again.counters.bytes_read < 0.2 * size  # its table is known by now
    assert again.counters.frames_decoded < 200


def test_without_room_on_the_disk_everything_is_read_in_ranges(
    s3: Callable[[], str], long_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"{s3()}/long.mp4"
    storage.write_bytes(uri, long_clip.read_bytes())
    monkeypatch.setattr(remote, "MOST_ON_DISK", 1 << 20)
    assert shown(DecodeStage(None, Sampling("all"), IN_PROCESS), uri, LATE) == LATE


def test_room_that_other_workers_take_meanwhile_is_not_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec.filesystem("memory").pipe_file("/room", DATA)
    free = [2 * len(DATA), len(DATA), 2 * len(DATA), len(DATA) - 1, 2 * len(DATA) - 1]
    monkeypatch.setattr(remote, "_free", lambda: free.pop(0))
    source = RemoteObject("memory://room")
    copy = source.fetch()
    assert copy is not None
    with copy:
        assert copy.read() == DATA
    assert source.fetch() is None  # as much as it takes is not left any more, once it has been taken
    assert source.fetch() is None  # that it would not be left is known before
    assert free == []


def test_a_video_that_was_replaced_is_not_read_by_the_old_table(s3: Callable[[], str], tmp_path: Path) -> None:
    uri = f"{s3()}/clip.mkv"
    stage = DecodeStage(None, Sampling("all"), IN_PROCESS)
    for numbers in (range(120), range(1000, 1120)):
        storage.write_bytes(uri, write_clip(tmp_path / "clip.mkv", numbers, options={"g": "30"}).read_bytes())
        assert shown(stage, uri, [100]) == [numbers[100]]
        assert any(uri in identity for identity, _ in packet_indexes._indexes)


def test_a_video_that_is_replaced_while_ranges_of_it_are_read_is_not_mixed(
    s3: Callable[[], str], long_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"{s3()}/long.mp4"
    storage.write_bytes(uri, long_clip.read_bytes())
    stage = DecodeStage(None, Sampling("all"), IN_PROCESS)
    assert shown(stage, uri, LATE) == LATE  # its table is known by now
    whole, replaced = remote.RemoteObject.read_range, []

    def replace(self: RemoteObject, start: int, stop: int) -> bytes:
        found = whole(self, start, stop)
        if not replaced:
            replaced.append(start)
            storage.write_bytes(uri, long_clip.read_bytes() + b"free")
        return found

    monkeypatch.setattr(remote.RemoteObject, "read_range", replace)
    (failure,) = stage([tracklet(uri, LATE)])
    assert replaced
    assert isinstance(failure, Failure)
    assert failure.code is FailureCode.STORAGE_ERROR
    assert failure.message == f"cannot read {uri}: it was replaced while it was read"


def test_what_cannot_be_read_has_its_code(s3: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3()
    storage.write_bytes(f"{bucket}/folder/text.mp4", b"hello " * 100)
    storage.write_bytes(f"{bucket}/empty.mp4", b"")
    stage = DecodeStage(None, Sampling(), IN_PROCESS)

    def code(uri: str) -> FailureCode:
        (failure,) = stage([tracklet(uri, [0])])
        assert isinstance(failure, Failure)
        assert uri in failure.message
        return failure.code

    assert code(f"{bucket}/nope.mp4") is FailureCode.VIDEO_NOT_FOUND
    assert code("s3://no-such-bucket-at-all/a.mp4") is FailureCode.VIDEO_NOT_FOUND
    assert code(f"{bucket}/folder/text.mp4") is FailureCode.VIDEO_UNREADABLE
    assert code(f"{bucket}/empty.mp4") is FailureCode.VIDEO_UNREADABLE
    assert code(f"{bucket}/folder") in (FailureCode.VIDEO_UNREADABLE, FailureCode.VIDEO_NOT_FOUND)
    assert code("nonsense://a/b.mp4") is FailureCode.STORAGE_ERROR


def test_what_may_not_be_read_is_access_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        def info(self, path: str) -> dict[str, Any]:
            raise PermissionError("Forbidden")

    monkeypatch.setattr(storage, "filesystem", lambda uri: (Closed(), uri))
    (failure,) = DecodeStage(None, Sampling(), IN_PROCESS)([tracklet("s3://bucket/a.mp4", [0])])
    assert isinstance(failure, Failure)
    assert failure.code is FailureCode.VIDEO_ACCESS_DENIED
    assert failure.message.startswith("cannot read s3://bucket/a.mp4: access denied; check the credentials")


class Flaky:
    """A file system of one object whose reads fail a few times, each in its own way, before they succeed."""

    def __init__(self, data: bytes, faults: list[Any]) -> None:
        self.data, self.faults, self.reads = data, faults, 0

    def info(self, path: str) -> dict[str, Any]:
        return {"type": "file", "size": len(self.data), "ETag": str(hash(self.data))}

    def invalidate_cache(self, path: str) -> None:
        """Nothing is kept."""

    def cat_file(self, path: str, start: int, end: int) -> bytes:
        self.reads += 1
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        return self.data[start : end - 1 if fault == "short" else end]


def flaky(
    monkeypatch: pytest.MonkeyPatch, faults: list[Any], uri: str = "http://host/a.mp4"
) -> tuple[Flaky, RemoteObject, list[float]]:
    pauses: list[float] = []
    fs = Flaky(bytes(range(256)), faults)
    monkeypatch.setattr(storage, "filesystem", lambda uri: (fs, uri))
    monkeypatch.setattr(remote.time, "sleep", pauses.append)
    return fs, RemoteObject(uri), pauses


def test_what_may_pass_elsewhere_than_on_s3_is_tried_again_with_longer_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    fs, source, pauses = flaky(monkeypatch, [ConnectionResetError("reset by peer"), "short"])
    assert source.read_range(10, 20) == bytes(range(10, 20))
    assert fs.reads == 3
    assert pauses == [0.5, 2.0]


def test_what_botocore_has_tried_again_is_not_tried_again_here(monkeypatch: pytest.MonkeyPatch) -> None:
    fs, source, pauses = flaky(monkeypatch, [ConnectionResetError("reset by peer")], uri="s3://bucket/a.mp4")
    with pytest.raises(storage.PlaceError, match="reset by peer"):
        source.read_range(0, 5)
    assert (fs.reads, pauses) == (1, [])


def test_what_does_not_pass_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    _, source, _ = flaky(monkeypatch, ["short"] * 3)
    with pytest.raises(storage.PlaceError, match="9 bytes came of 10 from 10 on"):
        source.read_range(10, 20)


def test_several_parts_are_asked_for_at_a_time_and_each_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    fs, source, pauses = flaky(monkeypatch, [])
    both = threading.Barrier(2, timeout=30)
    begun: list[int] = []

    def cat_file(path: str, start: int, end: int) -> bytes:
        begun.append(start)
        if len(begun) <= 2:
            both.wait()
        if start == 10 and begun.count(10) == 1:
            raise ConnectionResetError("reset by peer")
        return fs.data[start:end]

    fs.cat_file = cat_file  # type: ignore[method-assign]
    parts = [(10, 20), (30, 33), (50, 51)]
    assert source.read_ranges(parts) == [bytes(range(*part)) for part in parts]
    assert sorted(begun) == [10, 10, 30, 50]
    assert pauses == [0.5]
    assert source.bytes_fetched == 14


def test_a_part_that_does_not_come_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    _, source, _ = flaky(monkeypatch, [PermissionError("no")] * 3)
    with pytest.raises(storage.PlaceError, match="access denied"):
        source.read_ranges([(10, 20), (30, 40), (50, 60)])


def test_an_object_that_is_replaced_while_it_is_fetched_is_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    fs, source, _ = flaky(monkeypatch, [])
    monkeypatch.setattr(remote, "_FETCH", 100)
    with source.fetch() as copy:
        assert copy.read() == fs.data
    whole = remote.RemoteObject.read_range

    def replace(self: RemoteObject, start: int, stop: int) -> bytes:
        found = whole(self, start, stop)
        fs.data = bytes(256)
        return found

    monkeypatch.setattr(remote.RemoteObject, "read_range", replace)
    with pytest.raises(storage.PlaceError, match="it was replaced while it was read"):
        source.fetch()


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), PermissionError("no")])
def test_what_will_not_pass_is_not_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    fs, source, pauses = flaky(monkeypatch, [error])
    with pytest.raises(storage.PlaceError):
        source.read_range(0, 5)
    assert (fs.reads, pauses) == (1, [])


def test_storage_that_breaks_while_a_video_is_read_is_a_storage_error(
    s3: Callable[[], str], long_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"{s3()}/long.mp4"
    storage.write_bytes(uri, long_clip.read_bytes())
    whole = remote.RemoteObject.read_range

    def break_in_the_middle(self: RemoteObject, start: int, stop: int) -> bytes:
        if start > 3 << 20:
            raise storage.PlaceError(f"cannot read {self.uri}: connection lost")
        return whole(self, start, stop)

    monkeypatch.setattr(remote.RemoteObject, "read_range", break_in_the_middle)
    for frames in ([0, 300], LATE):
        (failure,) = DecodeStage(None, Sampling("all"), IN_PROCESS)([tracklet(uri, frames)])
        assert isinstance(failure, Failure)
        assert (failure.code, failure.message) == (FailureCode.STORAGE_ERROR, f"cannot read {uri}: connection lost")


@pytest.mark.parametrize("damaged", ["fail", "use"])
def test_an_image_that_may_not_be_read_is_unreadable_and_never_done_without(
    damaged: Literal["fail", "use"], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed:
        def cat_file(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
            if path.endswith("a.jpg"):
                raise PermissionError("Forbidden")
            return sound.getvalue()

    sound = io.BytesIO()
    Image.new("RGB", (20, 40)).save(sound, "png")

    monkeypatch.setattr(storage, "filesystem", lambda uri: (Closed(), uri))
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False, damaged=damaged))
    (failure,) = stage([Tracklet(0, "t", image_uris=("s3://bucket/a.jpg", "s3://bucket/b.png"))])
    assert isinstance(failure, Failure)
    assert failure.code is FailureCode.IMAGE_UNREADABLE
    assert failure.message.startswith("cannot read s3://bucket/a.jpg: access denied; check the credentials")
