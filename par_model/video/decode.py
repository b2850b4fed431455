"""Reading the tracklets of one video track in one forward pass, and those made of still images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import FailureCode, TrackletError
from par_model.sampling import Sampling
from par_model.types import Preprocess, Tracklet
from par_model.video.bytes.source import VideoFile, open_video
from par_model.video.collect import Collector, Decoded, failure
from par_model.video.counters import Counters, NeededFrames
from par_model.video.images import decode_image, image_error, read_images
from par_model.video.options import DecodeOptions
from par_model.video.reader import VideoReader

if TYPE_CHECKING:
    from par_model.video.decord_reader import DecordReader


class PassingFrame(Protocol):
    """A decoded frame while it passes. damage: why it cannot be trusted. is_key: decoding can start with it."""

    @property
    def index(self) -> int: ...
    @property
    def damage(self) -> str | None: ...
    @property
    def is_key(self) -> bool: ...
    def picture(self) -> NDArray[np.uint8]: ...


class FrameSource(Protocol):
    """The frames of one video, at least the wanted ones.

    count: how many frames there are, known after the last. damage: the first met so far. name: what messages call it.
    """

    name: str

    @property
    def count(self) -> int: ...
    @property
    def damage(self) -> str | None: ...
    def frames(self, wanted: Sequence[int]) -> Iterator[PassingFrame]: ...


def decode_group(
    tracklets: Sequence[Tracklet],
    preprocess: Preprocess | None,
    sampling: Sampling,
    options: DecodeOptions,
    counters: Counters,
) -> Iterator[Decoded]:
    """Decode the tracklets of one video track, or stills. Each is yielded once, when its last sampled frame has passed.

    What goes wrong with a tracklet or the video becomes a Failure.
    """
    uri = tracklets[0].video_uri
    if uri is not None:
        yield from _read_video(uri, tracklets, _Making(preprocess, sampling, options), counters)
        return
    for tracklet in tracklets:
        positions = sampling.positions(tracklet.num_frames, tracklet.tracklet_id)
        yield read_stills(Collector(tracklet, positions, preprocess, options.damaged), counters)


@dataclass(frozen=True)
class _Making:
    """How tracklets become crops."""

    preprocess: Preprocess | None
    sampling: Sampling
    options: DecodeOptions

    def collector(self, tracklet: Tracklet, positions: NDArray[np.int64] | None = None) -> Collector:
        if positions is None:
            positions = self.sampling.positions(tracklet.num_frames, tracklet.tracklet_id)
        return Collector(tracklet, positions, self.preprocess, self.options.damaged)

    def split(self, collectors: Sequence[Collector]) -> Iterator[list[Collector]]:
        return split_by_memory(collectors, self.options.crop_bytes)


def _read_video(uri: str, tracklets: Sequence[Tracklet], making: _Making, counters: Counters) -> Iterator[Decoded]:
    waiting = {id(tracklet): tracklet for tracklet in tracklets}
    try:
        with open_video(uri) as file:
            counted = 0
            try:
                with _reader(file, making.options.stream_of(tracklets[0]), making.options, counters) as reader:
                    counters.videos_opened += 1
                    if reader.tracks > 1:
                        counters.several_tracks.add(uri)
                    for collector in _collect_all(reader, tracklets, making, counters):
                        file.confirm()
                        del waiting[id(collector.tracklet)]
                        counted = _count_bytes(file, counters, counted)
                        yield collector.result()
            finally:
                _count_bytes(file, counters, counted)
    except TrackletError as error:
        for tracklet in waiting.values():
            yield failure(tracklet, error)


def _collect_all(
    reader: VideoReader | DecordReader, tracklets: Sequence[Tracklet], making: _Making, counters: Counters
) -> Iterator[Collector]:
    """A collector of each tracklet, when it is done: first of those that are sampled by cost, where that can be."""
    left = {id(tracklet): tracklet for tracklet in tracklets}
    if making.sampling.policy == "cheap" and isinstance(reader, VideoReader):
        for collector in _collect_chosen(reader, tracklets, making, counters):
            del left[id(collector.tracklet)]
            yield collector
        counters.sampled_uniformly += len(left)
    for number, batch in enumerate(making.split([making.collector(tracklet) for tracklet in left.values()])):
        counters.videos_opened += number > 0
        yield from collect(reader, batch, counters)


def _collect_chosen(
    reader: VideoReader, tracklets: Sequence[Tracklet], making: _Making, counters: Counters
) -> Iterator[Collector]:
    """Collectors of tracklets that are sampled by cost, when they are done; not of those where that cannot be."""
    cost = reader.cost()
    if cost is None:
        return
    collectors = []
    for tracklet in tracklets:
        assert tracklet.frame_indices is not None
        positions = cost.positions(tracklet.frame_indices, making.sampling)
        if positions is not None:
            collectors.append(making.collector(tracklet, positions))
    for batch in making.split(collectors):
        yield from pass_frames(partial(reader.chosen_frames, cost.packet_index), _takers(batch), counters)


def _count_bytes(file: VideoFile, counters: Counters, counted: int) -> int:
    """Add what was read since ``counted``, before a result is given: after the last, nobody looks any more."""
    counters.bytes_read += file.bytes_read - counted
    return file.bytes_read


def _reader(file: VideoFile, stream: int, options: DecodeOptions, counters: Counters) -> VideoReader | DecordReader:
    if options.decoder == "pyav":
        return VideoReader(file, stream, counters=counters, unflagged_matrix=options.unflagged_matrix)
    from par_model.video.decord_reader import DecordReader

    return DecordReader(file, stream)


Wanted = dict[int, list[Collector]]


def _takers(collectors: Sequence[Collector]) -> Wanted:
    """Which collectors want which frame."""
    wanted: Wanted = {}
    for collector in collectors:
        for index in collector.wanted.tolist():
            wanted.setdefault(index, []).append(collector)
    return wanted


def collect(source: FrameSource, collectors: Sequence[Collector], counters: Counters) -> Iterator[Collector]:
    """Hand passing frames to the collectors that want them; yield each collector when it is done.

    Stops reading after the last wanted frame. Only crops are kept, never frames.
    """
    wanted = _takers(collectors)
    yield from pass_frames(source.frames, wanted, counters)
    for index in sorted(wanted):
        error = _past_the_end(index, source)
        for collector in wanted[index]:
            if not collector.done:
                collector.miss(index, error, replaceable=source.damage is not None)
                if collector.done:
                    yield collector


def pass_frames(
    frames: Callable[[Sequence[int]], Iterator[PassingFrame]], wanted: Wanted, counters: Counters
) -> Iterator[Collector]:
    """Hand frames that pass to the collectors that want them; yield each collector that is done by that.

    wanted: by frame index; what did not come is left in it.
    """
    needed = NeededFrames(counters)
    for frame in frames(sorted(wanted)):
        needed.passed(frame.index, is_key=frame.is_key, wanted=frame.index in wanted)
        takers = [c for c in wanted.pop(frame.index, ()) if not c.done]
        if takers:
            try:
                picture = frame.picture()
            except TrackletError as refusal:
                for collector in takers:
                    collector.fail(refusal)
            else:
                for collector in takers:
                    collector.take(frame.index, picture, frame.damage)
            for collector in takers:
                if collector.done:
                    _forget(collector, wanted)
                    yield collector
        if not wanted:
            return


def _forget(collector: Collector, wanted: dict[int, list[Collector]]) -> None:
    """A collector that failed early wants nothing more; frames that only it wanted need not be waited for."""
    for index in collector.wanted.tolist():
        others = [c for c in wanted.get(index, ()) if c is not collector]
        if others:
            wanted[index] = others
        else:
            wanted.pop(index, None)


def _past_the_end(index: int, source: FrameSource) -> TrackletError:
    if source.damage is not None:
        message = f"frame {index} is missing: {source.name} is damaged ({source.damage}) and gave {source.count} frames"
        return TrackletError(FailureCode.VIDEO_DAMAGED, message)
    message = f"frame {index} is beyond the end: {source.name} has {source.count} frames (0 to {source.count - 1})"
    return TrackletError(FailureCode.FRAME_OUT_OF_RANGE, message)


def split_by_memory(collectors: Sequence[Collector], limit: int) -> Iterator[list[Collector]]:
    """Cut the tracklets of a video into batches whose unfinished crops never take more than ``limit`` bytes at once.

    Nearly always there is one batch; a batch of one tracklet may exceed the limit.
    """
    left = sorted(collectors, key=lambda c: int(c.wanted[0]))
    while left:
        batch: list[Collector] = []
        later: list[Collector] = []
        unfinished: list[tuple[int, int]] = []  # last wanted frame and bytes
        for collector in left:
            unfinished = [(last, size) for last, size in unfinished if last >= collector.wanted[0]]
            if batch and collector.bytes_held + sum(size for _, size in unfinished) > limit:
                later.append(collector)
                continue
            batch.append(collector)
            unfinished.append((int(collector.wanted[-1]), collector.bytes_held))
        yield batch
        left = later


def read_stills(collector: Collector, counters: Counters) -> Decoded:
    """Read one tracklet of still images, with one request for all of them."""
    uris = collector.tracklet.image_uris
    assert uris is not None
    wanted = collector.wanted.tolist()
    contents = read_images([uris[position] for position in wanted])
    fetched = {uris[p]: len(content) for p, content in zip(wanted, contents, strict=True) if isinstance(content, bytes)}
    counters.bytes_read += sum(fetched.values())
    for position, content in zip(wanted, contents, strict=True):
        try:
            if isinstance(content, storage.PlaceError):
                raise image_error(content)
            picture = decode_image(content, uris[position])
        except TrackletError as error:
            # An image that storage holds and does not give now is neither missing nor broken.
            withheld = (storage.Reason.ACCESS_DENIED, storage.Reason.ARCHIVED)
            is_withheld = isinstance(content, storage.PlaceError) and content.reason in withheld
            is_gone = error.code is not FailureCode.STORAGE_ERROR and not is_withheld
            collector.miss(position, error, replaceable=is_gone)
        else:
            collector.take(position, picture)
        if collector.done:
            break
    return collector.result()
