"""The exact reader: one forward pass with PyAV, counting the frames that come out.

Frame k is the k-th frame that the decoder gives in presentation order when it starts at the beginning. That holds for
every container and codec, because nothing is taken from timestamps, indices or frame rates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, cast

import av
import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from par_model.errors import FailureCode, StorageError, TrackletError
from par_model.video.source import VideoFile

# Formats that hold their own streams. Playlists, concat scripts, DASH, SDP and numbered images name other files or
# addresses, which a stranger's "video" must not make us open; FFmpeg checks this list before it reads a header.
_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,f4v,kux,asf,asf_o,mxf,mxf_opatom,ogg,nut,ivf,obu,av1,"
    "h261,h263,h264,hevc,vvc,evc,m4v,vc1,cavsvideo,avs2,avs3,dirac,mjpeg,dv,gxf,wtv,rm,nuv,pva,dhav,lmlm4,gif,apng,"
    "yuv4mpegpipe,nsv,ty,ifv,lxf,mtv,thp,smk,bink,film_cpk,roq,amv"
)

# What PyAV raises for bad data, and what it passes on from our file and from _refuse_to_open.
_DECODER_ERRORS = (FFmpegError, ValueError, OSError, EOFError, StorageError)


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """One decoded frame while it passes.

    index: its place in presentation order, 0-based.
    damage: why its pixels or its index cannot be trusted, None for a sound frame.
    """

    index: int
    damage: str | None
    _frame: av.VideoFrame
    _reformatter: VideoReformatter

    @property
    def is_key(self) -> bool:
        """Whether decoding can start here."""
        return self._frame.key_frame

    def picture(self) -> NDArray[np.uint8]:
        """The displayed picture, RGB uint8 [H, W, 3], valid as long as this object."""
        rgb = self._reformatter.reformat(self._frame, format="rgb24")
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: rgb.height, : rgb.width * 3]
        return _as_displayed(rows.reshape(rgb.height, rgb.width, 3), self._frame)


class VideoReader:
    """Frames of one video file, in order. A context manager that closes the decoder, not the file.

    file: the decoder opens nothing else. threads: how many the decoder may use.
    Raises TrackletError if the file cannot be read, or there is no video in it.
    """

    def __init__(self, file: VideoFile, *, threads: int = 1) -> None:
        self.name = file.uri
        self._file = file
        self._reformatter = VideoReformatter()
        self._damage = _DamageLog()
        try:
            self._container = av.open(
                file,
                mode="r",
                container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "none"},
                io_open=_refuse_to_open,
            )
        except _DECODER_ERRORS as error:
            message = f"cannot read {self.name}: no video that can be opened ({_line(error)})"
            raise file.failure or TrackletError(FailureCode.VIDEO_UNREADABLE, message) from error
        self._stream = self._video_stream()
        self._stream.codec_context.thread_count = threads

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def damage(self) -> str | None:
        """The first damage that the pass has met so far."""
        return self._damage.reason

    def frames(self) -> Iterator[ReadFrame]:
        """All frames from the first on. Bad packets are skipped; what follows them is marked.

        Raises TrackletError if storage fails, or if not a single frame comes out.
        """
        index = 0
        damage = self._damage
        for packet in self._packets():
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except _DECODER_ERRORS as error:
                damage.packet_failed(packet, index, error)
                continue
            damage.packet_sent(packet, index)
            for frame in frames:
                yield ReadFrame(index, damage.of_frame(frame, index), frame, self._reformatter)
                index += 1
        if index == 0:
            raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"cannot read {self.name}: no frame could be decoded")

    def _packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        """Packets of the stream, ended by the one that flushes the decoder also where the file breaks off."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except _DECODER_ERRORS as error:
                if self._file.failure is not None:
                    raise self._file.failure from error
                self._damage.file_broke_off(error)
                flush = av.Packet()
                flush.stream = self._stream
                yield cast("av.Packet[av.VideoStream]", flush)
                return

    def _video_stream(self) -> av.VideoStream:
        streams = self._container.streams
        best = streams.best("video")
        moving = [s for s in streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        stream = best if best in moving else next(iter(moving), None)
        if stream is None or not isinstance(stream, av.VideoStream) or stream.codec_context is None:
            self._container.close()
            raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"cannot read {self.name}: it has no video stream")
        return stream


class _DamageLog:
    """Where damage was met, and which frames it makes unreliable: all that follow it in presentation order.

    Frames that the decoder held back when it met the damage, and that were sent to it before, are sound.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._sound_pts: set[int] = set()
        self._seen_sound_frame = False

    def packet_sent(self, packet: av.Packet[av.VideoStream], index: int) -> None:
        if packet.is_corrupt and self._seen_sound_frame:
            self._start(f"a packet near frame {index} is damaged")
        elif self.reason is None and packet.pts is not None:
            self._sound_pts.add(packet.pts)

    def packet_failed(self, packet: av.Packet[av.VideoStream], index: int, error: Exception) -> None:
        # Before the first frame it is no damage: streams may start in the middle of a group of pictures.
        if self._seen_sound_frame:
            self._start(f"a packet near frame {index} could not be decoded ({_line(error)})")

    def file_broke_off(self, error: Exception) -> None:
        self._start(f"the file breaks off ({_line(error)})")

    def of_frame(self, frame: av.VideoFrame, index: int) -> str | None:
        sent_before = frame.pts in self._sound_pts
        if frame.pts is not None:
            self._sound_pts.discard(frame.pts)
        if frame.is_corrupt:
            if self._seen_sound_frame:
                self._start(f"frame {index} is damaged")
            return f"frame {index} is damaged"
        self._seen_sound_frame = True
        return None if sent_before else self.reason

    def _start(self, reason: str) -> None:
        self.reason = self.reason or reason


def _as_displayed(pixels: NDArray[np.uint8], frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Turn and mirror a picture the way its display matrix says; PyAV does neither."""
    if not frame.rotation and not len(frame.side_data):
        return pixels
    if _is_mirrored(frame):
        pixels = pixels[::-1]
    return np.rot90(pixels, k=round(frame.rotation / 90) % 4)


def _is_mirrored(frame: av.VideoFrame) -> bool:
    side_data = cast(SideDataContainer, frame.side_data)
    if SideDataType.DISPLAYMATRIX not in side_data:
        return False
    matrix = np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), np.int32).reshape(3, 3).astype(np.float64)
    return bool(np.linalg.det(matrix[:2, :2]) < 0)


def _refuse_to_open(url: str, *_: object) -> NoReturn:
    raise PermissionError(f"the container refers to {url}, which is not opened")


def _line(error: BaseException) -> str:
    if isinstance(error, FFmpegError) and error.strerror:
        return str(error.strerror)
    return " ".join(str(error).split()) or type(error).__name__
