"""From a decoded frame to the RGB picture that it shows: matrix, range, size, and what is brighter than white.

Pictures of HDR footage (PQ or HLG) are mapped to what a plain screen shows. FFmpeg's swscale could do that too; but it
darkens a whole picture by the brightness of the screen that it was mastered on, where the stream tells that (white
came out as 63 of 255 for 4000 cd/m2, with libswscale 9.5), and takes 3 s for each kind of picture beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import zip_longest
from typing import Any, TypeVar

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from par_model.errors import FailureCode, TrackletError
from par_model.video.containers.damage import DECODER_ERRORS, reason_of
from par_model.video.options import Matrix

# Numbers of ITU-T H.273, which FFmpeg uses as they are.
_LIMITED_RANGE = 1
_BT709, _BT470BG, _BT2020 = 1, 5, 9
_PQ, _HLG = 16, 18
_STATED_MATRICES = {_BT709, 4, _BT470BG, 6, 7, _BT2020}
# Those that swscale refuses. All others are unstated: 2 by name, 0 where it contradicts the pixel format, and reserved
# numbers, which H.264 and H.265 want read as 2.
_REFUSED_MATRICES = {
    8: "YCgCo", 10: "BT.2020 constant luminance", 11: "SMPTE ST 2085", 12: "derived from the primaries",
    13: "derived from the primaries, constant luminance", 14: "ICtCp", 15: "IPT-C2", 16: "YCgCo-Re", 17: "YCgCo-Ro",
}  # fmt: skip

# Linear RGB of other primaries to that of BT.709, from their chromaticities (BT.2020; SMPTE ST 432, P3 with D65).
_FROM_BT2020 = ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))
_FROM_P3 = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))
_TO_BT709 = {_BT709: ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), 12: _FROM_P3}

# BT.2408: white of a page, in cd/m2. HLG is shown as on a screen of 1000 cd/m2, where its 75 % are this white.
_WHITE, _HLG_SCREEN, _HLG_GAMMA = 203.0, 1000.0, 1.2
_BT2020_LUMINANCE = (0.2627, 0.6780, 0.0593)
# Otherwise swscale takes 8-bit levels down by up to two, which light spreads.
_EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
_Level = TypeVar("_Level", np.uint8, np.uint16)
# Monochrome pictures of HEVC and AV1, as thermal cameras make them.
_WITH_COLOURS = {"gray": "yuv420p", "gray10le": "yuv420p10le", "gray12le": "yuv420p12le"}
_ROWS = 32  # mapped at a time, so that they stay in the processor's cache


def to_rgb(
    frame: av.VideoFrame, size: tuple[int, int], unflagged_matrix: Matrix, reformatter: VideoReformatter
) -> NDArray[np.uint8]:
    """The picture uint8 [height, width, 3] of a frame, scaled to ``size`` (width, height), neither turned nor mirrored.

    It may be a view of the frame's memory. Raises TrackletError (video-unreadable), with the flag, where its colours
    are of a kind that swscale does not convert.
    """
    hdr = is_hdr(frame)
    frame = _with_its_range(frame)
    matrix = int(frame.colorspace)
    if matrix not in _STATED_MATRICES and matrix not in _REFUSED_MATRICES and not frame.format.is_rgb:
        frame.colorspace = _BT2020 if hdr else {"bt601": _BT470BG, "bt709": _BT709}[unflagged_matrix]
    try:
        # Each core has a worker of its own.
        if hdr:
            rgb = reformatter.reformat(frame, *size, format="rgb48le", interpolation=_EXACT, threads=1)
        else:
            rgb = reformatter.reformat(frame, *size, format="rgb24", threads=1)
    except DECODER_ERRORS as error:
        name = _REFUSED_MATRICES.get(matrix)
        why = f"are flagged with the matrix {name}" if name else f"cannot be converted ({reason_of(error)})"
        message = f"its colours (pixel format {frame.format.name}) {why}; convert the video to yuv420p, BT.709"
        raise TrackletError(FailureCode.VIDEO_UNREADABLE, message) from error
    if not hdr:
        return _pixels(rgb, np.uint8)
    return _to_sdr(_pixels(rgb, np.uint16), int(frame.color_trc), int(frame.color_primaries))


def is_hdr(frame: av.VideoFrame) -> bool:
    """Whether a frame's picture is mapped to what a plain screen shows."""
    return int(frame.color_trc) in _LINEAR


