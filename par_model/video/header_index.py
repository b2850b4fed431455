"""The packet index of a video: from the header alone where that lists every packet, else by reading the whole file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from par_model.errors import TrackletError
from par_model.video.bytes.source import VideoFile
from par_model.video.containers.boxes import HeaderView, layout
from par_model.video.containers.open import VideoContainer, describe
from par_model.video.counters import Counters
from par_model.video.packet_index import Packet, PacketIndex, index_of_packets

# This many frames must come out of the decoder as the packet index says before it is believed; fewer where the decoder
# finds in the stream itself what a header says, that pictures are, or are not, decoded in another order than shown.
_PROOF_FRAMES, _PROOF_FRAMES_OF_AGREEING = 12, 4
# Packets that the latter take; few encoders make decoders hold back more frames than this allows.
_PROOF_PACKETS = _PROOF_FRAMES_OF_AGREEING + 3


def header_packets(file: VideoFile, stream: int, *, also_scattered: bool = False) -> list[Packet] | None:
    """The packets of a moving video track, counted from 0, as the header of an mp4 or mov file lists them.

    FFmpeg's demuxer makes them from the file with zeros in the place of its pictures, so times and edit lists are as in
    a whole pass; which of them are key frames is the header's word. None for other formats, and where the header may
    not tell all: the file ends before its boxes do, or a packet lies beside the pictures. None too where a remote file
    has parts of it in fragments, unless ``also_scattered``. Raises TrackletError if storage fails.
    """
    found = layout(file, also_scattered=also_scattered)
    if found is None:
        return None
    place = file.tell()
    view = HeaderView(file, found)
    try:
        with VideoContainer(view, stream) as video:
            packets = [describe(packet) for packet in video.packets() if packet.size]
            is_sound = video.damage.reason is None
    except TrackletError:
        is_sound = False
    finally:
        file.seek(place)
    if file.failure is not None:
        raise file.failure
    if not is_sound or not all(view.holds(packet.position or 0, packet.size) for packet in packets):
        return None
    return packets


def read_packet_index(
    video: VideoContainer, file: VideoFile, counters: Counters, listed: list[Packet] | None
) -> PacketIndex | None:
    """The packet index of a video that has just been opened, None if it cannot be trusted.

    file: what the video is read from. listed: its packets as its header lists them, None if that does not. They are
    believed where the first of them, and the frames that come out of these, are as listed; else all packets are read.
    """
    with file.expecting(*[(p.position, p.position + p.size) for p in (listed or ())[:_PROOF_PACKETS] if p.position]):
        return _read_packet_index(video, counters, listed)


def _read_packet_index(video: VideoContainer, counters: Counters, listed: list[Packet] | None) -> PacketIndex | None:
    packets: list[Packet] = []
    shown: list[int | None] = []
    size: tuple[int, int] | None = None
    reorders = None if listed is None else _is_reordered(listed)
    for packet in video.packets():
        agrees = reorders is not None and len(shown) > 0 and video.reorders == reorders
        if len(shown) < (_PROOF_FRAMES_OF_AGREEING if agrees else _PROOF_FRAMES):
            frames, complaint = video.decode(packet)
            if complaint is not None:
                return None
            counters.frames_decoded += len(frames)
            size = size or next(((frame.width, frame.height) for frame in frames), None)
            shown += [None if frame.is_corrupt else frame.pts for frame in frames]
        elif listed is not None and listed[: len(packets)] == packets:
            packets = listed
            break
        if packet.size:
            packets.append(describe(packet))
    packet_index = index_of_packets(packets)
    if packet_index is None or video.damage.reason is not None or packet_index.pts[: len(shown)].tolist() != shown:
        return None
    return None if video.damage.ends_early(packet_index.pts) else replace(packet_index, size=size)


def _is_reordered(packets: Sequence[Packet]) -> bool:
    """Whether a picture is decoded before one that is shown earlier."""
    times = [packet.pts for packet in packets if packet.pts is not None]
    return any(before > after for before, after in pairwise(times))
