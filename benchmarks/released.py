"""VTFPAR++ run the way its released code runs it, from the released tensors under their released names.

The reference of tests and benchmarks: plain functions over a state dict, one step after the other, nothing shared with
par_model. It computes what the released code computes and what that code wastes: the text tower at every call, the
image tower's last block, streams and tracklets one by one, a Linear for each class. On a GPU the released code holds
CLIP in half precision, as ``half_precision`` makes it, and all else in float32.

Dimension letters: B tracklets, T frames, H and W pixels, S streams, N tokens, D width, C classes, A things to
aggregate (frames or streams).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]
MAPS = {
    0: {0: 0, 1: 1, 2: 2, 3: 3, 4: 4},
    1: {7: 0, 8: 1, 9: 2, 10: 3, 11: 4},
    2: {0: 0, 3: 1, 6: 2, 9: 3, 11: 4},
    3: {3: 1, 6: 2, 9: 3, 11: 4},
    4: {6: 2, 9: 3, 11: 4},
    5: {9: 3, 11: 4},
    6: {11: 4},
    7: {0: 0, 1: 1, 2: 2, 4: 3, 6: 4, 8: 5, 10: 6, 11: 7},
}
SIDE_HEADS = {144: 6, 240: 6, 336: 6, 432: 6, 256: 8, 512: 8, 768: 8}


def half_precision(clip: State) -> dict[str, Tensor]:
    """Both CLIP towers as CLIP's loader leaves them on a GPU: all in float16 but the LayerNorms.

    Embeddings, which that loader leaves in float32, are cast to float16 wherever they are used, so they are here.
    """
    return {name: t if ".ln_" in f".{name}" or not t.is_floating_point() else t.half() for name, t in clip.items()}


def layer_norm(x: Tensor, state: State, name: str, eps: float) -> Tensor:
    """A float16 input is normalised in float32 and cast back, as CLIP's own LayerNorm does."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.layer_norm(x.to(weight.dtype), x.shape[-1:], weight, bias, eps).to(x.dtype)


def channel_norm(map_MND: Tensor, state: State, name: str) -> Tensor:
    """The spatial net's: its statistics are those of the map's own dtype, and the affine step gives float32."""
    normed = F.layer_norm(map_MND, map_MND.shape[-1:], eps=1e-6)
    return normed * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x: Tensor, state: State, name: str) -> Tensor:
    return F.linear(x, state[f"{name}.weight"].flatten(1), state[f"{name}.bias"])


def attention(qkv: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in qkv.chunk(3, dim=-1))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def clip_block(x: Tensor, state: State, name: str, heads: int, mask: Tensor | None = None) -> Tensor:
    y = layer_norm(x, state, f"{name}.ln_1", 1e-5)
    qkv = F.linear(y, state[f"{name}.attn.in_proj_weight"], state[f"{name}.attn.in_proj_bias"])
    x = x + linear(attention(qkv, heads, mask), state, f"{name}.attn.out_proj")
    y = linear(layer_norm(x, state, f"{name}.ln_2", 1e-5), state, f"{name}.mlp.c_fc")
    return x + linear(y * torch.sigmoid(1.702 * y), state, f"{name}.mlp.c_proj")


def side_block(x: Tensor, state: State, name: str) -> Tensor:
    y = linear(layer_norm(x, state, f"{name}.norm1", 1e-6), state, f"{name}.attn.qkv")
    x = x + linear(attention(y, SIDE_HEADS[x.shape[-1]]), state, f"{name}.attn.proj")
    y = linear(layer_norm(x, state, f"{name}.norm2", 1e-6), state, f"{name}.mlp.fc1")
    return x + linear(F.gelu(y), state, f"{name}.mlp.fc2")


def count_blocks(state: State, prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})


def text_features(clip: State, tokens: Tensor) -> Tensor:
    """Token ids [C, 77], zero padded, to [C, text embedding]."""
    x = clip["token_embedding.weight"][tokens] + clip["positional_embedding"]
    mask = torch.full((x.shape[1], x.shape[1]), float("-inf"), dtype=x.dtype, device=x.device).triu(1)
    for i in range(count_blocks(clip, "transformer.resblocks.")):
        x = clip_block(x, clip, f"transformer.resblocks.{i}", max(1, x.shape[-1] // 64), mask)
    x = layer_norm(x, clip, "ln_final", 1e-5)
    return x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)] @ clip["text_projection"]


