"""Sampling by cost reads chosen frames alone, and whatever contradicts that leads back to uniform sampling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest

from par_model.errors import FailureCode, UsageError
from par_model.sampling import SPARING, Sampling
from par_model.types import Failure, RawCrops, Tracklet
from par_model.video.bytes.source import open_video
from par_model.video.collect import Decoded
from par_model.video.containers.random_access import RandomAccess
from par_model.video.decoding_cost import DecodingCost
from par_model.video.options import Damaged, DecodeOptions
from par_model.video.packet_index import Packet, PacketIndex, index_of_packets, packet_indexes
from par_model.video.reader import VideoReader
from par_model.video.stage import DecodeStage
from tests.video import damaged_files
from tests.video.containers.test_complaints import remux
from tests.video.frame_numbers import read, write_clip

NO_B = {"g": "25", "bf": "0", "sc_threshold": "0"}
WITH_B = {"g": "25", "bf": "3", "b-pyramid": "none", "b-adapt": "0", "sc_threshold": "0"}
CHEAPEST = Sampling("cheap", 4, decode_budget=SPARING)


def tracklets(uri: str, spans: Sequence[Sequence[int]]) -> list[Tracklet]:
    return [Tracklet(i, f"t{i}", video_uri=uri, frame_indices=np.asarray(s, np.int32)) for i, s in enumerate(spans)]


def stage_of(sampling: Sampling = CHEAPEST, damaged: Damaged = "fail") -> DecodeStage[RawCrops]:
    packet_indexes._indexes.clear()
    return DecodeStage(None, sampling, DecodeOptions(isolate=False, damaged=damaged))


def sampled(results: Sequence[Decoded]) -> dict[int, list[int]]:
    """Frames by row; each shows its number."""
    found = {}
    for crops in results:
        assert isinstance(crops, RawCrops), crops
        assert [read(image) for image in crops.images] == crops.sampled_frames.tolist()
        found[crops.row] = crops.sampled_frames.tolist()
    return found


def test_only_what_is_needed_is_decoded(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 200, options=NO_B)
    stage = stage_of()
    (frames,) = sampled(list(stage(tracklets(str(clip), [range(10, 90)])))).values()
    assert {25, 50, 75} < set(frames) < {25, 26, 50, 51, 75, 76}
    proof = 4
    assert stage.counters.frames_decoded == 2 + 1 + 1 + proof
    assert stage.counters.sampled_uniformly == stage.counters.seeks_refuted == 0


def test_pictures_that_no_other_is_made_from_are_left_out(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 100, options=WITH_B))
    with av.open(clip) as container:
        access = RandomAccess("h264", container.streams.video[0].codec_context.extradata)
        packets = [packet for packet in container.demux(video=0) if packet.size]
        kept = [(packet.pts or 0) // 512 for packet in packets if not access.is_disposable(packet)]
    kept = [frame for frame in kept if 25 <= frame < 50]
    assert 6 <= len(kept) <= 10
    with open_video(clip) as file, VideoReader(file) as reader:
        index = reader.packet_index()
        assert index is not None
        frames = list(reader.chosen_frames(index, [25, kept[4]]))
        assert [(frame.index, read(frame.picture())) for frame in frames] == [(k, k) for k in kept[:5]]
        # One that no other is made from is decoded where it is wanted.
        frames = list(reader.chosen_frames(index, [kept[2] - 1, kept[2]]))
        assert [frame.index for frame in frames] == [*kept[:2], kept[2] - 1, kept[2]]


def test_what_is_sampled_depends_on_no_other_tracklet(tmp_path: Path) -> None:
    """Alone and together, also where a packet is damaged that some of them need."""
    clip = write_clip(tmp_path / "clip.mp4", 200, options=NO_B)
    draw = np.random.default_rng(7)
    spans = [sorted(draw.choice(200, size, replace=False).tolist()) for size in (5, 9, 30, 60)]
    spans += [list(range(a, a + 40)) for a in range(0, 160, 13)]
    sound = clip.read_bytes()
    with av.open(str(clip)) as container:
        places = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    for hit in (None, 26, 50, 53, 130):
        data = bytearray(sound)
        if hit is not None:
            damaged_files.erase(data, *places[hit])
        clip.write_bytes(bytes(data))
        together = {r.row: r for r in stage_of()(tracklets(str(clip), spans))}
        for tracklet in tracklets(str(clip), spans):
            (alone,) = stage_of()([tracklet])
            other = together[tracklet.row]
            if isinstance(alone, Failure):
                assert isinstance(other, Failure)
                assert alone.code == other.code == FailureCode.VIDEO_DAMAGED
            else:
                assert isinstance(other, RawCrops)
                assert alone.sampled_frames.tolist() == other.sampled_frames.tolist()
                assert all(np.array_equal(a, b) for a, b in zip(alone.images, other.images, strict=True))


def test_damage_that_is_not_decoded_does_no_harm_and_other_damage_is_met_as_ever(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 100, options=NO_B)
    with av.open(str(clip)) as container:
        places = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(clip.read_bytes())
    damaged_files.erase(data, *places[60])
    clip.write_bytes(bytes(data))
    spans = [range(40, 100), range(55, 65)]
    stage = stage_of()
    results = {r.row: r for r in stage(tracklets(str(clip), spans))}
    assert sampled([results[0]]) == {0: [50, 51, 75, 76]}
    # Frames 55 to 58 are before the damage; it is uniform sampling that would meet it.
    assert sampled([results[1]]) == {1: [55, 56, 57, 58]}
    assert stage.counters.sampled_uniformly == 0
    (failed,) = stage_of(Sampling("uniform", 4))(tracklets(str(clip), [range(55, 65)]))
    assert isinstance(failed, Failure)
    # What lies behind it in the group is refused, or given where damaged frames may be.
    late = tracklets(str(clip), [range(61, 70)])
    stage = stage_of()
    (failed,) = stage(late)
    assert isinstance(failed, Failure)
    assert failed.code == FailureCode.VIDEO_DAMAGED
    assert stage.counters.seeks_refuted >= 1
    assert stage.counters.sampled_uniformly == 1
    (used,) = stage_of(damaged="use")(late)
    assert isinstance(used, RawCrops)
    assert used.sampled_frames.tolist() == [62, 64, 66, 68]


def given_together_as_alone(uri: str, frames: Sequence[int]) -> list[int]:
    """Which frames are given, each to a tracklet of its own, where they are read together; alone it is the same."""
    wanted = tracklets(uri, [[frame] for frame in frames])
    together = {r.row: isinstance(r, RawCrops) for r in stage_of()(wanted)}
    for tracklet in wanted:
        (alone,) = stage_of()([tracklet])
        assert isinstance(alone, RawCrops) == together[tracklet.row], tracklet.frame_indices
    return [frame for row, frame in enumerate(frames) if together[row]]


def test_a_lost_picture_is_met_whatever_else_is_read(tmp_path: Path) -> None:
    """Pictures that no other is made from are where it is noticed first; what comes after them lacks it as well."""
    sound = write_clip(tmp_path / "sound.mp4", 55, options=WITH_B)
    with av.open(str(sound)) as container:
        shown = [(packet.pts or 0) // 512 for packet in container.demux(video=0) if packet.size]
    lost = next(i for i, frame in enumerate(shown) if frame > 35 and shown[i + 1] < frame)
    clip = tmp_path / "clip.mp4"
    remux(sound, clip, lambda number, content: None if number == lost else content)
    # Frame 49, which was 50, is the next key frame; those between it and the lost one are not sound.
    frames = [*range(34, 43), 47, 48, 49]
    before = set(shown[:lost])
    assert given_together_as_alone(str(clip), frames) == [*[k for k in frames if k < 43 and k in before], 49]


def test_damage_of_one_picture_is_judged_alike_whatever_else_is_read(tmp_path: Path) -> None:
    options = WITH_B | {"bf": "7", "b-pyramid": "normal"}
    clip = write_clip(tmp_path / "clip.mp4", 50, options=options)
    with av.open(str(clip)) as container:
        hit = [packet for packet in container.demux(video=0) if packet.size][28]
    data = bytearray(clip.read_bytes())
    damaged_files.flip(data, hit.pos or 0, hit.size)
    clip.write_bytes(bytes(data))
    assert (hit.pts or 0) // 512 == 27  # no other is made from it
    assert given_together_as_alone(str(clip), range(25, 35)) == [25, 26, *range(28, 35)]


def test_what_is_sampled_does_not_depend_on_damage_that_was_met_before(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 200, options=NO_B))
    with av.open(clip) as container:
        places = [(p.pos or 0, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(Path(clip).read_bytes())
    damaged_files.erase(data, *places[160])
    Path(clip).write_bytes(bytes(data))
    first = sampled(list(stage_of()(tracklets(clip, [range(10, 90)]))))
    stage = stage_of()
    (failed,) = stage(tracklets(clip, [range(162, 174)]))
    assert isinstance(failed, Failure)
    assert stage.counters.seeks_refuted == 2  # of the chosen group, and of uniform sampling's seek to it
    assert sampled(list(stage(tracklets(clip, [range(10, 90)])))) == first
    assert stage.counters.sampled_uniformly == 1


@pytest.mark.parametrize("lie", ["shifted", "one missing", "no such key", "another order"])
def test_an_index_that_lies_is_found_out(lie: str, tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 200, options=WITH_B))
    stage = stage_of()
    with open_video(clip) as file, VideoReader(file) as reader:
        true = reader.packet_index()
        identity = file.identity
    assert true is not None
    assert identity is not None
    assert true.decoded is not None
    assert true.weights is not None
    n = len(true)
    swapped = true.decoded.copy()
    swapped[[52, 53]] = swapped[[53, 52]]
    gone = np.argsort(np.argsort(np.delete(true.decoded, 51)))
    packet_indexes[identity, 0] = {
        "shifted": PacketIndex(true.pts + 7, true.keys, decoded=true.decoded, weights=true.weights),
        "one missing": PacketIndex(
            np.delete(true.pts, 51), true.keys[true.keys < 51], decoded=gone, weights=np.delete(true.weights, 51)
        ),
        "no such key": PacketIndex(true.pts, np.asarray([0, 29, 57, 125]), decoded=true.decoded, weights=true.weights),
        "another order": PacketIndex(true.pts, true.keys, decoded=swapped, weights=true.weights),
    }[lie]
    assert len(packet_indexes[identity, 0] or ()) in (n, n - 1)
    sampled(list(stage(tracklets(clip, [range(48, 58)]))))
    assert stage.counters.sampled_uniformly == 1
    assert stage.counters.seeks_refuted >= 1


def test_times_of_decoding_that_pass_for_times_of_showing_give_no_index(tmp_path: Path) -> None:
    """As of a muxer that leaves the offsets out: packets then seem to be in the order in which they are shown."""
    source = write_clip(tmp_path / "source.mp4", 100, options=WITH_B)
    clip = tmp_path / "clip.mp4"
    with av.open(str(source)) as given, av.open(str(clip), "w") as taken:
        stream = taken.add_stream_from_template(given.streams.video[0])
        for i, packet in enumerate(p for p in given.demux(video=0) if p.size):
            packet.pts = packet.dts = i * 512
            packet.stream = stream
            taken.mux(packet)
    stage = stage_of()
    (crops,) = stage(tracklets(str(clip), [range(10, 90)]))
    assert isinstance(crops, RawCrops)
    assert [read(image) for image in crops.images] == [20, 40, 60, 80]
    assert stage.counters.sampled_uniformly == 1


def test_frames_beyond_the_end_are_sampled_uniformly(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 50, options=NO_B))
    stage = stage_of()
    results = {r.row: r for r in stage(tracklets(clip, [range(10, 60), range(10, 50)]))}
    failed = results[0]
    assert isinstance(failed, Failure)
    assert failed.code == FailureCode.FRAME_OUT_OF_RANGE
    assert sampled([results[1]]) == {1: [25, 26, 27, 28]}
    assert stage.counters.sampled_uniformly == 1


def test_a_child_process_and_small_memory_sample_the_same(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "clip.mp4", 200, options=WITH_B))
    spans = [range(a, a + 60) for a in range(0, 140, 20)]
    whole = sampled(list(stage_of()(tracklets(clip, spans))))
    small = DecodeStage(None, CHEAPEST, DecodeOptions(crop_bytes=1))
    try:
        assert sampled(list(small(tracklets(clip, spans)))) == whole
        assert small.counters.videos_opened == 1
    finally:
        small.close()


def test_decord_cannot_sample_so() -> None:
    with pytest.raises(UsageError, match="--sampling cheap needs --decoder pyav"):
        DecodeStage(None, CHEAPEST, DecodeOptions(decoder="decord"))


def test_frames_before_a_key_frame_that_are_decoded_after_it_start_earlier() -> None:
    # In decoding order I0 P3 B1 B2, then I6 with B4 and B5 that are shown before it, P7.
    stamps, keys = [0, 3, 1, 2, 6, 4, 5, 7], {0, 4}
    index = index_of_packets([Packet(t, i in keys, False, 100 * i, 10 * (i + 1)) for i, t in enumerate(stamps)])
    assert index is not None
    assert index.starts_of(np.arange(8)).tolist() == [0, 0, 0, 0, 0, 0, 6, 6]
    cost = DecodingCost(index, "hevc")
    frames = np.arange(8, dtype=np.int32)
    assert cost.positions(frames, Sampling("cheap", 2, decode_budget=SPARING)) is not None
    assert (cost.positions(frames, Sampling("cheap", 2, decode_budget=SPARING)) == [0, 6]).all()
    index.refuted.add(6)
    assert cost.positions(frames, Sampling("cheap", 2, decode_budget=SPARING)) is None
    assert cost.positions(frames[:4], Sampling("cheap", 2, decode_budget=SPARING)) is not None
    assert cost.positions(np.asarray([3, 8], np.int32), Sampling("cheap", 2)) is None
