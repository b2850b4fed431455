"""What reading frames cost."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Self


@dataclass
class Counters:
    """Running totals of one decode stage.

    frames_decoded: frames that came out of a decoder.
    frames_needed: frames that had to come out: for each wanted frame, those from the key frame before it, counted once.
    videos_opened: how often a decoder was opened on a video.
    seeks_refuted: how often a seek did not land where the packets promised, so that reading started over.
    sampled_by_cost: tracklets that were. Those that were to be and were not, why they were sampled uniformly:
        uniform_without_index: the container, the codec or the packets of their video do not tell what frames cost.
        uniform_beyond_index: they name frames that the video's packets do not.
        uniform_unproven: a key frame that they need does not prove that decoding can start there, or what was decoded
            from it is not what the packets say.
    uniform_frames, cheap_frames: where tracklets were sampled uniformly, and their packets were at hand: the frames
        that had to be decoded for it, and those that sampling by cost would decode.
    uniform_cost, cheap_cost: what both take, in the unit of DecodingCost.
    bytes_read: bytes of videos and stills that were fetched from storage.
    several_tracks: videos that have several moving tracks.
    """

    frames_decoded: int = 0
    frames_needed: int = 0
    videos_opened: int = 0
    seeks_refuted: int = 0
    sampled_by_cost: int = 0
    uniform_without_index: int = 0
    uniform_beyond_index: int = 0
    uniform_unproven: int = 0
    uniform_frames: int = 0
    cheap_frames: int = 0
    uniform_cost: int = 0
    cheap_cost: int = 0
    bytes_read: int = 0
    several_tracks: set[str] = field(default_factory=set)

    @property
    def sampled_uniformly(self) -> int:
        """Tracklets that were to be sampled by cost, and were not."""
        return sum(getattr(self, name) for name in WHY_UNIFORM)

    def add(self, other: Counters) -> None:
        """Add another's totals to these."""
        for name in NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.several_tracks |= other.several_tracks

    def since(self, earlier: Self) -> Self:
        """What was added since an earlier copy."""
        return replace(self, **{f.name: getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)})

    def numbers(self) -> dict[str, int]:
        """The totals that are numbers, by name."""
        return {name: getattr(self, name) for name in NUMBERS}

    def copy(self) -> Self:
        """The totals as they are now."""
        return replace(self, several_tracks=set(self.several_tracks))


NUMBERS = tuple(f.name for f in fields(Counters) if f.name != "several_tracks")
# Why tracklets were not sampled by cost, as run.json calls it.
WHY_UNIFORM = {
    "uniform_without_index": "no_packet_index",
    "uniform_beyond_index": "beyond_the_end",
    "uniform_unproven": "unproven",
}
# What was only weighed, and not done.
WEIGHED = ("uniform_frames", "cheap_frames", "uniform_cost", "cheap_cost")


class NeededFrames:
    """Counts the frames that had to be passed, from the frames that did pass, in order."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._key = 0
        self._last = -1

    def passed(self, index: int, *, is_key: bool, wanted: bool) -> None:
        """Frame ``index`` came out of the decoder."""
        self._counters.frames_decoded += 1
        if is_key:
            self._key = index
        if wanted:
            self._counters.frames_needed += index + 1 - max(self._key, self._last + 1)
            self._last = index
