"""The exact reader: PyAV, counting the frames that come out.

Frame k is the k-th frame that the decoder gives in presentation order when it starts at the beginning. A forward pass
takes nothing from timestamps, indices or frame rates, so it is right for every container and codec. Where few frames
of a long video are wanted, and its table of packets can be trusted, the reader seeks, and checks every frame that comes
out against the table; at the first contradiction it starts over and counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from av.video.reformatter import VideoReformatter

from par_model.errors import FailureCode, TrackletError
from par_model.video.container import ONE_FRAME_A_PACKET, VideoContainer, describe
from par_model.video.counters import Counters
from par_model.video.damage import DECODER_ERRORS
from par_model.video.picture import ReadFrame
from par_model.video.source import VideoFile
from par_model.video.table import (
    SEEKABLE_FORMATS,
    PacketTable,
    Run,
    runs,
    table_may_pay,
    table_of_packets,
    tables,
)

# This many frames must come out of the decoder as the table says before it is believed.
_PROOF_FRAMES = 12
# A remote file is fetched whole when more of it than this is wanted.
_LARGE_SHARE = 0.25


class SeekRefutedError(Exception):
    """What came out of the decoder is not what the table of packets says."""


class VideoReader:
    """Frames of one video file. A context manager that closes the decoder, not the file.

    threads: how many the decoder may use. count: how many frames a pass from the start has met.
    Raises TrackletError if the file cannot be read or holds no video.
    """

    def __init__(self, file: VideoFile, *, threads: int = 1, counters: Counters | None = None) -> None:
        self.name = file.uri
        self._file = file
        self._threads = threads
        self._counters = counters or Counters()
        self._reformatter = VideoReformatter()
        self.count = 0
        self._has_moved = False
        self._video = VideoContainer(file, threads)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._video.close()

    @property
    def damage(self) -> str | None:
        """The first damage that was met so far."""
        return self._video.damage.reason

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[ReadFrame]:
        """All frames, or those of ascending indices ``wanted``, as far as there are that many, and some around them.

        In ascending order; but a seek that is refuted starts again with frame 0. Bad packets are skipped, what follows
        them is marked. Raises TrackletError if storage fails, or if not a single frame comes out.
        """
        table = self._table(wanted) if wanted else None
        if self._file.is_ranged and self._share(wanted, table) > _LARGE_SHARE and self._file.fetch_whole():
            self._start_over()
        if wanted and table is not None and wanted[-1] < len(table):
            plan = runs(wanted, table)
            if plan != [Run(0, wanted[-1])]:
                try:
                    for run in plan:
                        yield from self.frames_of_run(run, table)
                    return
                except SeekRefutedError:
                    self._refuted()
        yield from self._frames_from_start()

    def frames_of_run(self, run: Run, table: PacketTable) -> Iterator[ReadFrame]:
        """Frames from a key frame on, each checked. Raises SeekRefutedError."""
        key_pts = int(table.pts[run.start])
        index = run.start
        self._has_moved = True
        self._file.expect(table.bytes_of(run))
        self._seek(key_pts)
        is_first = True
        for packet in self._video.packets():
            if is_first and (packet.pts != key_pts or not packet.is_keyframe):
                raise SeekRefutedError
            is_first = False
            try:
                frames = packet.decode()
            except DECODER_ERRORS as error:
                if packet.pts is not None and packet.pts < key_pts:
                    continue  # it belongs to frames before the key frame, which are not wanted from here
                raise SeekRefutedError from error
            for frame in frames:
                if frame.pts is not None and frame.pts < key_pts and index == run.start:
                    continue
                if frame.pts != table.pts[index] or frame.is_corrupt or (index == run.start and not frame.key_frame):
                    raise SeekRefutedError
                yield ReadFrame(index, None, frame, self._reformatter)
                if index == run.stop:
                    return
                index += 1
        raise SeekRefutedError

    def _share(self, wanted: Sequence[int] | None, table: PacketTable | None) -> float:
        """About which part of the file has to be read for the wanted frames."""
        if wanted and table is not None and wanted[-1] < len(table):
            return sum(run.stop + 1 - run.start for run in runs(wanted, table)) / len(table)
        total = self._video.num_frames
        return min(1.0, (wanted[-1] + 1) / total) if wanted and total else 1.0

    def _frames_from_start(self) -> Iterator[ReadFrame]:
        if self._has_moved:
            self._start_over()
        self._has_moved = True
        index = 0
        damage = self._video.damage
        try:
            for packet in self._video.packets():
                try:
                    frames = packet.decode()
                except DECODER_ERRORS as error:
                    damage.packet_failed(packet, index, error)
                    continue
                damage.packet_sent(packet, index)
                for frame in frames:
                    why = damage.of_frame(frame, index, flushed=not packet.size)
                    yield ReadFrame(index, why, frame, self._reformatter)
                    index += 1
                    self.count = index
        finally:
            # Also when nobody wants the rest of the frames: later requests must meet the damage too.
            if damage.reason is not None and self._file.identity is not None:
                tables[self._file.identity] = None
        if index == 0:
            raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"cannot read {self.name}: no frame could be decoded")

    def _seek(self, timestamp: int) -> None:
        try:
            self._video.seek(timestamp)
        except DECODER_ERRORS as error:
            if self._file.failure is not None:
                raise self._file.failure from error
            raise SeekRefutedError from error

    def _table(self, wanted: Sequence[int]) -> PacketTable | None:
        """The video's table of packets, if it can be trusted and may save more than it costs."""
        identity = self._file.identity
        if identity is not None and identity in tables:
            return tables[identity]
        if self._video.format not in SEEKABLE_FORMATS or self._video.codec not in ONE_FRAME_A_PACKET:
            return None
        if not table_may_pay(wanted, self._video.num_frames):
            return None
        if self._file.fetch_whole():
            self._start_over()
        table = self._read_table()
        if identity is not None:
            tables[identity] = table
        return table

    def _read_table(self) -> PacketTable | None:
        self._has_moved = True
        packets = []
        shown: list[int | None] = []
        for packet in self._video.packets():
            if len(shown) < _PROOF_FRAMES:
                try:
                    frames = packet.decode()
                except DECODER_ERRORS:
                    return None
                self._counters.frames_decoded += len(frames)
                shown += [None if frame.is_corrupt else frame.pts for frame in frames]
            if packet.size:
                packets.append(describe(packet))
        table = table_of_packets(packets)
        if table is None or self.damage is not None or table.pts[: len(shown)].tolist() != shown:
            return None
        return table

    def _refuted(self) -> None:
        self._counters.seeks_refuted += 1
        if self._file.identity is not None:
            tables[self._file.identity] = None

    def _start_over(self) -> None:
        self._video.close()
        self._video = VideoContainer(self._file, self._threads)
        self._has_moved = False
