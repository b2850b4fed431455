"""A video's packet index: which frame has which timestamp, and where decoding can start.

It is made without decoding, so it costs a hundredth of a pass, or less where a header tells it. It is trusted only
where a packet is a frame: one of few containers and codecs, every timestamp present and there once, a key frame first,
nothing damaged or to be discarded, and the first frames that come out of the decoder are those that it says.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Containers on which the seek of FFmpeg's demuxer can be checked. MPEG-TS and PS have no index.
SEEKABLE_FORMATS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})

# A seek drops the frames that the decoder had begun and fills its delay again.
SEEK_COST = 12
# Frames whose decoding costs as much as the demuxing of one packet for the index.
DEMUX_COST = 0.02


class Packet(NamedTuple):
    """What the index keeps of a packet. is_bad: damaged, or to be discarded. position, size: in the file, in bytes."""

    pts: int | None
    is_key: bool
    is_bad: bool
    position: int | None
    size: int


@dataclass(frozen=True, eq=False)
class PacketIndex:
    """What is known of a video's frames.

    pts: int64 [n], ascending: frame k has pts[k]. keys: int64 [m], the frame indices at which decoding can start.
    begins, ends: int64 [n], which bytes of the file hold each frame's packet; None where the container does not tell.
    size: width and height of frame 0, before it is turned; None if it was not decoded.
    decoded: int64 [n], how many packets are decoded before each frame's own. weights: int64 [n], its bytes.
    None where only times are known. refuted: key frames whose packets turned out not to prove that decoding can start
    there.
    """

    pts: NDArray[np.int64]
    keys: NDArray[np.int64]
    begins: NDArray[np.int64] | None = None
    ends: NDArray[np.int64] | None = None
    size: tuple[int, int] | None = None
    decoded: NDArray[np.int64] | None = None
    weights: NDArray[np.int64] | None = None
    refuted: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.pts)

    def key_before(self, index: int) -> int:
        """The last frame at or before ``index`` at which decoding can start."""
        return int(self.keys[np.searchsorted(self.keys, index, "right") - 1])

    def starts_of(self, frames: NDArray[np.integer]) -> NDArray[np.int64]:
        """For each of some frames the key frame from which it can be decoded: the last that is neither shown nor
        decoded later. Only where ``decoded`` is known."""
        assert self.decoded is not None
        at = np.searchsorted(self.keys, frames, "right") - 1
        while (is_late := self.decoded[self.keys[at]] > self.decoded[frames]).any():
            at = at - is_late
        return self.keys[at]

    def order(self) -> NDArray[np.int64]:
        """int64 [n]: the frames in the order in which they are decoded. Only where ``decoded`` is known."""
        assert self.decoded is not None
        frames = np.empty_like(self.decoded)
        frames[self.decoded] = np.arange(len(self))
        return frames

    def index_of(self, pts: int | None) -> int | None:
        """The frame that is shown at a time, None if there is none."""
        if pts is None:
            return None
        index = int(np.searchsorted(self.pts, pts))
        return index if index < len(self) and self.pts[index] == pts else None

    def bytes_of(self, run: Run) -> tuple[int, int] | None:
        """The part of the file, from byte to byte, that has to be read for a run."""
        if self.begins is None or self.ends is None or self.decoded is None:
            return None
        # Frames that are shown later may have to be decoded before, and as many may be sent before one comes out.
        held_back = int((np.arange(len(self)) - self.decoded).max())
        last = int(self.decoded[run.start : run.stop + 1].max()) + held_back + 1
        frames = self.order()[self.decoded[run.start] : last + 1]
        return int(self.begins[frames].min()), int(self.ends[frames].max())


def index_of_packets(packets: Sequence[Packet]) -> PacketIndex | None:
    """The packet index of packets given in file order. None if they do not tell the frames' order beyond doubt."""
    if not packets or not packets[0].is_key or any(packet.pts is None or packet.is_bad for packet in packets):
        return None
    stamps = np.asarray([packet.pts for packet in packets], np.int64)
    order = np.argsort(stamps, kind="stable")
    pts = stamps[order]
    if pts[0] != stamps[0] or (np.diff(pts) == 0).any():
        return None
    keys = np.flatnonzero(np.asarray([packet.is_key for packet in packets])[order]).astype(np.int64)
    weights = np.asarray([packet.size for packet in packets], np.int64)[order]
    if any(packet.position is None for packet in packets):
        return PacketIndex(pts, keys, decoded=order, weights=weights)
    begins = np.asarray([packet.position for packet in packets], np.int64)[order]
    return PacketIndex(pts, keys, begins, begins + weights, decoded=order, weights=weights)


