"""Which of a file's video tracks is read."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from par_model.errors import FailureCode, TrackletError, UsageError
from par_model.sampling import Sampling
from par_model.types import Failure, Tracklet
from par_model.video.bytes.source import open_video
from par_model.video.collect import RawCrops
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import packet_indexes
from par_model.video.reader import VideoReader
from par_model.video.stage import DecodeStage
from par_model.video.timestamps import timestamps
from tests.video.footage import write_tracks
from tests.video.frame_numbers import draw, read, write_clip

FIRST, SECOND = range(60), range(1000, 1050)


def tracklet(row: int, uri: str, frames: Sequence[int], stream: int | None = None) -> Tracklet:
    return Tracklet(row, f"t{row}", video_uri=uri, frame_indices=np.asarray(frames, np.int32), video_stream=stream)


def shown(wanted: Sequence[Tracklet], **options: object) -> dict[int, list[int] | Failure]:
    """What each tracklet's pictures show, by row."""
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False, **options))  # type: ignore[arg-type]
    results = list(stage(wanted))
    assert sorted(r.row for r in results) == sorted(t.row for t in wanted)
    return {r.row: [read(image) for image in r.images] if isinstance(r, RawCrops) else r for r in results}  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two cameras in one file, the second with a higher bit rate."""
    return write_tracks(tmp_path_factory.mktemp("cameras") / "cameras.mp4", [FIRST, SECOND])


@pytest.mark.parametrize("name", ["mov", "mkv", "ts", "avi"])
def test_the_first_moving_track_is_read_whatever_its_bit_rate(name: str, tmp_path: Path) -> None:
    uri = write_tracks(tmp_path / f"cameras.{name}", [FIRST, SECOND])
    wanted = [tracklet(0, uri, [0, 7, 59]), tracklet(1, uri, [0, 7, 49], 1)]
    assert shown(wanted) == {0: [0, 7, 59], 1: [1000, 1007, 1049]}


def test_the_column_wins_over_the_option(cameras: str) -> None:
    wanted = [tracklet(0, cameras, [3, 8]), tracklet(1, cameras, [3, 8], 0), tracklet(2, cameras, [3, 8], 1)]
    assert shown(wanted) == {0: [3, 8], 1: [3, 8], 2: [1003, 1008]}
    assert shown(wanted, video_stream=1) == {0: [1003, 1008], 1: [3, 8], 2: [1003, 1008]}


def test_tracklets_of_both_tracks_share_one_opening_for_each_track_however_they_are_mixed(cameras: str) -> None:
    wanted = [tracklet(i, cameras, [i, 20 + i], i % 2) for i in range(10)]
    stage = DecodeStage(None, Sampling("all"), DecodeOptions())
    found = {r.row: [read(image) for image in r.images] for r in stage(wanted) if isinstance(r, RawCrops)}
    stage.close()
    assert found == {i: [1000 * (i % 2) + i, 1000 * (i % 2) + 20 + i] for i in range(10)}
    assert stage.counters.videos_opened == 2
    assert stage.counters.several_tracks == {cameras}


def test_each_track_has_its_own_table_of_packets(tmp_path: Path) -> None:
    """Key frames and times differ, so that one track's table would lead a seek in the other astray."""
    uri = write_tracks(tmp_path / "long.mkv", [range(200), range(1000, 1150)], options=[{"g": "40"}, {"g": "25"}])
    for _ in range(2):  # the second time both tables are known
        for stream, number in ((0, 190), (1, 140), (0, 5), (1, 130)):
            assert shown([tracklet(0, uri, [number], stream)]) == {0: [1000 * stream + number]}
    known = {
        key[1]: len(table) for key, table in packet_indexes._indexes.items() if uri in key[0] and table is not None
    }
    assert known == {0: 200, 1: 150}
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(isolate=False))
    list(stage([tracklet(0, uri, [140], 1)]))
    assert stage.counters.frames_decoded < 40


def test_a_track_that_the_file_does_not_have_is_a_failure_that_says_how_many_there_are(
    cameras: str, tmp_path: Path
) -> None:
    found = shown([tracklet(0, cameras, [3], 2), tracklet(1, cameras, [3])])
    assert found[1] == [3]
    assert isinstance(found[0], Failure)
    assert found[0].code is FailureCode.VIDEO_UNREADABLE
    assert found[0].message == (
        f"cannot read {cameras}: it has 2 moving video tracks, and video_stream 2 is asked for, counted from 0"
    )
    one = str(write_clip(tmp_path / "one.mp4", 5))
    (failure,) = shown([tracklet(0, one, [3])], video_stream=1).values()
    assert isinstance(failure, Failure)
    assert "it has 1 moving video track, and video_stream 1 is asked for" in failure.message


