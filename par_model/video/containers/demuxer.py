"""FFmpeg's demuxer on a file: it opens nothing else, and reads no more than the track that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import av
from av.container import InputContainer

from par_model.video.bytes.source import VideoFile
from par_model.video.containers.boxes import HeaderView, header_parts
from par_model.video.containers.formats import FORMATS

_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
# Else the pictures, which are zeros, and not the header say which of them are key frames.
_OF_HEADERS = {"fflags": "noparse"}


def open_demuxer(file: VideoFile | HeaderView, options: Mapping[str, str]) -> InputContainer:
    """A container that reads a file from its beginning. options: FFmpeg's, beside our own. Raises what PyAV raises."""
    ours = _OPTIONS | _OF_HEADERS if isinstance(file, HeaderView) else _OPTIONS
    parts = [] if isinstance(file, HeaderView) else header_parts(file)
    file.seek(0)
    with file.expecting(*parts):
        return av.open(
            file,
            mode="r",
            container_options=ours | dict(options),
            io_open=_refuse_to_open,
            metadata_errors="replace",  # titles in the encoding of an old system
        )


def read_one_track(container: InputContainer, stream: av.VideoStream) -> None:
    """Have the demuxer pass over other tracks where it can do so without reading them: what lies between pictures."""
    if "mp4" not in container.format.name.split(","):
        return
    for other in container.streams:
        if other.index != stream.index:
            other.discard = av.stream.Discard.all


def _refuse_to_open(url: str, *_: object) -> NoReturn:
    raise PermissionError(f"the container refers to {url}, which is not opened")
