"""Beyond the released code: every variant runs, trains all that it optimises, and gives the values it should."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from par_model.errors import UsageError
from par_model.model import temporal
from par_model.model.blocks import Aggregation, Block, activate, resize_positions
from par_model.model.config import BackboneConfig, RecogniserConfig, default_map
from par_model.model.recogniser import Recogniser, Tune
from tests.tiny import TINY_BACKBONE, tiny_config, tiny_recogniser

VIT_L14_SHAPED = BackboneConfig(  # 24 blocks, patches of 14 pixels, another width; narrow, so that it is quick
    name="L/14",
    image_height=56,
    image_width=56,
    patch=14,
    width=48,
    layers=24,
    heads=3,
    mlp_width=96,
    embed_dim=40,
)
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "ViT-L/14": {"backbone": VIT_L14_SHAPED, "spatial_map": default_map(24), "temporal_map": default_map(24)},
    "rectangular": {"backbone": replace(TINY_BACKBONE, image_height=128, image_width=64)},
    "widths that differ": {"spatial_width": 16, "temporal_width": 32, "fusion_width": 24},
    "lstm and gru": {"spatial_aggregation": "lstm", "temporal_aggregation": "gru"},
    "gru and mlp": {"spatial_aggregation": "gru", "temporal_aggregation": "mlp"},
    "mlp and lstm": {"spatial_aggregation": "mlp", "temporal_aggregation": "lstm"},
    "spatial side only": {"sides": "spatial", "spatial_width": 16},
    "temporal side only": {"sides": "temporal", "temporal_width": 16},
    "no side": {"sides": "none"},
    "one frame": {"frames": 1},
    "one frame, gru": {"frames": 1, "spatial_aggregation": "gru"},
    "one frame, lstm": {"frames": 1, "spatial_aggregation": "lstm", "sides": "spatial"},
    "one stream, lstm": {"temporal_map": ((2, 0),), "temporal_aggregation": "lstm"},
    "one stream, gru": {"temporal_map": ((2, 0),), "temporal_aggregation": "gru", "sides": "temporal"},
    "more frames than blocks": {"frames": 11, "temporal_depth": 8, "beyond_depth": "last"},
    "zero-shot": {"zero_shot": True},
    "maps that differ": {"spatial_map": ((0, 0), (3, 7)), "temporal_map": ((1, 0), (2, 1), (4, 2))},
}


def frames_for(config: RecogniserConfig, tracklets: int = 2, frames: int | None = None) -> Tensor:
    torch.manual_seed(5)
    size = (config.backbone.image_height, config.backbone.image_width)
    return torch.randn(tracklets, frames or config.frames, 3, *size)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", ["side", "full", "head"])
def test_every_variant_trains_all_that_it_optimises(variant: str, mode: Tune) -> None:
    config = tiny_config(**VARIANTS[variant])
    recogniser = tiny_recogniser(config).train()
    parameters = recogniser.tune(mode)
    logits = recogniser(frames_for(config, tracklets=3))
    assert logits.shape == (3, 5)
    weights = torch.randn(3, 5)
    (logits * weights).sum().backward()
    chosen = {id(p) for p in parameters}
    assert len(chosen) == len(parameters) > 0
    for name, parameter in recogniser.named_parameters():
        assert parameter.requires_grad == (id(parameter) in chosen), name
        if id(parameter) in chosen:
            assert parameter.grad is not None, f"{name} is optimised and unused"
            assert torch.isfinite(parameter.grad).all(), name
        else:
            assert parameter.grad is None, name
    # BatchNorm takes the mean out, so the heads' biases cannot matter in training; all else must.
    still = [n for n, p in recogniser.named_parameters() if p.grad is not None and not p.grad.abs().max() > 0]
    assert [name for name in still if name != "heads.bias"] == []


@pytest.mark.parametrize("variant", [v for v in VARIANTS if not v.startswith("one ")])
def test_fresh_recognisers_have_no_idle_parameters(variant: str) -> None:
    """Tuned in full, all but what follows the tower's last map that is read, and serves embeddings, is trained."""
    recogniser = Recogniser(tiny_config(**VARIANTS[variant]))
    trained = {id(p) for p in recogniser.tune("full")}
    last = max(recogniser.config.layers_read)
    for name, parameter in recogniser.named_parameters():
        beyond = name.startswith("backbone.blocks.") and int(name.split(".")[2]) >= last
        assert (id(parameter) in trained) != (beyond or name.startswith(("backbone.ln_post", "backbone.proj"))), name


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrence_over_a_single_thing_leaves_its_own_weight_alone(kind: Any) -> None:
    """There is no state before the first frame or stream: what is multiplied with it can be anything."""
    config = tiny_config(
        frames=1, spatial_aggregation=kind, temporal_aggregation=kind, temporal_map=((1, 0),), temporal_depth=3
    )
    recogniser = tiny_recogniser(config)
    recogniser.tune("side")
    weights = [
        part.recurrent.weight_hh_l0 for part in (recogniser.spatial_aggregation, recogniser.temporal_aggregation)
    ]
    assert [weight.requires_grad for weight in weights] == [False, False]
    recogniser.tune("side", frames=2)
    assert [weight.requires_grad for weight in weights] == [True, False]
    one, two = frames_for(config), frames_for(config, frames=2)
    with torch.no_grad():
        of_one, of_two = recogniser(one), recogniser(two)
        for weight in weights:
            weight.add_(1.0)
        assert torch.equal(recogniser(one), of_one)
        assert not torch.equal(recogniser(two), of_two)


