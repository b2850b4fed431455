"""Every Nth picture of a video in one pass, for those who look at whole pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from par_model.errors import TrackletError
from par_model.video.bytes.source import VideoFile, open_video
from par_model.video.counters import Counters
from par_model.video.options import DecodeOptions
from par_model.video.passed import Pass, PassedFrame, PassEnd
from par_model.video.picture import ReadFrame
from par_model.video.reader import VideoReader


def pass_video(wanted: Pass, options: DecodeOptions, counters: Counters) -> Iterator[PassedFrame | PassEnd]:
    """The wanted frames in order, each once, and the end. Frames that a damaged video lost do not come.

    Where frames begin does not change them. Raises TrackletError if the video cannot be read.
    """
    started = time.perf_counter()
    with open_video(wanted.uri) as file:
        counted = 0
        with VideoReader(file, wanted.stream, counters=counters, unflagged_matrix=options.unflagged_matrix) as reader:
            counters.videos_opened += 1
            if reader.tracks > 1:
                counters.several_tracks.add(wanted.uri)
            found = _Found(reader, wanted)
            for frame in found.frames():
                counters.frames_decoded += 1
                passed = found.take(frame, use_damaged=options.damaged == "use")
                if passed is not None:
                    counted = _count_bytes(file, counters, counted)
                    yield replace(passed, took=time.perf_counter() - started)
                    started = time.perf_counter()
            file.confirm()
            _count_bytes(file, counters, counted)
            yield PassEnd(found.count, reader.damage, time.perf_counter() - started)


class _Found:
    """What of a video's frames was wanted so far."""

    def __init__(self, reader: VideoReader, wanted: Pass) -> None:
        self._reader, self._wanted = reader, wanted
        self._index = reader.packet_index()
        self._next = wanted.first
        self._zero: Fraction | None = None
        if self._index is not None and reader.time_base is not None:
            self._zero = int(self._index.pts[0]) * reader.time_base

    @property
    def count(self) -> int:
        """How many frames there are, once all have passed."""
        return self._reader.count if self._index is None else max(self._reader.count, len(self._index))

    def frames(self) -> Iterator[ReadFrame]:
        """All frames, or where the packet index tells how many there are, those wanted and some around them."""
        if self._index is None:
            return self._reader.frames()
        some = range(self._wanted.first, len(self._index), self._wanted.every)
        return self._reader.frames(some) if some else iter(())

    def take(self, frame: ReadFrame, *, use_damaged: bool) -> PassedFrame | None:
        """What a frame is for who wanted it; None where nobody did, or it came before."""
        if frame.index == 0 and self._zero is None:
            self._zero = frame.time
        if frame.index < self._next or frame.index % self._wanted.every:
            return None
        self._next = frame.index + 1
        time, zero = frame.time, self._zero
        seconds = None if time is None or zero is None else float(time - zero)
        if frame.damage is not None and not use_damaged:
            return PassedFrame(frame.index, seconds, None, frame.damage)
        try:
            picture = frame.picture()
        except TrackletError as error:
            return PassedFrame(frame.index, seconds, None, error.message)
        height, width, _ = picture.shape
        return PassedFrame(frame.index, seconds, picture, size=(width, height))


def _count_bytes(file: VideoFile, counters: Counters, counted: int) -> int:
    counters.bytes_read += file.bytes_read - counted
    return file.bytes_read
