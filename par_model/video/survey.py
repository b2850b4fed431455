"""What a video says of itself, for those who bring tracks of it: picture, number of frames, tracks, damage."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from par_model.errors import FailureCode, TrackletError
from par_model.video.bytes.source import VideoFile, open_video
from par_model.video.containers.open import VideoContainer
from par_model.video.reader import VideoReader

# An edit list may hide so many of the frames that an mp4 lists; more would be an odd file.
_HIDDEN = 64
# A number of frames that was worked out from a duration is taken for right as far as this.
_SURE_SHARE = 0.9


@dataclass(frozen=True)
class Survey:
    """width, height: of the first frame as displayed.

    frames: how many there are if ``is_counted``; else a number that there surely are. tracks: of moving pictures.
    new_size: the first frame of another size, as (frame, width, height); damage: the first that was met. Both are known
    as far as the video was decoded.
    """

    width: int
    height: int
    frames: int
    is_counted: bool
    tracks: int
    new_size: tuple[int, int, int] | None = None
    damage: str | None = None


def survey(uri: str, last_frame: int, stream: int = 0, *, decode: bool = False) -> Survey:
    """Look at a video of which frame ``last_frame`` is wanted last.

    stream: which of its moving video tracks, counted from 0.
    Frames are counted only where the header does not settle whether there are so many, from the packet index where
    that can be trusted, else by decoding up to that frame. decode: decode all. Raises TrackletError where the video
    cannot be read.
    """
    with open_video(uri) as file:
        if decode:
            return _decode(file, stream, None)
        with VideoContainer(file, stream) as container:
            sure, tracks = _sure_frames(container), container.tracks
        if last_frame < sure:
            width, height = _first_size(file, stream)
            return Survey(width, height, sure, False, tracks)
        count = _count_packets(file, stream)
        if count is not None:
            width, height = _first_size(file, stream)
            return Survey(width, height, count, True, tracks)
        return _decode(file, stream, last_frame)


def _sure_frames(container: VideoContainer) -> int:
    promised = container.num_frames or 0
    return promised - _HIDDEN if container.lists_frames else int(_SURE_SHARE * promised)


def _first_size(file: VideoFile, stream: int) -> tuple[int, int]:
    with VideoReader(file, stream) as reader:
        for frame in reader.frames([0]):
            return frame.size
    raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"cannot read {file.uri}: no frame could be decoded")


def _count_packets(file: VideoFile, stream: int) -> int | None:
    with VideoReader(file, stream) as reader:
        times = reader.frame_times()
    return None if times is None else len(times)


def _decode(file: VideoFile, stream: int, last_frame: int | None) -> Survey:
    """Decode up to a frame, or to the end."""
    size: tuple[int, int] | None = None
    new_size = damage = None
    count, ended = 0, True
    with VideoReader(file, stream) as reader:
        for frame in reader.frames():
            size = size or frame.size
            if new_size is None and frame.size != size:
                new_size = (frame.index, *frame.size)
            damage = damage or frame.damage
            count = frame.index + 1
            if frame.index == last_frame:
                ended = False
                break
        tracks = reader.tracks
        damage = damage or (reader.damage if ended else None)
    if size is None:
        raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"cannot read {file.uri}: no frame could be decoded")
    return Survey(*size, count, ended, tracks, new_size, damage)


@dataclass(frozen=True)
class Clock:
    """times: of every frame, in seconds from the start of the earliest track.

    rate: images a second that FFmpeg takes for the video's where it has to keep a constant rate.
    """

    times: list[Fraction]
    rate: Fraction


def clock(uri: str, stream: int = 0) -> Clock:
    """When each frame is shown. Raises TrackletError where the video cannot be read, or does not say."""
    with open_video(uri) as file:
        with VideoContainer(file, stream) as container:
            rate, start = container.rate, container.start
        with VideoReader(file, stream) as reader:
            times = reader.frame_times()
        if times is None:
            with VideoReader(file, stream) as reader:
                times = [frame.time for frame in reader.frames() if frame.time is not None]
                count = reader.count
            if len(times) != count:
                raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"{uri}: some of its frames have no timestamp")
    if not rate:
        raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"{uri}: does not tell a frame rate")
    return Clock([time - start for time in times], rate)
