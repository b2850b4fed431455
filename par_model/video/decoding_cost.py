"""What it costs to decode a video's frames, from its packet index, and which of a tracklet's frames are cheap.

The time that a packet takes is a kB + b, b going with the pixels; key packets need no rule of their own. Only b / a
matters here. Fitted with PyAV 18.1.0 (FFmpeg 8.1, AV1 by dav1d) on 160 packets of 1280x720 each, quiet and noisy, of
x264, x265, libvpx and SVT-AV1, one thread: a of 0.102, 0.122, 0.099 and 0.081 ms, b of 0.99, 1.41, 2.72 and 0.70 ms, R2
of 0.96 to 1.00.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from par_model.sampling import Sampling, cheap_positions
from par_model.video.counters import Counters
from par_model.video.packet_index import PacketIndex, groups_of, runs

# b over a, in bytes for each pixel.
_BYTES_A_PIXEL = {"h264": 0.0105, "hevc": 0.0125, "vp9": 0.0300, "av1": 0.0094}
_OTHER_BYTES_A_PIXEL = 0.01


class DecodingCost:
    """What decoding costs in one video, in an arbitrary unit, as bytes of packets.

    packet_index: with ``decoded`` and ``weights``. Raises ValueError without.
    """

    def __init__(self, packet_index: PacketIndex, codec: str) -> None:
        if packet_index.decoded is None or packet_index.weights is None:
            raise ValueError("an index without the order of decoding, or without what packets weigh, tells no cost")
        self.packet_index = packet_index
        self._decoded = packet_index.decoded
        width, height = packet_index.size or (1280, 720)
        by_order = np.empty(len(packet_index) + 1)
        by_order[0] = 0.0
        by_order[1 + self._decoded] = packet_index.weights + width * height * _BYTES_A_PIXEL.get(
            codec, _OTHER_BYTES_A_PIXEL
        )
        self._before = np.cumsum(by_order)  # what all costs that is decoded before
        self._is_key = np.zeros(len(packet_index), np.bool_)
        self._is_key[packet_index.keys] = True

    def positions(self, frames: NDArray[np.int32], sampling: Sampling) -> NDArray[np.int64] | None:
        """Which of a tracklet's frames (int32 [n], ascending) are sampled: int64 [T]. None where that cannot be told:
        it goes on beyond the video's end, or a key frame that it needs does not prove that decoding can start there.
        """
        if frames[-1] >= len(self.packet_index):
            return None
        starts = self.packet_index.starts_of(frames)
        costs = self._before[self._decoded[frames] + 1] - self._before[self._decoded[starts]]
        groups = np.searchsorted(self.packet_index.keys, starts)
        chosen = cheap_positions(groups, costs, self._is_key[frames], sampling.frames, sampling.decode_budget)
        return None if self.packet_index.refuted.intersection(starts[chosen].tolist()) else chosen

    def compare(self, tracklets: Sequence[NDArray[np.int32]], uniform: Sampling) -> Counters:
        """What it takes to decode the frames of tracklets (int32 [n] each, ascending) that ``uniform`` sampling wants,
        and what those that are cheap: the counters ``uniform_frames``, ``uniform_cost``, ``cheap_frames``,
        ``cheap_cost``. A tracklet that cannot be sampled by cost does not count.

        An estimate: whether a key frame proves that decoding can start there is not asked, and what no other picture is
        made from counts as decoded.
        """
        by_cost = replace(uniform, policy="cheap")
        chosen = [(frames, found) for frames in tracklets if (found := self.positions(frames, by_cost)) is not None]
        if not chosen:
            return Counters()
        spread = np.unique(np.concatenate([frames[uniform.positions(len(frames), "")] for frames, _ in chosen]))
        passes = [np.arange(run.start, run.stop + 1) for run in runs(spread.tolist(), self.packet_index)]
        cheap = np.unique(np.concatenate([frames[found] for frames, found in chosen]))
        groups = groups_of(cheap.tolist(), self.packet_index)
        uniform_frames, uniform_cost = self._of([(run[0], self._decoded[run].max()) for run in passes])
        cheap_frames, cheap_cost = self._of([(group.start, group.last) for group in groups])
        return Counters(
            uniform_frames=uniform_frames, uniform_cost=uniform_cost, cheap_frames=cheap_frames, cheap_cost=cheap_cost
        )

    def _of(self, parts: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """How many packets are decoded, and what that costs, in parts from a frame on to a packet, by its place in the
        order of decoding."""
        firsts = self._decoded[[start for start, _ in parts]]
        ends = np.asarray([last + 1 for _, last in parts])
        return int((ends - firsts).sum()), round(float((self._before[ends] - self._before[firsts]).sum()))
