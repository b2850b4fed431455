"""Decoding chosen frames alone: from the key frame before them up to the last of them, group of pictures by group.

Only packets that are needed are given to the decoder: what no other picture is made from is left out unless it is
wanted itself. After each group the decoder is emptied. A frame is given where all holds that a seek must prove: the
first packet is the index's key frame and says itself that decoding can start there, each further one is the index's
next, the decoder complained of none up to the frame's own, and the frame has the time of one that was given to it. A
group that breaks one of these ends there; what was wanted of it and did not come has to be read otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import av
import numpy as np
from numpy.typing import NDArray

from par_model.video.bytes.source import VideoFile
from par_model.video.containers.damage import DECODER_ERRORS
from par_model.video.containers.open import VideoContainer
from par_model.video.containers.random_access import RandomAccess
from par_model.video.counters import Counters
from par_model.video.packet_index import PacketIndex
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
        self._decoded: NDArray[np.int64] = packet_index.decoded
        self._order = np.empty_like(self._decoded)  # the frame of each packet
        self._order[self._decoded] = np.arange(len(packet_index))

    def frames(self, wanted: Sequence[int]) -> Iterator[ReadFrame]:
        """The frames of ascending indices ``wanted`` that can be proven, and some before each. Raises TrackletError if
        storage fails."""
        starts = self._index.starts_of(np.asarray(wanted, np.int64)).tolist()
        for start, group in groupby(zip(starts, wanted, strict=True), key=lambda pair: pair[0]):
            left = {frame for _, frame in group}
            try:
                for frame in self._group(start, frozenset(left)):
                    left.discard(frame.index)
                    yield frame
            except GroupRefutedError:
                pass
            self._counters.seeks_refuted += bool(left)

    def _group(self, start: int, wanted: frozenset[int]) -> Iterator[ReadFrame]:
        """The sound frames that come out of one group. Raises GroupRefutedError, at its end too where one is broken."""
        last = int(self._decoded[list(wanted)].max())
        spoilt: set[int] = set()
        fed: set[int] = set()
        for rank, packet in self._packets(start, last):
            frame = int(self._order[rank])
            is_disposable = self._access.is_disposable(packet)
            if frame < start or (is_disposable and frame not in wanted):
                continue
            fed.add(frame)
            frames, complaint = self._video.decode(packet, strictly=True)
            if complaint is not None and not is_disposable:
                last = rank - 1
                spoilt.add(frame)
            elif complaint is not None:
                spoilt.add(frame)
            yield from self._sound(frames, start, fed, spoilt, last)
            if complaint is not None and not is_disposable:
                break
        frames, complaint = self._video.drain()
        if complaint is not None:
            raise GroupRefutedError
        yield from self._sound(frames, start, fed, spoilt, last)

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
        self, frames: Sequence[av.VideoFrame], start: int, fed: set[int], spoilt: set[int], last: int
    ) -> Iterator[ReadFrame]:
        """Those of the frames that are sound. fed: frames whose packets the decoder has got, and that did not come."""
        for frame in frames:
            index = self._index.index_of(frame.pts)
            if index is None or index not in fed or frame.is_corrupt or (index == start and not frame.key_frame):
                raise GroupRefutedError
            fed.remove(index)
            if index not in spoilt and self._decoded[index] <= last:
                yield ReadFrame(index, None, frame, self._style)

    def _seek(self, timestamp: int) -> None:
        try:
            self._video.seek(timestamp)
        except DECODER_ERRORS as error:
            if self._file.failure is not None:
                raise self._file.failure from error
            raise GroupRefutedError from error