def test_covers_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "cover.mp4"
    _with_cover(path)
    assert shown([tracklet(0, str(path), [4]), tracklet(1, str(path), [4], 1)]) == {0: [4], 1: [1004]}
    with open_video(str(path)) as file, VideoReader(file) as reader:
        assert reader.tracks == 2


def _with_cover(path: Path) -> None:
    import io
    from fractions import Fraction

    import av
    from PIL import Image

    source = write_tracks(path.with_name("source.mp4"), [range(10), range(1000, 1010)])
    jpeg = io.BytesIO()
    Image.fromarray(draw(7)).save(jpeg, "JPEG")
    with av.open(source) as given, av.open(str(path), "w") as taken:
        cover = taken.add_stream("mjpeg", rate=1)
        cover.height, cover.width = draw(0).shape[:2]
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        streams = [taken.add_stream_from_template(stream) for stream in given.streams.video]
        picture = av.Packet(jpeg.getvalue())
        picture.stream, picture.time_base, picture.pts, picture.dts = cover, Fraction(1, 1), 0, 0
        taken.mux(picture)
        for packet in given.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                taken.mux(packet)


def test_a_track_that_ends_before_the_others_with_a_pause_is_sound(tmp_path: Path) -> None:
    """It ends when its own header says, which is not when the file does."""
    times = [*range(39), 80]
    uri = write_tracks(tmp_path / "pause.mp4", [range(40), range(1000, 1200)], times=[times, range(200)])
    assert shown([tracklet(0, uri, [39]), tracklet(1, uri, [*range(40)]), tracklet(2, uri, [199], 1)]) == {
        0: [39], 1: [*range(40)], 2: [1199]
    }  # fmt: skip


def test_a_codec_that_nobody_knows_leaves_the_other_tracks_their_numbers(tmp_path: Path) -> None:
    path = Path(write_tracks(tmp_path / "unknown.mp4", [FIRST, SECOND]))
    data = bytearray(path.read_bytes())
    at = data.index(b"avc1", data.index(b"stsd"))
    data[at : at + 4] = b"zzzz"
    path.write_bytes(data)
    found = shown([tracklet(0, str(path), [7]), tracklet(1, str(path), [7], 1)])
    assert found[1] == [1007]
    assert isinstance(found[0], Failure)
    assert found[0].code is FailureCode.VIDEO_UNREADABLE
    assert found[0].message.endswith("its video track 0 is of a codec that FFmpeg does not know")


def test_presentation_times_are_those_of_the_track(tmp_path: Path) -> None:
    uri = write_tracks(tmp_path / "rates.mp4", [range(10), range(1000, 1010)], rates=[25, 10])
    assert timestamps(uri, 4) == pytest.approx([0, 0.04, 0.08, 0.12], abs=1e-3)
    assert timestamps(uri, 4, stream=1) == pytest.approx([0, 0.1, 0.2, 0.3], abs=1e-3)
    with pytest.raises(TrackletError, match="it has 2 moving video tracks"):
        timestamps(uri, 4, stream=2)


@pytest.mark.skipif(importlib.util.find_spec("decord") is None, reason="decord has packages for x86-64 only")
def test_decord_which_chooses_a_track_by_itself_is_refused(cameras: str) -> None:
    stage = DecodeStage(None, Sampling("all"), DecodeOptions(decoder="decord"))
    results = list(stage([tracklet(0, cameras, [3]), tracklet(1, cameras, [3], 1)]))
    stage.close()
    for result in results:
        assert isinstance(result, Failure)
        assert result.code is FailureCode.DECODER_REFUSED
        assert "the file has 2 moving video tracks, and decord chooses one by itself; use pyav" in result.message


def test_a_negative_track_is_refused() -> None:
    with pytest.raises(TrackletError) as caught:
        tracklet(0, "a.mp4", [0], -1)
    assert caught.value.code is FailureCode.INVALID_TRACKLET
    with pytest.raises(UsageError, match="--video-stream is -2: must be at least 0"):
        DecodeOptions(video_stream=-2)