@pytest.mark.parametrize("variant", VARIANTS)
def test_made_ready_for_inference_it_gives_the_same_logits(variant: str) -> None:
    config = tiny_config(**VARIANTS[variant])
    recogniser, frames = tiny_recogniser(config).eval(), frames_for(config)
    with torch.inference_mode():
        expected = recogniser(frames)
        ready = recogniser.for_inference()
        assert ready is recogniser
        assert (ready(frames) - expected).abs().max() < 1e-5
        rounded = recogniser.for_inference(torch.bfloat16)(frames.bfloat16())
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - expected).abs().max() < 0.1
    assert not any(getattr(part, "activation", "") == "quickgelu" for part in recogniser.modules())
    assert {recogniser.fusion.norm.weight.dtype, recogniser.bn.weight.dtype} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in recogniser.parameters())


def test_smaller_networks_of_one_made_ready_for_inference_are_right() -> None:
    config = tiny_config()
    frames = frames_for(config, frames=2)
    with torch.inference_mode():
        expected = tiny_recogniser(config).for_frames(2)(frames)
        found = tiny_recogniser(config).for_inference().for_frames(2)(frames)
    assert (found - expected).abs().max() < 1e-5


def test_weights_of_half_precision_answer_in_float32() -> None:
    config = tiny_config(zero_shot=True)
    frames = frames_for(config)
    half = tiny_recogniser(config).half()
    with torch.inference_mode():
        expected = deepcopy(half).float()(frames)
        found = half.for_inference()(frames)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-5


def test_many_frames_are_tapped_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(frames=8, beyond_depth="last")
    recogniser, frames = tiny_recogniser(config).eval(), frames_for(config, frames=19)
    found = []
    with torch.inference_mode():
        for at_once in (1, 5, 100):
            monkeypatch.setattr(temporal, "_TAPPED_AT_ONCE", at_once)
            found.append(recogniser(frames))
    assert (found[0] - found[2]).abs().max() < 1e-5
    assert (found[1] - found[2]).abs().max() < 1e-5
    assert (found[2] - recogniser(frames[:, :18])).abs().max() > 1e-3, "the last frame counts"


def test_an_imported_recognisers_idle_blocks_are_not_optimised() -> None:
    config = tiny_config(frames=3, temporal_depth=8)
    recogniser = tiny_recogniser(config)
    parameters = recogniser.tune("side")
    recogniser(frames_for(config)).sum().backward()
    assert all(p.grad is not None for p in parameters)
    assert not any(p.requires_grad for block in recogniser.temporal.blocks[3:] for p in block.parameters())
    more = recogniser.tune("side", frames=5)
    assert len(more) - len(parameters) == 2 * len(list(recogniser.temporal.blocks[0].parameters()))
    assert len(recogniser.tune("side", frames=1)) < len(parameters)


@pytest.mark.parametrize("frames", [1, 3, 8])
def test_what_training_with_k_frames_has_not_touched_is_not_there_for_more(frames: int) -> None:
    recogniser = tiny_recogniser(tiny_config(frames=6, temporal_depth=8))
    smaller = recogniser.for_frames(frames)
    assert (smaller.config.frames, smaller.config.max_frames) == (frames, frames)
    clip = frames_for(smaller.config)
    with torch.inference_mode():
        torch.testing.assert_close(smaller(clip), recogniser(clip), rtol=0, atol=0)


