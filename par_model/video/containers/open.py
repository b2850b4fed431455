"""Opening the container of a video safely, and its packets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from typing import cast

import av
from av.container import InputContainer
from av.logging import Capture

from par_model.errors import FailureCode, StorageError, TrackletError
from par_model.video.bytes.source import VideoFile
from par_model.video.containers import mpegts
from par_model.video.containers.boxes import HeaderView
from par_model.video.containers.complaints import listen, spoils
from par_model.video.containers.damage import DECODER_ERRORS, DamageLog, reason_of
from par_model.video.containers.demuxer import open_demuxer, read_one_track
from par_model.video.containers.formats import END_IN_ERROR, INDEX_OF_PLACES, check_of
from par_model.video.containers.h264 import FrameNumbers, PictureStep, habits
from par_model.video.containers.packet_starts import Bytes, EndError
from par_model.video.containers.parameters import SequenceColours
from par_model.video.containers.wrapping import WRAPPING_FORMATS, OngoingTimes
from par_model.video.packet_index import Packet

# Codecs whose packets give one frame each. MPEG-4 part 2 has packets without a frame ("not coded"), VP8 has frames
# that are never shown.
ONE_FRAME_A_PACKET = frozenset({"h264", "hevc", "vp9", "av1", "mjpeg", "ffv1", "prores"})


# Covers, and the pictures of chapters.
_NO_MOVING_PICTURES = av.stream.Disposition.attached_pic

_LEARNING_PACKETS = 50  # that tell an encoder's habits

_FILLING = 64  # bytes at the end of a file that are alike if it has space that was not filled
_HEADER = 64  # bytes that may lie between where an index says that a packet is, and its start

_STILL = "it is an image file, not a video; still crops are named in image_uris"


class VideoContainer:
    """One moving-picture track of a video file. A context manager that closes the decoder, not the file.

    file: read from its beginning; the decoder opens nothing else. Packets of a HeaderView are what its header says of
    them, key frames included, and cannot be decoded. stream: which of its moving video tracks, counted from 0 in the
    file's order, as OpenCV counts them. tracks: how many there are. size: width and height that the header promises,
    before pictures are turned. damage: what the packets and frames that passed gave away. One thread decodes: several
    give a frame before they know what is wrong with it.

    Raises TrackletError if the file cannot be read, or there is no such video track in it.
    """

    def __init__(self, file: VideoFile | HeaderView, stream: int = 0) -> None:
        self._file, self._number = file, stream
        listen()
        self._options: dict[str, str] = {}
        self._container = self._open()
        if self.format == "mpegts" and isinstance(file, VideoFile) and self._ends_before_the_file(file):
            self.close()
            self._container = self._open()
        moving = [s for s in self._container.streams.video if not s.disposition & _NO_MOVING_PICTURES]
        self.tracks = len(moving)
        self._stream = self._moving_pictures(moving, stream)
        self._stream.codec_context.thread_count = 1
        self.size = (self._stream.codec_context.width, self._stream.codec_context.height)
        read_one_track(self._container, self._stream)
        is_h264 = self.codec == "h264"
        self._colours = SequenceColours(self._stream.codec_context, self.format) if is_h264 else None
        self._has_moved = False
        self._times = OngoingTimes() if self.format in WRAPPING_FORMATS else None
        self._layout = check_of(self.format, self._stream.id, Bytes(file.peek))
        self._numbers = FrameNumbers(self._stream.codec_context.extradata) if is_h264 else None
        self._habits: frozenset[bool] | None = None
        self.damage = DamageLog(packets_are_frames=self.codec in ONE_FRAME_A_PACKET, promised_end=self._promised_end())

    def __enter__(self) -> VideoContainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the decoder."""
        self._container.close()

    def _open(self) -> InputContainer:
        try:
            return open_demuxer(self._file, self._options)
        except DECODER_ERRORS as error:
            if self._file.failure is None and _head(self._file).startswith(b"FLV"):
                # FFmpeg knows some writers that count tags otherwise, and gives up files of all others.
                self._options["flv_ignore_prevtag"] = "1"
                with suppress(*DECODER_ERRORS):
                    return open_demuxer(self._file, self._options)
            why = _STILL if _is_still(self._file) else f"no video that can be opened ({reason_of(error)})"
            message = f"cannot read {self._file.uri}: {why}"
            raise self._file.failure or TrackletError(FailureCode.VIDEO_UNREADABLE, message) from error

    def _ends_before_the_file(self, file: VideoFile) -> bool:
        """Whether the file goes on behind its last packet, with nothing. From here on it seems to end there."""
        size = file.size
        try:
            end = mpegts.end(Bytes(file.peek), size)
        except StorageError as error:
            self.close()
            raise file.failure or error from error
        if end < size:
            file.end_at(end)
        return end < size

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
    def extradata(self) -> bytes | None:
        """What the container has of the codec's parameters."""
        return self._stream.codec_context.extradata

    @property
    def reorders(self) -> bool:
        """Whether the stream says, as far as it was decoded, that pictures are decoded in another order than shown."""
        return bool(self._stream.codec_context.has_b_frames)

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
                    packet = next(packets, None)
                if packet is None:
                    return
                complaint = spoils(logs, self.format)
                if complaint is not None and not self._is_behind_all():
                    self.damage.packets_lost(f"the file's structure is damaged ({complaint})")
                if is_first and not packet.is_keyframe and self._promises_key(packet):
                    self.damage.packets_lost("its first frame is damaged")
                is_first = False
                if self._times is not None:
                    self._times.go_on(packet)
                self._compare(packet)
                yield packet
            except (*DECODER_ERRORS, IndexError) as error:  # IndexError: of a stream that appears on the way
                if self._file.failure is not None:
                    raise self._file.failure from error
                if not self._is_behind_all():
                    self.damage.file_broke_off(error)
                flush = self._flush()
                self._compare(flush)
                yield flush
                return

    def decode(
        self, packet: av.Packet[av.VideoStream], *, strictly: bool = False
    ) -> tuple[list[av.VideoFrame], str | None]:
        """The frames that come out after a packet, and what the decoder complained of, None if of nothing.

        strictly: frame numbers that jump are a complaint also where the file's encoder has that habit.

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
                frames, refusal = [], reason_of(error)
        return frames, spoils(logs) or refusal or self.lacks_references(packet, strictly=strictly)

    def drain(self) -> tuple[list[av.VideoFrame], str | None]:
        """The frames that the decoder still holds back, and its complaint. It takes no packet then before a seek."""
        return self.decode(self._flush())

    def lacks_references(self, packet: av.Packet[av.VideoStream], *, strictly: bool = False) -> str | None:
        """What tells that a packet's picture is made from pictures that are missing, None if nothing does.

        To be asked of each packet once, in order. It says nothing of other codecs than H.264, since FFmpeg does.
        """
        step = self._step(packet)
        if step is None or not step.jumps or (not strictly and step.after_reference in self._usual_jumps()):
            return None
        return "pictures that it is made from are missing, since frame numbers jump"

    def _flush(self) -> av.Packet[av.VideoStream]:
        flush = cast("av.Packet[av.VideoStream]", av.Packet())
        flush.stream = self._stream
        return flush

    def _step(self, packet: av.Packet[av.VideoStream]) -> PictureStep | None:
        if self._numbers is None or not packet.size:
            return None
        if packet.has_sidedata("new_extradata"):
            self._numbers.configure(bytes(packet.get_sidedata("new_extradata")))
        return self._numbers.step(memoryview(packet), packet.pts)

    def _usual_jumps(self) -> frozenset[bool]:
        """After which pictures numbers jump as a rule, as the file's beginning tells, wherever this one reads."""
        if self._habits is None:
            offset = self._file.tell()
            try:
                with VideoContainer(self._file, self._number) as beside:
                    steps = (beside._step(packet) for packet in islice(beside.packets(), _LEARNING_PACKETS))
                    self._habits = habits(step for step in steps if step is not None)
            except TrackletError:
                self._habits = frozenset()
            finally:
                self._file.seek(offset)
        return self._habits

    def _is_behind_all(self) -> bool:
        """Whether FFmpeg complains of what lies behind the last packet: the end itself, or space that was not filled.

        It reads ahead; so the latter counts only where the file's structure tells that nothing is missing before.
        """
        position, size = self._file.tell(), self._file.size
        if self._layout is not None:
            position = min(position, size - _FILLING)
        elif self.format not in END_IN_ERROR:
            return False
        return isinstance(Bytes(self._file.peek).end_of_sense(max(position, 0)), EndError)

    def _compare(self, packet: av.Packet[av.VideoStream]) -> None:
        if self._layout is None:
            return
        if not packet.size:
            is_lost = self._layout.is_any_left()
        elif packet.pos is not None and packet.pos >= 0:
            is_lost = self._layout.is_lost(packet.pos)
        else:
            self._layout = None  # cut out of another packet, by a parser: it has no start of its own
            return
        if is_lost:
            self.damage.packets_lost("the file's structure is damaged, and packets are lost")

    def _promises_key(self, first: av.Packet[av.VideoStream]) -> bool:
        """Whether the file's index calls its first packet a key frame. FFmpeg looks into the packet instead."""
        if self.format in INDEX_OF_PLACES:
            return False
        entries = self._stream.index_entries
        return len(entries) > 0 and entries[0].is_keyframe and abs(entries[0].pos - (first.pos or 0)) <= _HEADER

    def seek(self, timestamp: int) -> bool:
        """Go to the last packet at or before a timestamp (in the stream's units) where decoding can start; whether that
        could be done. Raises TrackletError if storage fails."""
        self._layout = None  # it knows only what comes from the start
        if self._numbers is not None:
            self._numbers.start_over()
        self._has_moved = True
        try:
            self._container.seek(timestamp, stream=self._stream)
        except DECODER_ERRORS as error:
            if self._file.failure is not None:
                raise self._file.failure from error
            return False
        return True

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


def _head(file: VideoFile | HeaderView) -> bytes:
    try:
        return file.peek(0, 12)
    except StorageError:
        return b""


def _is_still(file: VideoFile | HeaderView) -> bool:
    head = _head(file)
    return head.startswith((b"\xff\xd8\xff", b"\x89PNG")) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def describe(packet: av.Packet[av.VideoStream]) -> Packet:
    """What a packet index keeps of one."""
    is_bad = packet.is_corrupt or packet.is_discard
    return Packet(packet.pts, packet.is_keyframe, is_bad, packet.pos, packet.size)