def image_maps(clip: State, images: Tensor, blocks: int | None = None) -> list[Tensor]:
    """Every feature map [(B T), N, D] of the image tower, class token first: 0 before the blocks, k after block k.

    blocks: how many of them run; all, unless told.
    """
    weight = clip["visual.conv1.weight"]
    x = F.conv2d(images.to(weight.dtype), weight, stride=weight.shape[-1]).flatten(2).transpose(1, 2)
    x = torch.cat([clip["visual.class_embedding"].expand(len(x), 1, -1), x], dim=1)
    x = layer_norm(x + clip["visual.positional_embedding"], clip, "visual.ln_pre", 1e-5)
    maps = [x]
    for i in range(count_blocks(clip, "visual.transformer.resblocks.") if blocks is None else blocks):
        maps.append(clip_block(maps[-1], clip, f"visual.transformer.resblocks.{i}", max(1, x.shape[-1] // 64)))
    return maps


def spatial_net(par: State, images: Tensor, maps: list[Tensor], pairs: Mapping[int, int]) -> Tensor:
    side, vit = "spatial_sidenet", "spatial_sidenet.vit_model"
    sources = {target: source for source, target in pairs.items()}
    weight = par[f"{vit}.patch_embed.proj.weight"]
    x = F.conv2d(images, weight, par[f"{vit}.patch_embed.proj.bias"], stride=weight.shape[-1])
    x = torch.cat([par[f"{side}.cls_embed"].expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], dim=1)
    positions = torch.cat([par[f"{side}.cls_pos_embed"], par[f"{vit}.pos_embed"]], dim=1)
    x = x + positions
    for i in range(8):
        x = side_block(x, par, f"{vit}.blocks.{i - 1}") if i else x
        if i in sources:
            y = channel_norm(maps[sources[i]][:, 1:], par, f"{side}.fusion_layers.layer_{i}.input_proj.0")
            y = linear(y, par, f"{side}.fusion_layers.layer_{i}.input_proj.1")
            x = torch.cat([x[:, :1], x[:, 1:] + y], dim=1)
        if 0 < i < 7:
            x = x + positions
    return x


def temporal_net(par: State, maps_BTND: list[Tensor]) -> Tensor:
    """One stream of one tracklet after the other: [S, B, N, D]."""
    side, vit = "crossframe_sidenet", "crossframe_sidenet.vit_model"
    positions = torch.cat([par[f"{side}.cls_pos_embed"], par[f"{vit}.pos_embed"]], dim=1)
    streams = []
    for s, map_BTND in enumerate(maps_BTND):
        tracklets = []
        for frames in map_BTND.to(positions.dtype):
            x = linear(frames[None, 0, 1:], par, f"{side}.frist_linear")
            x = side_block(torch.cat([par[f"{side}.cls_embed"], x], dim=1) + positions, par, f"{vit}.blocks.0")
            for f in range(1, len(frames)):
                x = side_block(x, par, f"{vit}.blocks.{f}")
                y = layer_norm(frames[None, f, 1:], par, f"{side}.fusion_layers.layer_{s}.ln", 1e-5)
                y = linear(y, par, f"{side}.fusion_layers.layer_{s}.input_proj")
                x = torch.cat([x[:, :1], x[:, 1:] + y], dim=1)
            tracklets.append(x[0])
        streams.append(torch.stack(tracklets))
    return torch.stack(streams)


def aggregate(x_BAND: Tensor, par: State, name: str) -> Tensor:
    if f"{name}.weight" not in par:
        return torch.stack([x_AND.mean(dim=0) for x_AND in x_BAND])
    weight, bias = par[f"{name}.weight"], par[f"{name}.bias"]
    return torch.stack([F.conv1d(x_AND.flatten(1), weight[:, :, :], bias).view(x_AND[0].shape) for x_AND in x_BAND])


def forward(
    clip: State,
    par: State,
    frames: Tensor,
    tokens: Tensor,
    *,
    spatial_map: Mapping[int, int] | None = None,
    temporal_map: Mapping[int, int] | None = None,
    training: bool = False,
    text: Tensor | None = None,
    blocks: int | None = None,
) -> dict[str, Tensor]:
    """Frames [B, T, 3, H, W] to ``logits`` [B, C] and what lies before them. A map that is None: that side is off.

    training: BatchNorm by the batch's own statistics; drop-path is not simulated.
    text, blocks: two things that the released code does not do, for benchmarks that tell what each of them costs: text
    features computed before, and an image tower that ends after so many blocks.
    """
    B, T = frames.shape[:2]
    images = frames.flatten(0, 1)
    maps = image_maps(clip, images, blocks)
    found: dict[str, Tensor] = {"text_features": text_features(clip, tokens) if text is None else text}
    visual = []
    if spatial_map is not None:
        found["spatial_out"] = spatial_net(par, images, maps, spatial_map)
        found["spatial_agg"] = aggregate(found["spatial_out"].unflatten(0, (B, T)), par, "spatial_feat_aggregation")
        visual.append(found["spatial_agg"])
    if temporal_map is not None:
        found["temporal_out"] = temporal_net(par, [maps[source].unflatten(0, (B, T)) for source in temporal_map])
        found["temporal_agg"] = aggregate(found["temporal_out"].transpose(0, 1), par, "temporal_feat_aggregation")
        visual.append(found["temporal_agg"])
    found["word_embed"] = linear(found["text_features"].to(images.dtype), par, "word_embed")
    found["fusion_in"] = torch.cat([found["word_embed"].expand(B, -1, -1), sum(visual[1:], visual[0])], dim=1)
    found["fusion_block_out"] = side_block(found["fusion_in"], par, "blocks.7")
    found["fused_tokens"] = layer_norm(found["fusion_block_out"], par, "norm", 1e-6)
    scalars = [linear(found["fused_tokens"][:, a], par, f"weight_layer.{a}") for a in range(len(tokens))]
    found["pre_bn"] = torch.cat(scalars, dim=1)
    mean, var = (None, None) if training else (par["bn.running_mean"], par["bn.running_var"])
    found["logits"] = F.batch_norm(found["pre_bn"], mean, var, par["bn.weight"], par["bn.bias"], training, eps=1e-5)
    return found
