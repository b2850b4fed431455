"""The names among which users choose how frames are sampled, crops fitted and boxes given, without the libraries that
do it, which help need not load."""

from __future__ import annotations

from typing import Literal, get_args

Policy = Literal["uniform", "first", "random", "all", "cheap"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
# Of what uniform sampling would cost a tracklet, by estimated time, the share that cheap sampling may spend.
DECODE_BUDGET = 0.15

Fit = Literal["stretch", "pad"]  # of a crop into the network's input
FITS: tuple[Fit, ...] = get_args(Fit)

BoxFormat = Literal["xywh", "xyxy"]  # of four numbers: left, top, and width and height or right and bottom
BOX_FORMATS: tuple[BoxFormat, ...] = get_args(BoxFormat)
