"""When each frame of a video is shown."""

from __future__ import annotations

from par_model.errors import FailureCode, TrackletError
from par_model.video.bytes.source import open_video
from par_model.video.reader import VideoReader


def timestamps(uri: str, count: int | None = None, stream: int = 0) -> list[float]:
    """Presentation time in seconds of the first ``count`` frames (None: of all), counted from that of frame 0.

    stream: which of the file's moving video tracks, counted from 0.

    A packet index tells where it can be trusted. Else frames are decoded to count them, since containers list
    packets that give no frame. Fewer are returned where the video ends before. Raises TrackletError if it cannot be
    read, or a frame has no timestamp.
    """
    seconds: list[float] = []
    first = None
    with open_video(uri) as file, VideoReader(file, stream) as reader:
        told = reader.frame_times()
        if told is not None:
            return [float(time - told[0]) for time in told[:count]]
        for frame in reader.frames():
            if len(seconds) == count:
                break
            time = frame.time
            if time is None:
                message = f"{uri}: frame {frame.index} has no timestamp"
                raise TrackletError(FailureCode.VIDEO_UNREADABLE, message)
            first = time if first is None else first
            seconds.append(float(time - first))
    return seconds
