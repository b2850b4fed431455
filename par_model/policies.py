"""The names of the ways in which frames are sampled, without NumPy, which ``sampling`` needs to do it."""

from __future__ import annotations

from typing import Literal, get_args

Policy = Literal["uniform", "first", "random", "all", "cheap"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
# Of what uniform sampling would cost a tracklet, by estimated time, the share that cheap sampling may spend.
DECODE_BUDGET = 0.15
