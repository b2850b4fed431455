"""A state runs from frame to frame, in streams that never meet."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from par_model.model.temporal import STREAM_EPS, StreamTaps, TemporalSide
from tests.tiny import TINY_BACKBONE, tiny_config

CONFIG = tiny_config(temporal_map=((1, 0), (3, 1)), frames=3)
PATCHES, WIDTH = TINY_BACKBONE.num_patches, TINY_BACKBONE.width


def test_all_streams_at_once_are_a_norm_and_a_linear_for_each() -> None:
    torch.manual_seed(0)
    taps = StreamTaps(2, 8, 4)
    with torch.no_grad():
        for parameter in taps.parameters():
            parameter.normal_()
    maps_SBTPE = torch.randn(2, 3, 2, 5, 8)
    each = [
        F.layer_norm(maps_SBTPE[s], (8,), taps.norm_weight[s], taps.norm_bias[s], STREAM_EPS) @ taps.proj_weight[s].T
        + taps.proj_bias[s]
        for s in range(2)
    ]
    torch.testing.assert_close(taps(maps_SBTPE), torch.stack(each), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_state_starts_with_frame_0_and_goes_through_a_block_a_frame() -> None:
    torch.manual_seed(0)
    side = TemporalSide(CONFIG).eval()
    maps = {k: torch.randn(2 * 3, PATCHES, WIDTH) for k in (1, 3)}
    found = side(maps, 2)
    assert found.shape == (2, 2, 1 + PATCHES, CONFIG.temporal_width)
    assert side.streams is not None
    for s, source in enumerate((1, 3)):
        for b in range(2):
            frames = maps[source].reshape(2, 3, PATCHES, WIDTH)[b]
            start = torch.cat([side.class_token[None], side.first(frames[0])])[None] + side.positions
            state = side.blocks[0](start)
            for t in (1, 2):
                state = side.blocks[t](state)
                normed = F.layer_norm(
                    frames[t], (WIDTH,), side.streams.norm_weight[s], side.streams.norm_bias[s], STREAM_EPS
                )
                state[:, 1:] += normed @ side.streams.proj_weight[s].T + side.streams.proj_bias[s]
            torch.testing.assert_close(found[s, b], state[0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_streams_never_meet() -> None:
    torch.manual_seed(0)
    side = TemporalSide(CONFIG).eval()
    maps = {k: torch.randn(3, PATCHES, WIDTH) for k in (1, 3)}
    before, after = side(maps, 1), side(maps | {3: maps[3] + torch.randn_like(maps[3])}, 1)
    torch.testing.assert_close(after[0], before[0])
    assert not torch.allclose(after[1], before[1], atol=1e-3)


def test_what_frames_run_through_is_what_they_train() -> None:
    side = TemporalSide(CONFIG)
    assert side.streams is not None
    every = {id(parameter) for parameter in side.parameters()}
    assert {id(parameter) for parameter in side.parameters_run(3)} == every
    one = {id(parameter) for parameter in side.parameters_run(1)}
    later = [*side.blocks[1].parameters(), *side.blocks[2].parameters(), *side.streams.parameters()]
    assert every - one == {id(parameter) for parameter in later}
