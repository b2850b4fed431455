"""Frame k is the k-th frame in presentation order, in any file, whatever the access pattern."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from par_model.sampling import Sampling
from par_model.types import RawCrops, Tracklet
from par_model.video.bytes.source import open_video
from par_model.video.containers.open import VideoContainer, describe
from par_model.video.header_index import header_packets
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage
from tests.video import corpus
from tests.video.frame_numbers import read

IN_PROCESS = DecodeOptions(isolate=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def video(case: corpus.Case, folder: Path) -> str:
    try:
        return str(corpus.make(case, folder))
    except FileNotFoundError:
        pytest.skip("ffmpeg is not installed, and PyAV's encoders cannot make this file")


def plain_numbers(uri: str) -> list[int]:
    """What a decoder that starts at the beginning gives, with nothing of ours in between."""
    with av.open(uri) as container:
        numbers = []
        for packet in container.demux(video=0):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            numbers += [read(frame.to_ndarray(format="rgb24")) for frame in frames]
    return numbers


Pictures = dict[int, NDArray[np.uint8]]


def pictures(uri: str, requests: Sequence[Sequence[int]], options: DecodeOptions = IN_PROCESS) -> Pictures:
    """The frames that one call reads, a tracklet for each request."""
    wanted = [
        Tracklet(row, f"t{row}", video_uri=uri, frame_indices=np.asarray(frames, np.int32))
        for row, frames in enumerate(requests)
    ]
    found: Pictures = {}
    for crops in DecodeStage(None, Sampling("all"), options)(wanted):
        assert isinstance(crops, RawCrops), crops
        assert crops.sampled_frames.tolist() == list(requests[crops.row])
        found.update(zip(requests[crops.row], crops.images, strict=True))
    return found


def cheap_pictures(uri: str, spans: Sequence[Sequence[int]], budget: float) -> Pictures:
    """Four frames of tracklets with these frames, chosen by what they cost, in one call."""
    wanted = [
        Tracklet(row, f"t{row}", video_uri=uri, frame_indices=np.asarray(span, np.int32))
        for row, span in enumerate(spans)
    ]
    found: Pictures = {}
    for crops in DecodeStage(None, Sampling("cheap", 4, decode_budget=budget), IN_PROCESS)(wanted):
        assert isinstance(crops, RawCrops), crops
        sampled = crops.sampled_frames.tolist()
        assert sorted(set(sampled)) == sampled
        assert set(sampled) <= set(spans[crops.row])
        assert len(sampled) == 4
        found.update(zip(sampled, crops.images, strict=True))
    return found


def shuffled_spans(frames: Sequence[int]) -> list[list[int]]:
    """Parts of some frames, with gaps."""
    draw = np.random.default_rng(len(frames))
    return [sorted(draw.choice(frames, size, replace=False).tolist()) for size in (4, 5, 9, 20)]


@pytest.mark.parametrize("case", corpus.CASES, ids=str)
def test_no_access_pattern_gives_a_wrong_frame(case: corpus.Case, folder: Path) -> None:
    uri = video(case, folder)
    truth = list(case.numbers) if case.numbers is not None else plain_numbers(uri)
    n = len(truth)
    assert n >= 30
    draw = np.random.default_rng(n)
    shuffled = [sorted(draw.choice(n, 4, replace=False).tolist()) for _ in range(10)]
    # Damaged leading frames of streams that start in the middle of a group show no number, and are refused.
    sound = [k for k in range(n) if truth[k] >= 0]
    forward = pictures(uri, [sound])
    assert [read(case.upright(forward[k])) for k in sound] == [truth[k] for k in sound]
    sparse = [[k] for k in (sound[0], n // 3, n // 2, 2 * n // 3, n - 1)]
    dense = [list(range(n // 2, n)), list(range(n // 3, n // 2))]
    for requests in (sparse, shuffled, dense, *([r] for r in sparse), *([r] for r in shuffled)):
        legible = [[k for k in r if truth[k] >= 0] for r in requests if any(truth[k] >= 0 for k in r)]
        for k, picture in pictures(uri, legible).items():
            assert np.array_equal(picture, forward[k]), f"frame {k} of {legible}"
    spans = [sound, sound[: n // 2], sound[n // 3 : -2], sound[n // 4 :: 3], [*sound[5:9], *sound[-9:]]]
    for budget in (0.01, 0.4):
        for k, picture in cheap_pictures(uri, [*spans, *shuffled_spans(sound)], budget).items():
            assert np.array_equal(picture, forward[k]), f"frame {k}, sampled by cost"


LISTED = [case for case in corpus.CASES if case.name.endswith((".mp4", ".mov"))]


@pytest.mark.parametrize("case", LISTED, ids=str)
def test_the_header_alone_tells_the_packets_of_a_whole_pass(case: corpus.Case, folder: Path) -> None:
    uri = video(case, folder)
    with open_video(uri) as file:
        told = header_packets(file, 0)
    assert told is not None
    assert len(told) >= 50
    with open_video(uri) as file, VideoContainer(file) as container:
        assert told == [describe(packet) for packet in container.packets() if packet.size]
