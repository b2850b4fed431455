"""The writer of clips: what goes in comes out, in order, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from par_model.errors import StorageError
from par_model.video.writer import ClipWriter


def _write(path: Path, values: list[int]) -> None:
    with ClipWriter(path, width=64, height=48, fps=10) as clip:
        for value in values:
            clip.write(np.full((48, 64, 3), value, np.uint8))


def test_frames_come_back_in_order(tmp_path: Path) -> None:
    values = [20, 60, 100, 140, 180, 220] * 5
    _write(tmp_path / "a.mp4", values)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 10
        frames = list(container.decode(stream))
    assert [frame.pts * frame.time_base for frame in frames] == pytest.approx([k / 10 for k in range(30)])
    assert [frame.to_ndarray(format="rgb24").mean() for frame in frames] == pytest.approx(values, abs=4)


def test_a_camera_may_take_a_picture_every_two_seconds(tmp_path: Path) -> None:
    with ClipWriter(tmp_path / "a.mp4", width=64, height=48, fps=0.5) as clip:
        for value in (20, 120, 220):
            clip.write(np.full((48, 64, 3), value, np.uint8))
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [frame.pts * frame.time_base for frame in frames] == [0, 2, 4]
    assert [frame.to_ndarray(format="rgb24").mean() for frame in frames] == pytest.approx([20, 120, 220], abs=4)


def test_a_key_frame_comes_every_two_seconds(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", [100] * 45)
    with av.open(str(tmp_path / "a.mp4")) as container:
        keys = [k for k, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys == [0, 20, 40]


def test_the_index_is_at_the_front(tmp_path: Path) -> None:
    """So that a reader over the network need not seek to the end first."""
    _write(tmp_path / "a.mp4", [100] * 20)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal(110, 30, (12, 48, 64, 3)).clip(0, 255).astype(np.uint8)
    for name in ("a.mp4", "b.mp4"):
        with ClipWriter(tmp_path / name, width=64, height=48, fps=10) as clip:
            for frame in frames:
                clip.write(frame)
    written = (tmp_path / "a.mp4").read_bytes()
    assert written == (tmp_path / "b.mp4").read_bytes()
    assert b" mbtree=0 " in written  # x264's note of its options: with it, one in some thousands differed


@pytest.mark.parametrize("shape", [(48, 64), (64, 48, 3), (48, 64, 4)])
def test_frames_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with (
        ClipWriter(tmp_path / "a.mp4", width=64, height=48, fps=10) as clip,
        pytest.raises(ValueError, match=r"uint8 \[48, 64, 3\]"),
    ):
        clip.write(np.zeros(shape, np.uint8))


def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written"):
        ClipWriter(tmp_path / "missing" / "a.mp4", width=64, height=48, fps=10)
