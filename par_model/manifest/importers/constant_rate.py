"""Which frame each image shows that was extracted from a video at a constant rate.

Tools that extract images (``ffmpeg -i video %d.png``, imageio) keep a constant rate unless they are told otherwise:
frames that come late are preceded by copies of the one before, frames that come too soon are dropped. The rule is that
of FFmpeg's command line, see its documentation of ``-fps_mode cfr``; where a frame falls just between two images, its
own rounding of times decides, which may be one image off. ``-r 5`` is the same rule at another rate; the filter
``-vf fps=5`` has one of its own, see its documentation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

# In units of an image's duration: how far a frame may be off its place before one is repeated or dropped.
_TOLERANCE = Fraction(11, 10)
_LEAN = Fraction(6, 10)


def frames_shown(times: Sequence[Fraction], rate: Fraction, video_rate: Fraction | None = None) -> list[int]:
    """The frame that each image shows, in order.

    times: of each frame, in seconds from the start of the earliest track. rate: images a second. video_rate: frames a
    second, None: as many.
    """
    usual = 1 / (rate if video_rate is None else video_rate)
    longest = Fraction(max(1, round(usual * rate)))
    shown: list[int] = []
    lately = [0, 0, 0]  # how often the frame before was repeated for each of the last ones
    for frame, time in enumerate(times):
        step = times[frame + 1] - time if frame + 1 < len(times) else usual
        duration = min(step * rate, longest)
        late = time * rate - len(shown)
        if late < 0 < late + duration:
            late, duration = Fraction(0), duration + late
        end = late + duration
        copies, repeats = (0 if end < -_TOLERANCE else 1), 0
        if end > _TOLERANCE:
            copies = round(end)
            repeats = round(late - _LEAN) if late > _TOLERANCE else 0
        previous = frame - 1 if shown else frame
        shown += [previous] * repeats + [frame] * (copies - repeats)
        lately = [*lately[1:], repeats]
    # The last frame is taken to last as long as those before it.
    return shown + [len(times) - 1] * sorted(lately)[1]


def frames_of_fps_filter(times: Sequence[Fraction], rate: Fraction, video_rate: Fraction) -> list[int]:
    """The frame that each image shows, in order, where FFmpeg's filter ``fps`` chose them.

    times: of each frame, in seconds from the start of the earliest track. rate: images a second. video_rate: frames a
    second, for one of which the last frame is taken to last.

    A frame belongs to the image that is nearest to it in time. Of several the last is taken, and where there is none
    the one before.
    """
    if not times:
        return []
    nearest = [_nearest(time * rate) for time in times]
    chosen: list[int] = []
    frame = 0
    images = range(nearest[0], _nearest((times[-1] + 1 / video_rate) * rate))
    for image in images:
        while frame + 1 < len(times) and nearest[frame + 1] <= image:
            frame += 1
        chosen.append(frame)
    # The filter begins with the video; what writes the images begins with the earliest track.
    return [chosen[i] for i in frames_shown([image / rate for image in images], rate)]


def _nearest(position: Fraction) -> int:
    """The nearest whole number, of two the greater."""
    return math.floor(position + Fraction(1, 2))