def test_the_frozen_tower_has_no_gradient_and_stays_in_evaluation_mode() -> None:
    recogniser = tiny_recogniser().train()
    assert recogniser.training
    assert not recogniser.backbone.training
    seen: list[Tensor] = []
    recogniser.backbone.register_forward_hook(lambda _, __, out: seen.extend(out[0].values()))
    recogniser(frames_for(recogniser.config))
    assert not any(tokens.requires_grad for tokens in seen)
    recogniser.tune("full")
    assert recogniser.backbone.training
    seen.clear()
    recogniser(frames_for(recogniser.config))
    assert all(tokens.requires_grad for tokens in seen)
    recogniser.tune("head")
    assert not recogniser.backbone.training


def test_the_tower_runs_no_further_than_it_is_read() -> None:
    config = tiny_config(spatial_map=((0, 0),), temporal_map=((2, 0),))
    recogniser, run = tiny_recogniser(config), []
    for k, block in enumerate(recogniser.backbone.blocks, start=1):
        block.register_forward_hook(lambda *_, k=k: run.append(k))
    recogniser(frames_for(config))
    assert run == [1, 2]
    run.clear()
    recogniser.recognise(frames_for(config), embed=True)
    assert run == [1, 2, 3, 4]


def test_beyond_its_depth_the_temporal_net_repeats_its_last_block() -> None:
    config = tiny_config(frames=5, temporal_depth=2, beyond_depth="last")
    recogniser = tiny_recogniser(config)
    net, images = recogniser.temporal, frames_for(config, tracklets=1)[0]
    with torch.no_grad():
        maps, _ = recogniser.backbone(images, config.layers_read)
        found, streams = net(maps, 1), net.streams
        assert streams is not None
        for s, source in enumerate(net.sources):
            x = torch.cat([net.class_token[None], net.first(maps[source][0])]) + net.positions
            x = net.blocks[0](x[None])
            for f in range(1, 5):
                x = net.blocks[1](x)
                each = F.layer_norm(maps[source][f], (32,), streams.norm_weight[s], streams.norm_bias[s], 1e-5)
                x[:, 1:] += each @ streams.proj_weight[s].T + streams.proj_bias[s]
            assert (found[s, 0] - x[0]).abs().max() < 1e-5


def test_up_to_its_depth_the_rule_for_more_frames_changes_nothing() -> None:
    refuse, last = (tiny_recogniser(tiny_config(frames=3, beyond_depth=rule)) for rule in ("refuse", "last"))
    frames = frames_for(refuse.config)
    with torch.no_grad():
        assert torch.equal(refuse(frames), last(frames))
        assert torch.isfinite(last(frames_for(last.config, frames=20))).all()
    with pytest.raises(UsageError, match="at most 3"):
        refuse(frames_for(refuse.config, frames=4))


def test_without_sides_the_visual_tokens_are_the_towers_last_map_through_one_linear() -> None:
    recogniser = tiny_recogniser(tiny_config(sides="none"))
    frames = frames_for(recogniser.config)
    seen: dict[str, Tensor] = {}
    recogniser.fusion.register_forward_pre_hook(lambda _, inputs: seen.update(visual=inputs[0]))
    with torch.no_grad():
        recogniser(frames)
        for i, tracklet in enumerate(frames):
            maps, _ = recogniser.backbone(tracklet, [4])
            expected = recogniser.visual_embed(maps[4]).mean(dim=0)
            assert (seen["visual"][i] - expected).abs().max() < 1e-5


def test_fewer_or_more_than_five_dimensions_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[tracklets, frames, 3, height, width\]"):
        tiny_recogniser()(torch.randn(3, 3, 64, 32))