@dataclass(frozen=True)
class Group:
    """Wanted frames that are decoded from one key frame on. start: its index. last: how many packets of the video are
    decoded before that of the last frame which is needed."""

    start: int
    wanted: frozenset[int]
    last: int


def groups_of(wanted: Sequence[int], packet_index: PacketIndex) -> list[Group]:
    """Wanted frames (ascending) by the key frame from which each is decoded. Where the order of decoding is known."""
    assert packet_index.decoded is not None
    frames = np.asarray(wanted, np.int64)
    found: dict[int, list[int]] = {}
    for start, frame in zip(packet_index.starts_of(frames).tolist(), frames.tolist(), strict=True):
        found.setdefault(start, []).append(frame)
    return [Group(start, frozenset(some), int(packet_index.decoded[some].max())) for start, some in found.items()]


def parts_of(groups: Sequence[Group], packet_index: PacketIndex) -> list[tuple[int, int]] | None:
    """Which bytes of the file, from one to another, hold the packets of each group up to its last needed one. None
    where the container does not tell."""
    if packet_index.begins is None or packet_index.ends is None or packet_index.decoded is None:
        return None
    order, decoded = packet_index.order(), packet_index.decoded
    found = []
    for group in groups:
        frames = order[decoded[group.start] : group.last + 1]
        found.append((int(packet_index.begins[frames].min()), int(packet_index.ends[frames].max())))
    return found


@dataclass(frozen=True)
class Run:
    """Frames start..stop that are decoded one after the other, ``start`` being a key frame or 0."""

    start: int
    stop: int


def runs(wanted: Sequence[int], packet_index: PacketIndex) -> list[Run]:
    """The cheapest way to pass all wanted frames (ascending, not empty): seek where that saves decoding, else go on."""
    found: list[Run] = []
    for index in wanted:
        key = packet_index.key_before(index)
        position = found[-1].stop + 1 if found else 0
        if key - position > SEEK_COST:
            found.append(Run(key, index))
        elif found:
            found[-1] = Run(found[-1].start, index)
        else:
            found.append(Run(0, index))
    return found


def index_may_pay(wanted: Sequence[int], frames: int | None) -> bool:
    """Whether seeking could save more than a packet index costs, before anything is known of the key frames.

    wanted: ascending frame indices. frames: how many the video has, if the container says so.
    """
    gaps = np.diff(np.asarray([-1, *wanted])) - 1
    could_save = int(gaps[gaps > SEEK_COST].sum())
    total = frames if frames else 2 * wanted[-1]
    return could_save > SEEK_COST + DEMUX_COST * total


class PacketIndexCache:
    """Packet indexes of the video tracks that this process read last, None for those whose packets do not tell.

    A key is a file's identity and the number of its moving video track.
    """

    def __init__(self, most_frames: int) -> None:
        self._most_frames = most_frames
        self._frames = 0
        self._indexes: OrderedDict[tuple[str, int], PacketIndex | None] = OrderedDict()

    def __contains__(self, key: tuple[str | None, int]) -> bool:
        return key in self._indexes

    def __getitem__(self, key: tuple[str, int]) -> PacketIndex | None:
        self._indexes.move_to_end(key)
        return self._indexes[key]

    def __setitem__(self, key: tuple[str, int], packet_index: PacketIndex | None) -> None:
        self._frames += self._weight(packet_index) - self._weight(self._indexes.pop(key, None))
        self._indexes[key] = packet_index
        while self._frames > self._most_frames and len(self._indexes) > 1:
            self._frames -= self._weight(self._indexes.popitem(last=False)[1])

    @staticmethod
    def _weight(packet_index: PacketIndex | None) -> int:
        return len(packet_index) + 100 if packet_index is not None else 100


# 72 MB of packet indexes at 40 bytes a frame: 20 hours of video.
packet_indexes = PacketIndexCache(most_frames=1_800_000)
