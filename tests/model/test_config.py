"""The configuration checks itself, keeps its limits, and survives JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from par_model.errors import UsageError
from par_model.model.config import (
    INTERACTION_MAPS,
    RecogniserConfig,
    default_map,
    format_map,
    parse_map,
    side_heads,
)
from tests.tiny import TINY_BACKBONE, tiny_config


def test_maps_by_number_and_by_pairs() -> None:
    assert parse_map("2") == ((0, 0), (3, 1), (6, 2), (9, 3), (11, 4))
    assert parse_map(" 0:0,3:1 ") == ((0, 0), (3, 1))
    for number, pairs in enumerate(INTERACTION_MAPS):
        assert parse_map(str(number)) == pairs
        assert format_map(pairs) == str(number)
    assert format_map(parse_map("1:0,4:2")) == "1:0,4:2"


@pytest.mark.parametrize("text", ["8", "", "a", "1", "3:", "1:2:3", "-1:0"])
def test_maps_that_are_none(text: str) -> None:
    if text == "1":
        assert parse_map(text) == INTERACTION_MAPS[1]
    elif text == "-1:0":
        with pytest.raises(UsageError, match="reads feature map -1"):
            tiny_config(spatial_map=parse_map(text))
    else:
        with pytest.raises(UsageError, match="0 to 7"):
            parse_map(text)


def test_the_default_map_scales_with_the_backbone() -> None:
    assert default_map(12) == INTERACTION_MAPS[2]
    assert default_map(24) == ((0, 0), (6, 1), (12, 2), (18, 3), (22, 4))
    assert default_map(4) == ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4))


def test_heads_of_the_released_widths() -> None:
    assert {w: side_heads(w) for w in (144, 240, 336, 432)} == dict.fromkeys((144, 240, 336, 432), 6)
    assert {w: side_heads(w) for w in (256, 512, 768)} == dict.fromkeys((256, 512, 768), 8)
    assert (side_heads(24), side_heads(30)) == (8, 6)
    with pytest.raises(UsageError, match="try 96"):
        side_heads(100)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spatial_map": ((5, 0),)}, "has feature maps 0 to 4"),
        ({"temporal_map": ((0, 8),)}, "positions are 0 to 7"),
        ({"temporal_map": ()}, "is empty"),
        ({"spatial_map": ((0, 1), (2, 1))}, "feeds one side position twice"),
        ({"frames": 4, "temporal_depth": 3}, "at most 3"),
        ({"frames": 0, "temporal_depth": 1}, "frames is 0"),
        ({"sides": "left"}, "both, spatial, temporal, none"),
        ({"spatial_aggregation": "max"}, "mean, mlp, lstm, gru"),
        ({"fusion_width": 23}, "try 24"),
        ({"num_classes": 0}, "at least 1"),
    ],
)
def test_values_that_make_no_network(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tiny_config(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_height": 100}, "image height 100 is not a multiple of the backbone's patch size 16: try 96"),
        ({"image_width": 8}, "try 16"),
        ({"heads": 5}, "not a multiple of its 5 heads"),
        ({"activation": "relu"}, "quickgelu, gelu"),
    ],
)
def test_backbones_that_are_none(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(TINY_BACKBONE, **changes)


def test_how_many_frames() -> None:
    assert tiny_config(frames=3).max_frames == 3
    assert tiny_config(frames=12, temporal_depth=8, beyond_depth="last").max_frames is None
    assert tiny_config(frames=1, beyond_depth="last").max_frames == 1
    assert tiny_config(frames=3, sides="spatial").max_frames is None
    mlp = tiny_config(frames=3, spatial_aggregation="mlp")
    assert (mlp.exact_frames, mlp.max_frames) == (3, 3)
    mlp.check_frames(3)
    for config, k, message in (
        (mlp, 2, "exactly 3"),
        (tiny_config(frames=3), 4, "at most 3"),
        (tiny_config(), 0, "at least 1"),
    ):
        with pytest.raises(UsageError, match=message):
            config.check_frames(k)
    assert tiny_config(frames=3, spatial_aggregation="mlp", sides="temporal").exact_frames is None


def test_layers_read() -> None:
    config = tiny_config(spatial_map=((0, 0), (2, 1)), temporal_map=((1, 0), (3, 1)))
    assert config.layers_read == (0, 1, 2, 3)
    assert replace(config, sides="spatial").layers_read == (0, 2)
    assert replace(config, sides="none").layers_read == (4,)


def test_json_and_back() -> None:
    config = tiny_config(spatial_aggregation="gru", sides="both", spatial_map=((1, 0), (4, 5)))
    assert RecogniserConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_settings_of_a_newer_version_are_refused() -> None:
    values = tiny_config().to_dict() | {"wavelets": True}
    with pytest.raises(ValueError, match=r"'wavelets'.*newer version"):
        RecogniserConfig.from_dict(values)
    values = tiny_config().to_dict()
    values["backbone"]["wavelets"] = 3
    with pytest.raises(ValueError, match="wavelets"):
        RecogniserConfig.from_dict(values)
    with pytest.raises(ValueError, match="backbone"):
        RecogniserConfig.from_dict({"num_classes": 3})
