"""The exact reader: PyAV, counting the frames that come out.

Frame k is the k-th frame that the decoder gives in presentation order when it starts at the beginning. A forward pass
takes nothing from timestamps, indices or frame rates, so it is right for every container and codec. Where few frames
of a long video are wanted, and its packet index can be trusted, the reader seeks, and checks every frame that comes
out against the index; at the first contradiction it starts over and counts.

Where a count meets damage, and the index can be trusted, each frame from there on is judged as a seek would: it is
sound if all that comes out from the key frame before it, up to it, is what the index says. So the answer for a frame
does not depend on what else is read with it. Without such an index, all that follows damage is marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import groupby

from par_model.errors import FailureCode, TrackletError
from par_model.video.bytes.ranged import WORTH
from par_model.video.bytes.source import VideoFile
from par_model.video.chosen import ChosenFrames
from par_model.video.containers.open import ONE_FRAME_A_PACKET, VideoContainer
from par_model.video.counters import Counters
from par_model.video.decoding_cost import DecodingCost
from par_model.video.header_index import header_packets, read_packet_index
from par_model.video.options import Matrix
from par_model.video.packet_index import (
    SEEKABLE_FORMATS,
    PacketIndex,
    Run,
    groups_of,
    index_may_pay,
    index_of_packets,
    packet_indexes,
    parts_of,
    runs,
)
from par_model.video.picture import ReadFrame, Style

# A remote file is fetched whole when more of it than this is wanted, and nothing tells which bytes that are.
_LARGE_SHARE = 0.25


class SeekRefutedError(Exception):
    """What came out of the decoder is not what the packet index says."""


class VideoReader:
    """Frames of one video file. A context manager that closes the decoder, not the file.

    stream: which of the file's moving video tracks, counted from 0; there are ``tracks``. unflagged_matrix: see
    DecodeOptions. count: how many frames a pass from the start has met.
    Raises TrackletError if the file cannot be read or holds no such video track.
    """

    def __init__(
        self,
        file: VideoFile,
        stream: int = 0,
        *,
        counters: Counters | None = None,
        unflagged_matrix: Matrix = "bt601",
    ) -> None:
        self.name = file.uri
        self._file = file
        self._counters = counters or Counters()
        self._stream = stream
        self._style = Style(unflagged_matrix)
        self.count = 0
        self._has_moved = False
        self._met: str | None = None
        self._video = VideoContainer(file, stream)
        self.tracks = self._video.tracks

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._video.close()

    @property
    def damage(self) -> str | None:
        """The first damage that was met so far."""
        return self._met or self._video.damage.reason

    @property
    def time_base(self) -> Fraction | None:
        """Seconds of a tick of the packet index, None if the container does not say."""
        return self._video.time_base

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[ReadFrame]:
        """All frames, or those of ascending indices ``wanted``, as far as there are that many, and some around them.

        In ascending order; but a seek that is refuted starts again with frame 0. Bad packets are skipped, what follows
        them is marked as the module says. Raises TrackletError if storage fails, or if not a single frame comes out.
        """
        packet_index = self._packet_index(wanted) if wanted else None
        if wanted and packet_index is not None and wanted[-1] < len(packet_index):
            plan = runs(wanted, packet_index)
            self._expect(plan, packet_index)
            if plan != [Run(0, wanted[-1])]:
                try:
                    for run in plan:
                        yield from self.frames_of_run(run, packet_index)
                    return
                except SeekRefutedError:
                    self._refuted(packet_index)
        else:
            self._expect_pass(wanted)
        yield from self._frames_from_start(wanted or ())

    def _expect(self, plan: Sequence[Run], packet_index: PacketIndex) -> None:
        """Have what a plan reads fetched as cheaply as it can be."""
        if not self._file.is_ranged:
            return
        parts = [part for part in map(packet_index.bytes_of, plan) if part is not None]
        if len(parts) == len(plan) and self._file.expect_parts(parts):
            self._start_over()

    def _expect_pass(self, wanted: Sequence[int] | None) -> None:
        """Have what a pass up to the last wanted frame reads fetched as cheaply as it can be."""
        if not self._file.is_ranged:
            return
        share = self._share(wanted)
        listed = header_packets(self._file, self._stream) if wanted and share < WORTH else None
        packet_index = index_of_packets(listed or ())
        if wanted and packet_index is not None and wanted[-1] < len(packet_index):
            self._expect([Run(0, wanted[-1])], packet_index)
        elif share > _LARGE_SHARE and self._file.fetch_whole():
            self._start_over()

    def frames_of_run(self, run: Run, packet_index: PacketIndex) -> Iterator[ReadFrame]:
        """Frames from a key frame on, each checked. Raises SeekRefutedError."""
        for frame in self._frames_from_key(run, packet_index, "it is not what the packets promise"):
            if frame.damage is not None:
                raise SeekRefutedError
            yield frame
            if frame.index == run.stop:
                return
        raise SeekRefutedError

    def _frames_from_key(self, run: Run, packet_index: PacketIndex, damage: str) -> Iterator[ReadFrame]:
        """Frames from a key frame on, those after the first contradiction of the packet index marked with ``damage``.

        Their indices are those of their timestamps. Raises SeekRefutedError if the seek leads elsewhere.
        """
        key_pts = int(packet_index.pts[run.start])
        expected = run.start
        mark: str | None = None
        self._has_moved = True
        self._style.size = packet_index.size
        if not self._video.seek(key_pts):
            raise SeekRefutedError
        is_first = True
        for packet in self._video.packets():
            if is_first and (packet.pts != key_pts or not packet.is_keyframe):
                raise SeekRefutedError
            is_first = False
            frames, complaint = self._video.decode(packet)
            # What belongs to frames before the key frame is not wanted from here.
            if complaint is not None and (packet.pts is None or packet.pts >= key_pts):
                mark = damage
            for frame in frames:
                if frame.pts is not None and frame.pts < key_pts and expected == run.start:
                    continue
                index = packet_index.index_of(frame.pts)
                if index != expected or frame.is_corrupt or (index == run.start and not frame.key_frame):
                    mark = damage
                if index is None:
                    continue
                expected = index + 1
                yield ReadFrame(index, mark, frame, self._style)
                if index >= run.stop:
                    return

    def _share(self, wanted: Sequence[int] | None) -> float:
        """About which part of the file has to be read for the wanted frames, counted from the start."""
        total = self._video.num_frames
        return min(1.0, (wanted[-1] + 1) / total) if wanted and total else 1.0

    def _frames_from_start(self, wanted: Sequence[int]) -> Iterator[ReadFrame]:
        if self._has_moved:
            self._start_over()
        self._has_moved = True
        index = 0
        is_mended = False  # whether the packet index was asked what is sound after the damage
        last_pts: int | None = None
        damage = self._video.damage
        for packet in self._video.packets():
            frames, complaint = self._video.decode(packet)
            damage.packet_sent(packet, index, complaint)
            for frame in frames:
                why = damage.of_frame(frame, index, flushed=not packet.size)
                if index == 0:
                    self._style.size = (frame.width, frame.height)
                if why is not None and damage.reason is not None and wanted and not is_mended:
                    is_mended = True
                    packet_index = self._index_beside(last_pts, index)
                    if packet_index is not None:
                        self._met = damage.reason
                        yield from self._frames_after_damage(index, wanted, packet_index)
                        return
                yield ReadFrame(index, why, frame, self._style)
                last_pts = frame.pts
                index += 1
                self.count = index
        if index == 0:
            raise TrackletError(FailureCode.VIDEO_UNREADABLE, f"cannot read {self.name}: no frame could be decoded")

    def _index_beside(self, last_pts: int | None, index: int) -> PacketIndex | None:
        """The packet index, if it can be trusted and agrees with the frames before ``index``, the last of which
        is shown at ``last_pts``. The pass goes on as if nothing had happened."""
        if not self._has_packet_index:
            return None
        place = self._file.tell()
        try:
            with VideoContainer(self._file, self._stream) as beside:
                packet_index = read_packet_index(
                    beside, self._file, self._counters, header_packets(self._file, self._stream)
                )
        except TrackletError:
            return None
        finally:
            self._file.seek(place)
        return packet_index if packet_index is not None and packet_index.index_of(last_pts) == index - 1 else None

    def _frames_after_damage(self, index: int, wanted: Sequence[int], packet_index: PacketIndex) -> Iterator[ReadFrame]:
        """Wanted frames from ``index`` on, each group of pictures judged on its own."""
        damage = f"the frames from the key frame before it are damaged; the first damage of the file: {self._met}"
        self.count = len(packet_index)
        later = [k for k in wanted if index <= k < len(packet_index)]
        groups = [Run(key, max(group)) for key, group in groupby(later, key=packet_index.key_before)]
        self._start_over()
        self._expect(groups, packet_index)
        for group in groups:
            yield from self._frames_of_group(group, packet_index, damage)

    def _frames_of_group(self, run: Run, packet_index: PacketIndex, damage: str) -> Iterator[ReadFrame]:
        """Frames of a group of pictures; where its key frame is none, decoded from the key frame before that."""
        key = run.start
        while True:
            try:
                for frame in self._frames_from_key(Run(key, run.stop), packet_index, damage):
                    if frame.index >= run.start:
                        yield frame
                return
            except SeekRefutedError:
                if key == 0:
                    return
                key = packet_index.key_before(key - 1)

    def frame_times(self) -> list[Fraction] | None:
        """When each frame is shown, in seconds of the container's clock, where the packet index can be trusted."""
        base = self.time_base
        if not self._has_packet_index or base is None:
            return None
        if self._has_moved:
            self._start_over()
        self._has_moved = True
        packet_index = read_packet_index(
            self._video, self._file, self._counters, header_packets(self._file, self._stream)
        )
        return None if packet_index is None else [pts * base for pts in packet_index.pts.tolist()]

    def cost(self) -> DecodingCost | None:
        """What decoding costs in this video, None where its packet index cannot be trusted or does not tell."""
        return self._cost_of(self.packet_index())

    def cost_at_hand(self) -> DecodingCost | None:
        """As ``cost``, but as the file's header has it, and only where storage need not be asked for that."""
        if (self._file.identity, self._stream) in packet_indexes or not self._has_packet_index:
            return self.cost()
        listed = None if self._file.is_ranged else header_packets(self._file, self._stream)
        packet_index = index_of_packets(listed) if listed else None
        return None if packet_index is None else self._cost_of(replace(packet_index, size=self._video.size))

    def _cost_of(self, packet_index: PacketIndex | None) -> DecodingCost | None:
        if packet_index is None or packet_index.decoded is None:
            return None
        return DecodingCost(packet_index, self._video.codec)

    def chosen_frames(self, packet_index: PacketIndex, wanted: Sequence[int]) -> Iterator[ReadFrame]:
        """Those frames of ascending indices ``wanted`` that can be proven to be decoded right from the key frames
        before them, and some around them. packet_index: that of the video. Raises TrackletError if storage fails."""
        groups = groups_of(wanted, packet_index)
        parts = parts_of(groups, packet_index)
        if self._file.is_ranged and (self._file.fetch_whole() if parts is None else self._file.expect_parts(parts)):
            self._start_over()
        self._has_moved = True
        self._style.size = packet_index.size
        yield from ChosenFrames(self._video, packet_index, self._style, self._counters).frames(groups)

    def _packet_index(self, wanted: Sequence[int]) -> PacketIndex | None:
        """The video's packet index, if it can be trusted, has stood every test, and may save more than it costs."""
        is_known = (self._file.identity, self._stream) in packet_indexes
        found = self.packet_index() if is_known or index_may_pay(wanted, self._video.num_frames) else None
        return None if found is None or found.is_contradicted else found

    def packet_index(self) -> PacketIndex | None:
        """The video's packet index, None if it cannot be trusted."""
        if self._file.identity is not None and (self._file.identity, self._stream) in packet_indexes:
            return packet_indexes[self._file.identity, self._stream]
        if not self._has_packet_index:
            return None
        listed = header_packets(self._file, self._stream)
        if (listed is None and self._file.fetch_whole()) or self._has_moved:
            self._start_over()
        if listed is None:  # a local file's index is made from its header, and a remote one's must be the same
            listed = header_packets(self._file, self._stream, also_scattered=True)
        self._has_moved = True
        packet_index = read_packet_index(self._video, self._file, self._counters, listed)
        if self._file.identity is not None:
            packet_indexes[self._file.identity, self._stream] = packet_index
        return packet_index

    @property
    def _has_packet_index(self) -> bool:
        """Whether the video is of a kind whose packet index tells its frames."""
        return self._video.format in SEEKABLE_FORMATS and self._video.codec in ONE_FRAME_A_PACKET

    def _refuted(self, packet_index: PacketIndex) -> None:
        # It stays known: which frames sampling by cost takes must not depend on what was read before.
        self._counters.seeks_refuted += 1
        if self._file.identity is not None:
            packet_indexes[self._file.identity, self._stream] = replace(packet_index, is_contradicted=True)

    def _start_over(self) -> None:
        self._video.close()
        self._video = VideoContainer(self._file, self._stream)
        self._has_moved = False
