"""Decoding chosen frames alone: from the key frame before them up to the last of them, group of pictures by group.

Only packets that are needed are given to the decoder: what no other picture is made from is left out unless it is
wanted itself. After each group the decoder is emptied. A frame is given where all holds that a seek must prove: the
first packet is the index's key frame and says itself that decoding can start there, each further one is the index's
next, the decoder complained of none up to the frame's own, and the frame has the time of one that was given to it. A
group that breaks one of these ends there; what was wanted of it and did not come has to be read otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import av

from par_model.video.bytes.source import VideoFile
from par_model.video.containers.damage import DECODER_ERRORS
from par_model.video.containers.open import VideoContainer
from par_model.video.containers.random_access import RandomAccess
from par_model.video.counters import Counters
from par_model.video.packet_index import Group, PacketIndex
from par_model.video.picture import ReadFrame, Style


class GroupRefutedError(Exception):
    """A group of pictures is not what the packet index says, or its first packet does not prove that it is one."""


class ChosenFrames:
    """Reads chosen frames of an open video by its packet index, which has to tell the order of decoding.

    file: what the video is read from. counters: ``seeks_refuted`` counts groups that broke off.
    """

    def __init__(
        self, video: VideoContainer, file: VideoFile, packet_index: PacketIndex, style: Style, counters: Counters
    ) -> None:
        assert packet_index.decoded is not None
        self._file = file
        self._video, self._index, self._style, self._counters = video, packet_index, style, counters
        self._access = RandomAccess(video.codec, video.extradata)
        self._decoded = packet_index.decoded
        self._order = packet_index.order()

    def frames(self, groups: Sequence[Group]) -> Iterator[ReadFrame]:
        """The wanted frames that can be proven, and some before each. Raises TrackletError if storage fails."""
        for group in groups:
            left = set(group.wanted)
            try:
                for frame in self._group(group):
                    left.discard(frame.index)
                    yield frame
            except GroupRefutedError:
                pass
            self._counters.seeks_refuted += bool(left)

    def _group(self, group: Group) -> Iterator[ReadFrame]:
        """The sound frames that come out of one group. Raises GroupRefutedError."""
        start = group.start
        spoilt: set[int] = set()
        fed: set[int] = set()
        for rank, packet in self._packets(start, group.last):
            frame = int(self._order[rank])
            is_disposable = self._access.is_disposable(packet)
            if frame < start or (is_disposable and frame not in group.wanted):
                continue
            fed.add(frame)
            frames, complaint = self._video.decode(packet, strictly=True)
            if complaint is not None:
                spoilt.add(frame)
            yield from self._sound(frames, start, fed, spoilt)
            if complaint is not None and not is_disposable:
                break  # what was decoded before is sound, and may still come
        frames, complaint = self._video.drain()
        if complaint is not None:
            raise GroupRefutedError
        yield from self._sound(frames, start, fed, spoilt)

    def _packets(self, start: int, last: int) -> Iterator[tuple[int, av.Packet[av.VideoStream]]]:
        """The packets from a key frame's on, each with its place in the order of decoding, up to place ``last``."""
        first = rank = int(self._decoded[start])
        self._seek(int(self._index.pts[start]))
        for packet in self._video.packets():
            if rank == first and packet.pts != self._index.pts[start]:
                # Some demuxers land on a key frame before.
                landed = self._index.index_of(packet.pts)
                if landed is None or self._decoded[landed] >= first:
                    raise GroupRefutedError
                continue
            if not packet.size or packet.pts != self._index.pts[self._order[rank]]:
                raise GroupRefutedError
            if rank == first and not self._access.can_start(packet):
                self._index.refuted.add(start)
                raise GroupRefutedError
            yield rank, packet
            if rank == last:
                return
            rank += 1
        raise GroupRefutedError

    def _sound(
        self, frames: Sequence[av.VideoFrame], start: int, fed: set[int], spoilt: set[int]
    ) -> Iterator[ReadFrame]:
        """Those of the frames that are sound. fed: frames whose packets the decoder has got, and that did not come yet.
        spoilt: those of which it complained."""
        for frame in frames:
            index = self._index.index_of(frame.pts)
            if index is None or index not in fed or frame.is_corrupt or (index == start and not frame.key_frame):
                raise GroupRefutedError
            fed.remove(index)
            if index not in spoilt:
                yield ReadFrame(index, None, frame, self._style)

    def _seek(self, timestamp: int) -> None:
        try:
            self._video.seek(timestamp)
        except DECODER_ERRORS as error:
            if self._file.failure is not None:
                raise self._file.failure from error
            raise GroupRefutedError from error
