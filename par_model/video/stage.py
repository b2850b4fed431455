"""The decode stage: tracklets in, the crops that the network sees out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Generic, TypeVar, cast, overload

from par_model.sampling import Sampling
from par_model.types import Crops, Failure, Preprocess, RawCrops, Tracklet
from par_model.video.collect import Decoded
from par_model.video.counters import Counters
from par_model.video.options import DecodeOptions
from par_model.video.process.parent import close_processes, decode_isolated
from par_model.video.process.protocol import DecodeTask

Made = TypeVar("Made", Crops, RawCrops)


class DecodeStage(Generic[Made]):
    """A plain callable from tracklets to Crops (RawCrops, undistorted, if ``preprocess`` is None) or Failures.

    Failures of what came before pass through, first. Each tracklet gives one result, as soon as its last sampled frame
    has passed: tracklets of one video track in the order in which they end. Neighbours of the same video are read in
    one forward pass over each of its tracks that they name, so give them together. Never raises for what one tracklet
    or video does. Decoding happens in a child process that this process's stages share.

    Raises UsageError where the decoder cannot sample as is wanted.
    """

    @overload
    def __init__(
        self: DecodeStage[Crops], preprocess: Preprocess, sampling: Sampling, options: DecodeOptions | None = None
    ) -> None: ...
    @overload
    def __init__(
        self: DecodeStage[RawCrops], preprocess: None, sampling: Sampling, options: DecodeOptions | None = None
    ) -> None: ...

    def __init__(self, preprocess: Preprocess | None, sampling: Sampling, options: DecodeOptions | None = None) -> None:
        self.preprocess = preprocess
        self.sampling = sampling
        self.options = options or DecodeOptions()
        self.options.check_sampling(sampling.policy)
        self.counters = Counters()

    def __call__(self, items: Iterable[Tracklet | Failure]) -> Iterator[Made | Failure]:
        tracklets = []
        for item in items:
            if isinstance(item, Failure):
                yield item
            else:
                tracklets.append(item)
        for video, group in groupby(tracklets, key=lambda t: t.video_uri):
            # One tracklet of stills after the other: they share no file.
            for part in self._by_track(group) if video is not None else [[tracklet] for tracklet in group]:
                yield from cast("Iterator[Made | Failure]", self._decode(part))

    def _by_track(self, tracklets: Iterable[Tracklet]) -> list[list[Tracklet]]:
        parts: dict[int, list[Tracklet]] = {}
        for tracklet in tracklets:
            parts.setdefault(self.options.stream_of(tracklet), []).append(tracklet)
        return list(parts.values())

    def _decode(self, tracklets: Sequence[Tracklet]) -> Iterator[Decoded]:
        if self.options.isolate:
            task = DecodeTask(tracklets, self.preprocess, self.sampling, self.options)
            yield from decode_isolated(task, self.counters)
            return
        from par_model.video.decode import decode_group

        yield from decode_group(tracklets, self.preprocess, self.sampling, self.options, self.counters)

    def close(self) -> None:
        """End the child processes that decoded. A later call starts new ones."""
        close_processes()
