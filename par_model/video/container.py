"""Opening the container of a video safely, and its packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import NoReturn, cast

import av
from av.logging import Capture

from par_model.errors import FailureCode, StorageError, TrackletError
from par_model.video import asf, mpegts, mxf, ogg
from par_model.video.avi import chunks
from par_model.video.complaints import listen, spoils
from par_model.video.damage import DECODER_ERRORS, DamageLog, one_line
from par_model.video.flv import tags
from par_model.video.layout import Bytes, LayoutCheck, OrderCheck, Place
from par_model.video.matroska import blocks
from par_model.video.parameters import SequenceColours
from par_model.video.source import VideoFile
from par_model.video.table import Packet

# Formats that hold their own streams. Playlists, concat scripts, DASH, SDP and numbered images name other files or
# addresses, which a stranger's "video" must not make us open; FFmpeg checks this list before it reads a header.
_FORMATS = (
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,live_flv,f4v,kux,asf,asf_o,mxf,mxf_opatom,ogg,nut,ivf,obu,av1,"
    "h261,h263,h264,hevc,vvc,evc,m4v,vc1,cavsvideo,avs2,avs3,dirac,mjpeg,dv,gxf,wtv,rm,nuv,pva,dhav,lmlm4,gif,apng,"
    "yuv4mpegpipe,nsv,ty,ifv,lxf,mtv,thp,smk,bink,film_cpk,roq,amv"
)

# Containers whose demuxers pass over damage in silence.
_WALKS: dict[str, Callable[[Bytes], Iterator[Place]]] = {"matroska": blocks, "avi": chunks, "flv": tags}

# Codecs whose packets give one frame each. MPEG-4 part 2 has packets without a frame ("not coded"), VP8 has frames
# that are never shown.
ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "vp9", "av1", "mjpeg", "ffv1", "prores"})


# Covers, and the pictures of chapters.
_NO_MOVING_PICTURES = av.stream.Disposition.attached_pic

_HEADER = 64  # bytes that may lie between where an index says that a packet is, and its start

_STILL = "it is an image file, not a video; still crops are named in image_uris"


class VideoContainer:
    """One moving-picture track of a video file. A context manager that closes the decoder, not the file.

    file: read from its beginning; the decoder opens nothing else. stream: which of its moving video tracks, counted
    from 0 in the file's order, as OpenCV counts them. tracks: how many there are. damage: what the packets and frames
    that passed gave away. One thread decodes: several give a frame before they know what is wrong with it.

    Raises TrackletError if the file cannot be read, or there is no such video track in it.
    """

    def __init__(self, file: VideoFile, stream: int = 0) -> None:
        self._file = file
        listen()
        file.seek(0)
        try:
            self._container = av.open(
                file,
                mode="r",
                container_options={"format_whitelist": _FORMATS, "protocol_whitelist": "none"},
                io_open=_refuse_to_open,
            )
        except DECODER_ERRORS as error:
            why = _STILL if _is_still(file) else f"no video that can be opened ({one_line(error)})"
            message = f"cannot read {file.uri}: {why}"
            raise file.failure or TrackletError(FailureCode.VIDEO_UNREADABLE, message) from error
        moving = [s for s in self._container.streams.video if not s.disposition & _NO_MOVING_PICTURES]
        self.tracks = len(moving)
        self._stream = self._moving_pictures(moving, stream)
        self._stream.codec_context.thread_count = 1
        is_h264 = self.codec == "h264"
        self._colours = SequenceColours(self._stream.codec_context, self.format) if is_h264 else None
        self._has_moved = False
        self._layout = self._check()
        self.damage = DamageLog(packets_are_frames=self.codec in ONE_FRAME_A_PACKET, promised_end=self._promised_end())

    def __enter__(self) -> VideoContainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the decoder."""
        self._container.close()

    def _check(self) -> LayoutCheck | OrderCheck | None:
        data = Bytes(self._file.peek)
        if self.format == "mpegts":
            return OrderCheck(mpegts.starts(data, self._stream.id), one_each=True)
        if self.format == "asf":
            return OrderCheck(asf.data_packets(data, self._stream.id))
        if self.format.startswith("mxf"):
            return OrderCheck(mxf.elements(data))
        if self.format == "ogg":
            return OrderCheck(ogg.pages(data))
        walk = next((walk for name, walk in _WALKS.items() if name in self.format.split(",")), None)
        return LayoutCheck(walk(data)) if walk is not None else None

    def _promised_end(self) -> float | None:
        """When the header says that the video ends. Fragments, and streams for broadcasting, have no such header.

        mp4 tells it of each track, Matroska of the longest alone.
        """
        told = "matroska" in self.format or ("mp4" in self.format and self._stream.frames > 0)
        if not told or not self._container.duration or self._stream.time_base is None:
            return None
        if "mp4" in self.format and self._stream.duration and self._stream.start_time is not None:
            return float(self._stream.start_time + self._stream.duration)
        seconds = ((self._container.start_time or 0) + self._container.duration) / av.time_base
        return float(seconds / self._stream.time_base)

    @property
    def format(self) -> str:
        """FFmpeg's name of the container format."""
        return self._container.format.name

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, whichever library decodes it."""
        return self._stream.codec_context.codec.canonical_name

    @property
    def time_base(self) -> Fraction | None:
        """The unit of timestamps, in seconds."""
        return self._stream.time_base

    @property
    def num_frames(self) -> int | None:
        """How many frames the header promises, None if it does not."""
        if self._stream.frames:
            return self._stream.frames
        if self._container.duration and self._stream.average_rate:
            return round(self._container.duration / av.time_base * self._stream.average_rate)
        return None

    @property
    def lists_frames(self) -> bool:
        """Whether the header lists every frame, so that their number is not worked out from durations."""
        return self._stream.frames > 0 and "mp4" in self.format.split(",")

    @property
    def rate(self) -> Fraction | None:
        """Frames a second, as FFmpeg takes them where it has to keep a constant rate; None if the file tells none."""
        return self._stream.guessed_rate

    @property
    def start(self) -> Fraction:
        """When the earliest of all tracks begins, in seconds of the container's clock."""
        return Fraction(self._container.start_time or 0, av.time_base)

    def packets(self) -> Iterator[av.Packet[av.VideoStream]]:
        """Packets from here on, ended by an empty one that flushes the decoder also where the file breaks off."""
        packets = self._container.demux(self._stream)
        is_first = not self._has_moved
        while True:
            try:
                with Capture() as logs:
                    packet = next(packets)
                complaint = spoils(logs, self.format)
                if complaint is not None:
                    self.damage.packets_lost(f"the file's structure is damaged ({complaint})")
                if is_first and not packet.is_keyframe and self._promises_key(packet):
                    self.damage.packets_lost("its first frame is damaged")
                is_first = False
                self._compare(packet)
                yield packet
            except StopIteration:
                return
            except (*DECODER_ERRORS, IndexError) as error:  # IndexError: of a stream that appears on the way
                if self._file.failure is not None:
                    raise self._file.failure from error
                self.damage.file_broke_off(error)
                flush = av.Packet()
                flush.stream = self._stream
                yield cast("av.Packet[av.VideoStream]", flush)
                return

    def decode(self, packet: av.Packet[av.VideoStream]) -> tuple[list[av.VideoFrame], str | None]:
        """The frames that come out after a packet, and what the decoder complained of, None if of nothing.

        FFmpeg fills what it cannot decode from other pictures, gives that as a sound frame, and says so in its log
        alone. So errors that it logs meanwhile are complaints too, but for those that concern no picture.
        """
        refusal = None
        if self._colours is not None:
            self._colours.before(packet)
        with Capture() as logs:
            try:
                frames = packet.decode()
            except DECODER_ERRORS as error:
                frames, refusal = [], one_line(error)
        return frames, spoils(logs) or refusal

    def _compare(self, packet: av.Packet[av.VideoStream]) -> None:
        if self._layout is None:
            return
        if not packet.size:
            is_lost = self._layout.is_any_left()
        elif packet.pos is not None and packet.pos >= 0:
            is_lost = self._layout.is_lost(packet.pos)
        else:
            self._layout = None  # cut out of another packet, by a parser: it has no place of its own
            return
        if is_lost:
            self.damage.packets_lost("the file's structure is damaged, and packets are lost")

    def _promises_key(self, first: av.Packet[av.VideoStream]) -> bool:
        """Whether the file's index calls its first packet a key frame. FFmpeg looks into the packet instead."""
        entries = self._stream.index_entries
        return len(entries) > 0 and entries[0].is_keyframe and abs(entries[0].pos - (first.pos or 0)) <= _HEADER

    def seek(self, timestamp: int) -> None:
        """Go to the last place at or before a timestamp (in the stream's units) where decoding can start."""
        self._layout = None  # it knows only what comes from the start
        self._has_moved = True
        self._container.seek(timestamp, stream=self._stream)

    def _moving_pictures(self, moving: Sequence[av.VideoStream], number: int) -> av.VideoStream:
        if number < len(moving) and moving[number].codec_context is not None:
            return moving[number]
        if not moving:
            why = "it has no video stream"
        elif number < len(moving):
            why = f"its video track {number} is of a codec that FFmpeg does not know"
        else:
            tracks = "1 moving video track" if len(moving) == 1 else f"{len(moving)} moving video tracks"
            why = f"it has {tracks}, and video_stream {number} is asked for, counted from 0"
        self.close()
        raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"cannot read {self._file.uri}: {why}")


def _refuse_to_open(url: str, *_: object) -> NoReturn:
    raise PermissionError(f"the container refers to {url}, which is not opened")


def _is_still(file: VideoFile) -> bool:
    try:
        head = file.peek(0, 12)
    except StorageError:
        return False
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG")) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def describe(packet: av.Packet[av.VideoStream]) -> Packet:
    """What a table of packets keeps of one."""
    is_bad = packet.is_corrupt or packet.is_discard
    return Packet(packet.pts, packet.is_keyframe, is_bad, packet.pos, packet.size)