class TestAggregation:
    """Each kind against its formula."""

    x = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0))

    def test_mean(self) -> None:
        assert torch.equal(Aggregation("mean", count=3, width=6)(self.x), self.x.mean(dim=1))

    def test_mlp_is_one_weight_for_each_and_a_bias(self) -> None:
        mlp = Aggregation("mlp", count=3, width=6)
        expected = sum(mlp.weight[g] * self.x[:, g] for g in range(3)) + mlp.bias
        assert (mlp(self.x) - expected).abs().max() < 1e-6

    def test_gru_is_the_last_hidden_state_of_each_token(self) -> None:
        gru = Aggregation("gru", count=3, width=6)
        w_ih, w_hh, b_ih, b_hh = gru.recurrent.all_weights[0]
        h = torch.zeros(2, 4, 6)
        for g in range(3):
            i_r, i_z, i_n = (self.x[:, g] @ w_ih.T + b_ih).chunk(3, dim=-1)
            h_r, h_z, h_n = (h @ w_hh.T + b_hh).chunk(3, dim=-1)
            z = torch.sigmoid(i_z + h_z)
            h = (1 - z) * torch.tanh(i_n + torch.sigmoid(i_r + h_r) * h_n) + z * h
        assert (gru(self.x) - h).abs().max() < 1e-6

    def test_lstm_is_the_last_hidden_state_of_each_token(self) -> None:
        lstm = Aggregation("lstm", count=3, width=6)
        w_ih, w_hh, b_ih, b_hh = lstm.recurrent.all_weights[0]
        h, c = torch.zeros(2, 4, 6), torch.zeros(2, 4, 6)
        for g in range(3):
            i, f, n, o = (self.x[:, g] @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(n)
            h = torch.sigmoid(o) * torch.tanh(c)
        assert (lstm(self.x) - h).abs().max() < 1e-6


class TestBlock:
    def test_against_torchs_own_encoder_layer(self) -> None:
        block = Block(width=24, heads=4, hidden=32)
        layer = nn.TransformerEncoderLayer(24, 4, 32, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
        names = {"self_attn.in_proj_": "attn.qkv.", "self_attn.out_proj": "attn.proj", "linear1": "mlp.fc1"}
        names |= {"linear2": "mlp.fc2"}
        state = {}
        for name, tensor in layer.state_dict().items():
            ours = name
            for theirs, own in names.items():
                ours = ours.replace(theirs, own)
            state[ours] = tensor
        block.load_state_dict(state, strict=True)
        x = torch.randn(2, 5, 24)
        assert (block(x) - layer(x)).abs().max() < 1e-5

    def test_drop_path_drops_whole_tracklets_and_scales_up_the_rest(self) -> None:
        torch.manual_seed(0)
        block = Block(width=8, heads=2, drop_path=0.5)
        x = torch.randn(64, 3, 8)
        branch = block._drop(x)
        kept = branch.abs().sum(dim=(1, 2)) > 0
        assert 20 < int(kept.sum()) < 44
        assert torch.equal(branch[kept], x[kept] * 2)
        block.eval()
        assert torch.equal(block._drop(x), x)

    def test_activations(self) -> None:
        x = torch.linspace(-4, 4, 101)
        assert (activate(x.clone(), "quickgelu") - x / (1 + torch.exp(-1.702 * x))).abs().max() < 1e-6
        assert (activate(x.clone().requires_grad_(), "quickgelu") - activate(x.clone(), "quickgelu")).abs().max() == 0
        assert (activate(x, "gelu") - x * 0.5 * (1 + torch.erf(x / 2**0.5))).abs().max() < 1e-6
        assert (activate(x, "gelu_tanh") - activate(x, "gelu")).abs().max() < 1e-2


def test_position_tables_keep_what_they_say_when_resized() -> None:
    """A table that is linear in row and column stays linear, away from the border, and the class token's row stays."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    table = torch.cat([torch.full((1, 2), 7.0), torch.stack([rows, columns], dim=-1).reshape(64, 2)])
    assert resize_positions(table, (8, 8), (8, 8)) is table
    wide = resize_positions(table, (8, 8), (8, 16))
    assert wide.shape == (129, 2)
    assert torch.equal(wide[0], table[0])
    inner = wide[1:].reshape(8, 16, 2)[2:6, 4:12]
    expected = (torch.arange(4.0, 12.0) + 0.5) / 2 - 0.5
    assert (inner[..., 0] - torch.arange(2.0, 6.0)[:, None]).abs().max() < 1e-4
    assert (inner[..., 1] - expected).abs().max() < 0.05


@pytest.mark.slow
def test_compiled_is_equal() -> None:
    recogniser = tiny_recogniser()
    frames = frames_for(recogniser.config)
    compiled = torch.compile(recogniser)
    with torch.inference_mode():
        assert (compiled(frames) - recogniser(frames)).abs().max() < 1e-5
