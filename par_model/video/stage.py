"""The decode stage: tracklets in, the crops that the network sees out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from par_model.sampling import Sampling
from par_model.types import Preprocess, Tracklet
from par_model.video.counters import Counters
from par_model.video.decode import Result, decode_group
from par_model.video.options import DecodeOptions


class DecodeStage:
    """A plain callable from tracklets to Crops (RawCrops, undistorted, if ``preprocess`` is None) or Failures.

    Each tracklet gives one result, as soon as its last sampled frame has passed: tracklets of one video in the order in
    which they end. Neighbours of the same video are read in one forward pass, so give them together. Never raises for
    what one tracklet or video does.
    """

    def __init__(self, preprocess: Preprocess | None, sampling: Sampling, options: DecodeOptions | None = None) -> None:
        self.preprocess = preprocess
        self.sampling = sampling
        self.options = options or DecodeOptions()
        self.counters = Counters()

    def __call__(self, tracklets: Sequence[Tracklet]) -> Iterator[Result]:
        for _, group in groupby(tracklets, key=lambda t: t.video_uri):
            yield from decode_group(list(group), self.preprocess, self.sampling, self.options, self.counters)

    def close(self) -> None:
        """Release what the stage holds. It can be called again afterwards."""
