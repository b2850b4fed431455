"""How many requests an object store gets for a video, and how many bytes it gives: counted by a server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import fsspec
import numpy as np
import pytest

from par_model import storage
from par_model.choices import Policy
from par_model.errors import FailureCode
from par_model.sampling import Sampling
from par_model.types import Failure, RawCrops, Tracklet
from par_model.video.bytes import source
from par_model.video.bytes.remote import RemoteObject
from par_model.video.bytes.source import open_video
from par_model.video.counters import Counters
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import groups_of, packet_indexes, parts_of
from par_model.video.reader import VideoReader
from par_model.video.stage import DecodeStage
from tests.s3_proxy import Counting
from tests.video.frame_numbers import read, write_clip

FRAMES, GROUP = 300, 25
OPTIONS = {"g": str(GROUP), "keyint_min": str(GROUP), "sc_threshold": "0", "preset": "ultrafast", "crf": "4", "bf": "2"}
FORMS = {"front": "faststart", "fragments": "frag_keyframe+empty_moov+default_base_moof"}
KB = 1 << 10
CHEAPEST = Sampling("cheap", frames=3, decode_budget=0.01)


def copied(clip: Path, path: Path, flags: str = "", *, with_sound: bool = False) -> Path:
    """The clip in another form, maybe with sound between its pictures."""
    options = {"movflags": flags} if flags else {}
    with av.open(str(clip)) as given, av.open(str(path), "w", options=options) as taken:
        pictures = taken.add_stream_from_template(given.streams.video[0])
        if with_sound:
            sound = taken.add_stream("aac", rate=48_000, layout="mono", bit_rate=192_000)
            noise = np.random.default_rng(0).random((1, 48_000), np.float32)
            second = av.AudioFrame.from_ndarray(noise, "fltp", "mono")
            second.sample_rate = 48_000
        for number, packet in enumerate(packet for packet in given.demux(video=0) if packet.size):
            if with_sound and number % 25 == 0:
                second.pts = 48_000 * (number // 25)
                taken.mux(sound.encode(second))
            packet.stream = pictures
            taken.mux(packet)
        if with_sound:
            taken.mux(sound.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """7 MB each, by where their headers lie, and whether they have sound."""
    folder = tmp_path_factory.mktemp("requests")
    clip = write_clip(folder / "end.mp4", FRAMES, size=(480, 272), options=OPTIONS)
    found = {"end": clip, "sound": copied(clip, folder / "sound.mp4", with_sound=True)}
    found |= {name: copied(clip, folder / f"{name}.mp4", flags) for name, flags in FORMS.items()}
    assert all(path.stat().st_size > 6 << 20 for path in found.values())
    return found


@pytest.fixture
def counting(s3: Callable[[], str], s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    monkeypatch.setattr(source, "SMALL_OBJECT", 1 << 20)
    s3()
    with Counting(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        fsspec.get_filesystem_class("s3").clear_instance_cache()
        yield proxy


@pytest.fixture
def place(s3: Callable[[], str], counting: Counting, clips: dict[str, Path]) -> Callable[[str], str]:
    def put(form: str) -> str:
        uri = f"{s3()}/{form}.mp4"
        storage.write_bytes(uri, clips[form].read_bytes())
        counting.forget()
        return uri

    return put


def spread(uri: str) -> list[Tracklet]:
    """Tracklets of 20 frames, one for every other group of pictures, its key frame among them."""
    return [
        Tracklet(row, f"t{row}", video_uri=uri, frame_indices=np.arange(start, start + 20, dtype=np.int32))
        for row, start in enumerate(range(10, FRAMES - 20, 2 * GROUP))
    ]


def shown(stage: DecodeStage, wanted: list[Tracklet]) -> list[list[int]]:
    found = []
    for crops in stage(wanted):
        assert isinstance(crops, RawCrops), crops
        assert [read(image) for image in crops.images] == crops.sampled_frames.tolist()
        found.append(crops.sampled_frames.tolist())
    return found


def stage(sampling: Sampling = CHEAPEST) -> DecodeStage:
    return DecodeStage(None, sampling, DecodeOptions(isolate=False))


def bytes_of(path: Path, frames: list[int]) -> int:
    """What the packets weigh that have to be read for some frames."""
    with open_video(str(path)) as file, VideoReader(file, counters=Counters()) as reader:
        packet_index = reader.packet_index()
    assert packet_index is not None
    parts = parts_of(groups_of(frames, packet_index), packet_index)
    assert parts is not None
    return sum(stop - start for start, stop in parts)


@pytest.mark.parametrize(("form", "of_header"), [("end", 2), ("front", 1), ("sound", 2)])
def test_chosen_frames_cost_their_bytes_and_a_request_for_each_group(
    form: str, of_header: int, place: Callable[[str], str], counting: Counting, clips: dict[str, Path]
) -> None:
    uri = place(form)
    first = stage()
    seen = shown(first, spread(uri))
    assert seen == shown(stage(), spread(str(clips[form])))
    groups = len(spread(uri))
    # The head and what lies elsewhere of the header, the first packet that FFmpeg looks at, those that prove the index.
    assert len(counting.ranges) <= of_header + 2 + groups
    assert counting.heads == 2  # its size, and whether it is still the same
    packets = bytes_of(clips[form], sorted(frame for frames in seen for frame in frames))
    size = clips[form].stat().st_size
    assert packets < 0.12 * size
    assert counting.bytes_asked() == first.counters.bytes_read <= packets + 7 * 32 * KB + of_header * 64 * KB
    assert counting.bytes_asked() < 0.18 * size
    counting.forget()
    again = stage()
    assert shown(again, spread(uri)) == seen
    assert len(counting.ranges) <= of_header + 1 + groups
    assert counting.bytes_asked() == again.counters.bytes_read < first.counters.bytes_read


def test_a_stretch_that_uniform_sampling_wants_is_one_run_of_requests(
    place: Callable[[str], str], counting: Counting, clips: dict[str, Path]
) -> None:
    wanted = [200, 210, 220]
    reader = stage(Sampling("all"))
    uri = place("end")
    assert shown(reader, [Tracklet(0, "t", video_uri=uri, frame_indices=np.asarray(wanted, np.int32))]) == [wanted]
    assert len(counting.ranges) <= 5
    # Frames 200 to 220, what the decoder holds back, and those that prove the index.
    assert counting.bytes_asked() == reader.counters.bytes_read < clips["end"].stat().st_size * (25 + 10) / FRAMES
    counting.forget()
    early = stage(Sampling("all"))
    assert shown(early, [Tracklet(0, "t", video_uri=place("end"), frame_indices=np.arange(10, dtype=np.int32))])
    assert len(counting.ranges) <= 4
    assert counting.bytes_asked() < clips["end"].stat().st_size * (12 + 10) / FRAMES


@pytest.mark.parametrize("policy", ["cheap", "uniform"])
def test_what_ranges_would_not_make_cheaper_is_one_whole_copy(
    policy: Policy, place: Callable[[str], str], counting: Counting, clips: dict[str, Path]
) -> None:
    size = clips["end"].stat().st_size
    uri = place("end")
    wanted = [
        Tracklet(row, f"t{row}", video_uri=uri, frame_indices=np.arange(start, start + 100, dtype=np.int32))
        for row, start in enumerate((0, 100, 200))
    ]
    reader = stage(Sampling(policy, frames=50, decode_budget=0.9))
    assert len(shown(reader, wanted)) == 3
    assert (0, size) in counting.ranges
    assert len(counting.ranges) <= 5
    assert size <= counting.bytes_asked() == reader.counters.bytes_read < 1.03 * size


def test_a_header_in_fragments_is_not_collected_from_all_over_the_file(
    place: Callable[[str], str], counting: Counting, clips: dict[str, Path]
) -> None:
    """FFmpeg looks at each fragment when it opens the file; that is not done twice."""
    size = clips["fragments"].stat().st_size
    reader = stage()
    assert len(shown(reader, spread(place("fragments")))) == 6
    assert (0, size) in counting.ranges
    assert len(counting.ranges) <= FRAMES // GROUP + 10
    assert size <= counting.bytes_asked() == reader.counters.bytes_read < 1.25 * size


def test_key_frames_of_fragments_are_those_of_the_header_wherever_the_file_lies(
    s3: Callable[[], str], counting: Counting, clips: dict[str, Path], tmp_path: Path
) -> None:
    data = bytearray(clips["fragments"].read_bytes())
    fourth = -1
    for _ in range(4):
        fourth = data.index(b"moof", fourth + 1)
    run = data.index(b"trun", fourth)
    assert data[run + 7] & 5 == 5  # it has an offset, and flags of its first sample, which here do not call it a key
    data[run + 16 : run + 20] = (0x01010000).to_bytes(4, "big")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(data)
    uri = f"{s3()}/clip.mp4"
    storage.write_bytes(uri, bytes(data))
    seen = shown(stage(), spread(str(clip)))
    assert 3 * GROUP not in {frame for frames in seen for frame in frames}
    assert shown(stage(), spread(uri)) == seen


def test_chosen_frames_of_a_video_that_is_replaced_meanwhile_are_not_mixed(
    place: Callable[[str], str], clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = place("end")
    shown(stage(), spread(uri))
    identities = [identity for identity, _ in packet_indexes._indexes if identity.startswith(uri)]
    assert len(identities) == 1  # its packets are known by now
    whole, replaced = RemoteObject.read_ranges, []

    def replace(self: RemoteObject, parts: list[tuple[int, int]]) -> list[bytes]:
        found = whole(self, parts)
        if len(parts) > 1 and not replaced:
            replaced.append(parts)
            storage.write_bytes(uri, clips["end"].read_bytes() + b"free")
        return found

    monkeypatch.setattr(RemoteObject, "read_ranges", replace)
    failures = list(stage()(spread(uri)))
    assert replaced
    for failure in failures:
        assert isinstance(failure, Failure)
        assert failure.code is FailureCode.STORAGE_ERROR
        assert failure.message == f"cannot read {uri}: it was replaced while it was read"
