"""What FFmpeg logs as errors while it demuxes and decodes: its only word on much of what it conceals.

    listen()
    with Capture() as logs:  # of this thread alone
        packet.decode()
    complaint = spoils(logs)

PyAV keeps one level and one callback for the process. ``listen`` sets both so that errors are heard, and keeps silent
where nobody asked to see them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

import av

from par_model.wording import one_line

_Log = tuple[int, str, str]  # level, which part of FFmpeg, message

# Errors about what lies beside the pictures, or about pictures that are not there any more. Cameras and cutters write
# such files, and their pictures are sound. In the trials looked at, damage that gave one of these gave others too.
_SIDE_INFORMATION = re.compile(
    # H.264, HEVC: supplemental messages, and the clock of the parameter sets
    r"SEI type \d+ size \d+ truncated|Picture timing SEI payload too large|Error processing (a|the) picture timing SEI"
    r"|recovery_frame_cnt \d+ is out of range|non-existing SPS \d+ referenced in buffering period"
    r"|time_scale/num_units_in_tick invalid|active_parameter_set_id \d+ invalid"
    # H.264: a picture should be forgotten that was never there, as after a cut, or too many are remembered
    r"|mmco: unref (short|long) failure|number of reference frames .* exceeds max"
    # H.264: what a container has instead of parameter sets; packets that have no start code are refused besides
    r"|No start code is found"
    # MJPEG: segments of cameras, Exif, colour profiles
    r"|app: invalid len|unable to decode APP fields|mjpeg: error, decode_app parser read over the end|.*\b(EXIF|ICC)\b"
)


def listen() -> None:
    """Have the errors of FFmpeg caught by PyAV's Capture, each time they are logged."""
    level = av.logging.get_level()
    if level is None or level < av.logging.ERROR:
        level = av.logging.ERROR
        logging.getLogger("libav").setLevel(logging.CRITICAL + 1)
    av.logging.set_level(level)  # again also where it is so: the callback may have been another
    av.logging.set_skip_repeated(False)


def spoils(logs: Iterable[_Log], by: str | None = None) -> str | None:
    """The first error in a log that says that pictures are not as they were coded, None if there is none.

    by: the part of FFmpeg that counts, if not all.
    """
    for level, name, message in logs:
        text = one_line(message)
        if level <= av.logging.ERROR and by in (None, name) and not _SIDE_INFORMATION.match(text):
            return text
    return None
