"""Decoding chosen frames alone: from the key frame before them up to the last of them, group of pictures by group.

Only packets that are needed are given to the decoder: what no other picture is made from is left out unless it is
wanted itself. After each group the decoder is emptied. A frame is given where all holds that a seek must prove: the
first packet is the index's key frame and says itself that decoding can start there, each further one is the index's
next, XX"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import av

from par_model.video.containers.open import VideoContainer
from par_model.video.containers.random_access import RandomAccess
from par_model.video.counters import Counters
from par_model.video.packet_index import Group, PacketIndex
from par_model.video.picture import ReadFrame, Style


class GroupRefutedError(Exception):
    """A group of pictures is not what the packet index says, or its first packet does not prove that it is one.

    spoils: whether that makes a frame unproven, given its place in the order of decoding and its index.
    """

    def __init__(self, spoils: Callable[[int, int], bool] = lambda rank, frame: True) -> None:
        super().__init__()
        self.spoils = spoils


class ChosenFrames:
    """Reads chosen frames of an open video by its packet index, which has to tell the order of decoding.

    counters: ``seeks_refuted`` counts groups that broke off.
    """

    def __init__(self, video: VideoContainer, packet_index: PacketIndex, style: Style, counters: Counters) -> None:
        assert packet_index.decoded is not None
        self._video, self._index, self._style, self._counters = video, packet_index, style, counters
        self._access = RandomAccess(video.codec, video.extradata)
        self._decoded = packet_index.decoded
        self._order = packet_index.order()

    def frames(self, groups: Sequence[Group]) -> Iterator[ReadFrame]:
        """The wanted frames that can be proven, and some before each, maybe twice.

        Whether a frame can be proven depends on no other that is wanted: where a group breaks off, it is read again
        without what is spoilt by that, until nothing contradicts. Raises TrackletError if storage fails.
        """
        for group in groups:
            left = set(group.wanted)
            is_refuted = False
            while left:
                try:
                    for frame in self._group(group.start, frozenset(left)):
                        left.discard(frame.index)
                        yield frame
                    is_refuted = is_refuted or bool(left)
                    break
                except GroupRefutedError as refuted:
                    is_refuted = True
                    left = {frame for frame in left if not refuted.spoils(int(self._decoded[frame]), frame)}
            self._counters.seeks_refuted += is_refuted

    def _group(self, start: int, wanted: frozenset[int]) -> Iterator[ReadFrame]:
        """The frames that come out of one group, up to the last wanted one. Raises GroupRefutedError."""
        fed: dict[int, bool] = {}
        for rank, packet in self._packets(start, int(self._decoded[list(wanted)].max())):
            frame = int(self._order[rank])
            is_disposable = self._access.is_disposable(packet)
            if frame < start or (is_disposable and frame not in wanted):
                continue
            fed[frame] = is_disposable
            frames, complaint = self._video.decode(packet, strictly=True)
            if complaint is not None:
                raise self._spoilt(frame, is_disposable=is_disposable)
            yield from self._sound(frames, start, fed)
        frames, complaint = self._video.drain()
        if complaint is not None:
            raise GroupRefutedError
        yield from self._sound(frames, start, fed)

    def _spoilt(self, bad: int, *, is_disposable: bool) -> GroupRefutedError:
        """What a damaged frame makes unproven: all that is decoded from it on, or it alone if none is made from it."""
        if is_disposable:
            return GroupRefutedError(lambda rank, frame: frame == bad)
        first = int(self._decoded[bad])
        return GroupRefutedError(lambda rank, frame: rank >= first)

    def _packets(self, start: int, last: int) -> Iterator[tuple[int, av.Packet[av.VideoStream]]]:
        """The packets from a key frame's on, each with its place in the order of decoding, up to place ``last``."""
        first = rank = int(self._decoded[start])
        if not self._video.seek(int(self._index.pts[start])):
            raise GroupRefutedError
        for packet in self._video.packets():
            if rank == first and packet.pts != self._index.pts[start]:
                # Some demuxers land on a key frame before.
                landed = self._index.index_of(packet.pts)
                if landed is None or self._decoded[landed] >= first:
                    raise GroupRefutedError
                continue
            if not packet.size or packet.pts != self._index.pts[self._order[rank]]:
                break
            if rank == first and not self._access.can_start(packet):
                self._index.refuted.add(start)
                raise GroupRefutedError
            yield rank, packet
            if rank == last:
                return
            rank += 1
        raise GroupRefutedError(lambda place, frame: place >= rank)

    def _sound(self, frames: Sequence[av.VideoFrame], start: int, fed: dict[int, bool]) -> Iterator[ReadFrame]:
        """The frames, if they are sound. fed: those whose packets the decoder has got, and that did not come yet, and
        whether no other is made from them. Raises GroupRefutedError."""
        for frame in frames:
            index = self._index.index_of(frame.pts)
            if index is None or index not in fed or (index == start and not frame.key_frame):
                raise GroupRefutedError
            is_disposable = fed.pop(index)
            if frame.is_corrupt:
                raise self._spoilt(index, is_disposable=is_disposable)
            yield ReadFrame(index, None, frame, self._style)