def _pixels(rgb: av.VideoFrame, kind: type[_Level]) -> NDArray[_Level]:
    plane = rgb.planes[0]
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // np.dtype(kind).itemsize)
    return rows[: rgb.height, : rgb.width * 3].reshape(rgb.height, rgb.width, 3)


def _with_its_range(frame: av.VideoFrame) -> av.VideoFrame:
    """A frame of another pixel format where its flag says limited range, and swscale believes the format, which means
    full: yuvj..., which FFmpeg's decoders keep for a stream that changes its range, and pictures without colours."""
    name = frame.format.name
    other = name.replace("yuvj", "yuv") if name.startswith("yuvj") else _WITH_COLOURS.get(name)
    if other is None or frame.color_range != _LIMITED_RANGE:
        return frame
    plain = av.VideoFrame(frame.width, frame.height, other)
    bits = plain.format.components[0].bits
    kind: np.dtype[Any] = np.dtype(np.uint8 if bits == 8 else np.uint16)
    for source, target in zip_longest(frame.planes, plain.planes):
        levels = _levels(target, kind)
        levels[:] = 1 << bits - 1 if source is None else _levels(source, kind)
    for name in ("colorspace", "color_range", "color_trc", "color_primaries"):
        setattr(plain, name, getattr(frame, name))
    return plain


def _levels(plane: av.video.plane.VideoPlane, kind: np.dtype[Any]) -> NDArray[Any]:
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // kind.itemsize)
    return rows[: plane.height, : plane.width]


def _to_sdr(signal: NDArray[np.uint16], transfer: int, primaries: int) -> NDArray[np.uint8]:
    """PQ or HLG signals uint16 [H, W, 3] as sRGB uint8. What is brighter than white, or of no colour that sRGB has, is
    clipped."""
    to_linear, to_bt709 = _LINEAR[transfer](), np.asarray(_TO_BT709.get(primaries, _FROM_BT2020), np.float32).T
    encode = _srgb()
    picture = np.empty(signal.shape, np.uint8)
    for top in range(0, len(signal), _ROWS):
        light = to_linear[signal[top : top + _ROWS]]
        if transfer == _HLG:  # BT.2100, table 5: the screen's gamma is on the luminance
            luminance = light @ np.asarray(_BT2020_LUMINANCE, np.float32)
            light *= (luminance ** np.float32(_HLG_GAMMA - 1))[..., None]
        light = light @ to_bt709
        np.clip(light, 0, 1, out=light)
        np.sqrt(light, out=light)
        picture[top : top + _ROWS] = encode[(light * (len(encode) - 1)).astype(np.uint16)]
    return picture


@cache
def _pq() -> NDArray[np.float32]:
    """SMPTE ST 2084: the light of each signal of 16 bits, 1 for white."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = np.linspace(0, 1, 1 << 16) ** (1 / m2)
    light = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return np.asarray(light / _WHITE, np.float32)


@cache
def _hlg() -> NDArray[np.float32]:
    """BT.2100: the light before the camera of each signal of 16 bits, in a unit that gives 1 for white on the screen
    once its gamma is applied."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.linspace(0, 1, 1 << 16)
    light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(light * (_HLG_SCREEN / _WHITE) ** (1 / _HLG_GAMMA), np.float32)


@cache
def _srgb() -> NDArray[np.uint8]:
    """IEC 61966-2-1: the signal of each light, whose square roots are evenly spread from 0 to 1."""
    light = np.linspace(0, 1, 1 << 12) ** 2
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * signal), np.uint8)


_LINEAR: dict[int, Callable[[], NDArray[np.float32]]] = {_PQ: _pq, _HLG: _hlg}
