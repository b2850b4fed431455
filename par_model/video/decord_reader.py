"""decord, for those who want that library, on the files where it can be checked.

decord is silently wrong on half of real files. A file is read with it only if everything holds that held on each file
of a corpus on which it was right. That is evidence, not proof: PyAV is the exact reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import FailureCode, TrackletError
from par_model.video.bytes.source import VideoFile
from par_model.video.containers.open import VideoContainer, describe
from par_model.video.packet_index import SEEKABLE_FORMATS, Packet, PacketIndex, Run, index_of_packets
from par_model.video.reader import SeekRefutedError, VideoReader

_FRAMES_AT_ONCE = 8

# What the checks of a file came to: a reason to refuse it, None where there was none.
_verdicts: dict[str, str | None] = {}


@dataclass(frozen=True, eq=False)
class DecordFrame:
    """A frame that decord decoded. is_key: it does not tell what it decoded on the way, so each counts alone."""

    index: int
    pixels: NDArray[np.uint8]
    damage: None = None
    is_key: bool = True

    def picture(self) -> NDArray[np.uint8]:
        """The displayed picture, RGB uint8 [H, W, 3]."""
        return self.pixels


class DecordReader:
    """Frames of one video file, by decord. A context manager.

    Raises TrackletError: decoder-refused where decord is absent or a check fails, else as VideoReader does.
    """

    damage: str | None = None

    def __init__(self, file: VideoFile, stream: int = 0) -> None:
        self.name = file.uri
        file.fetch_whole()
        # What is no video at all is reported as such.
        with VideoContainer(file, stream) as container:
            self.tracks = container.tracks
            is_supported = container.format in SEEKABLE_FORMATS
            packets, lack = _packets(container) if is_supported else ([], None)
            damage = container.damage.reason or lack
        if self.tracks > 1:
            raise self._refusal(f"the file has {self.tracks} moving video tracks, and decord chooses one by itself")
        if not is_supported:
            raise self._refusal(f"it reads only mp4, mov, mkv and webm reliably, and this is {container.format}")
        self._decord = self._open(file)
        verdict = _verdicts.get(file.identity or "", "")
        if verdict == "":
            verdict = self._check(packets, file) if damage is None else damage
            if file.identity is not None:
                _verdicts[file.identity] = verdict
        if verdict is not None:
            raise self._refusal(verdict)

    def __enter__(self) -> DecordReader:
        return self

    def __exit__(self, *_: object) -> None:
        del self._decord

    @property
    def count(self) -> int:
        """How many frames there are."""
        return len(self._decord)

    def frames(self, wanted: Sequence[int]) -> Iterator[DecordFrame]:
        """The wanted frames (ascending), as far as there are that many."""
        indices = [index for index in wanted if index < self.count]
        for start in range(0, len(indices), _FRAMES_AT_ONCE):
            some = indices[start : start + _FRAMES_AT_ONCE]
            for index, pixels in zip(some, self._batch(some), strict=True):
                yield DecordFrame(index, pixels)

    def _batch(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        try:
            return np.asarray(self._decord.get_batch(list(indices)).asnumpy())
        except (self._error, IndexError) as error:
            message = f"cannot read frames {indices[0]} to {indices[-1]} of {self.name} with decord"
            raise TrackletError(FailureCode.VIDEO_UNREADABLE, message) from error

    def _open(self, file: VideoFile) -> Any:
        try:
            import decord
        except ImportError as error:
            raise self._refusal("it is not installed (it has packages for x86-64 only)") from error
        self._error: type[Exception] = decord.DECORDError
        try:
            source = storage.local_path(file.uri) if storage.is_local(file.uri) else file.rewound()
            return decord.VideoReader(source, ctx=decord.cpu(0), num_threads=1)
        except (decord.DECORDError, OSError) as error:
            raise self._refusal("it cannot open it") from error

    def _check(self, packets: Sequence[Packet], file: VideoFile) -> str | None:
        """Why decord may be wrong on this file, None if nothing was found."""
        packet_index = index_of_packets(packets)
        if packet_index is None:
            return "its packets' timestamps are not all there and there once, or some are damaged or cut off by an edit"
        ordinals = [i for i, packet in enumerate(packets) if packet.is_key]
        if len(self._decord) != len(packets):
            return f"it counts {len(self._decord)} frames, and the file has {len(packets)}"
        if [int(key) for key in self._decord.get_key_indices()] != ordinals:
            return "it sees other key frames than the file has"
        if packet_index.keys.tolist() != ordinals:
            return "frames are shown before the key frame that they follow in the file"
        return self._check_landings(packet_index, file)

    def _check_landings(self, packet_index: PacketIndex, file: VideoFile) -> str | None:
        """Seek to each key frame, last first, and compare with what PyAV decodes there."""
        with VideoReader(file) as exact:
            for key in reversed(packet_index.keys.tolist()):
                try:
                    (frame,) = exact.frames_of_run(Run(key, key), packet_index)
                except (SeekRefutedError, TrackletError):
                    return f"its key frame {key} cannot be verified"
                if frame.is_hdr:
                    return "its colours are PQ or HLG, which decord does not map to those of a plain screen"
                (pixels,) = self._batch([key])
                if not np.array_equal(frame.picture(), pixels):
                    return f"its frame {key} differs from what PyAV decodes"
        return None

    def _refusal(self, reason: str) -> TrackletError:
        return TrackletError(FailureCode.DECODER_REFUSED, f"decord is not used for {self.name}: {reason}; use pyav")


def _packets(container: VideoContainer) -> tuple[list[Packet], str | None]:
    """What a packet index keeps of each packet, and whether one refers to pictures that are missing."""
    packets, lack = [], None
    for packet in container.packets():
        if packet.size:
            lack = lack or container.lacks_references(packet)
            packets.append(describe(packet))
    return packets, lack
