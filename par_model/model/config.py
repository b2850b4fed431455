"""The numbers that describe a recogniser: enough, with the tensors, to build it again. JSON-able, no torch.

Two dataclasses: the image tower's numbers, and the recogniser's around it. Both are kept under ``config`` in a weights
file and checked when they are made, so that a network is never built from numbers that contradict each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from par_model.documents import STRICT, DocumentError, read_document
from par_model.errors import ParError, UsageError

Activation = Literal["quickgelu", "gelu", "gelu_tanh", "silu"]
Pool = Literal["token", "mean"]
Sides = Literal["both", "spatial", "temporal", "none"]
Aggregate = Literal["mean", "mlp", "lstm", "gru"]
BeyondDepth = Literal["refuse", "last"]
InteractionMap = tuple[tuple[int, int], ...]

# The numbered maps of the released code, "i -> j": feature map i of the image tower feeds side position j.
INTERACTION_MAPS: tuple[InteractionMap, ...] = (
    ((0, 0), (1, 1), (2, 2), (3, 3), (4, 4)),
    ((7, 0), (8, 1), (9, 2), (10, 3), (11, 4)),
    ((0, 0), (3, 1), (6, 2), (9, 3), (11, 4)),
    ((3, 1), (6, 2), (9, 3), (11, 4)),
    ((6, 2), (9, 3), (11, 4)),
    ((9, 3), (11, 4)),
    ((11, 4),),
    ((0, 0), (1, 1), (2, 2), (4, 3), (6, 4), (8, 5), (10, 6), (11, 7)),
)
DEFAULT_MAP = 2
MAP_LAYERS = 12  # the depth of the tower that the numbered maps were written for

_SIX_HEADS = (144, 240, 336, 432)  # the released code's side widths with six heads; its others have eight


@dataclass(frozen=True)
class BackboneConfig:
    """A CLIP image tower: a ViT with a class token.

    name: what it was made from, for people. Sizes are in pixels, ``mlp_width`` and ``width`` in channels.
    activation: OpenAI's weights want quickgelu, v * sigmoid(1.702 v); most others gelu.
    pool: whether the embedding is the class token's (``token``) or the patches' mean; ``norm_after_pool`` says on
    which side of the last LayerNorm.
    embed_dim: width of the image embedding and of the text features.

    Raises UsageError if the image is not a whole number of patches, or a number makes no network.
    """

    __pydantic_config__ = STRICT
    name: str
    image_height: int
    image_width: int
    patch: int
    width: int
    layers: int
    heads: int
    mlp_width: int
    embed_dim: int
    activation: Activation = "gelu"
    norm_eps: float = 1e-5
    pre_norm: bool = True
    pool: Pool = "token"
    norm_after_pool: bool = False

    def __post_init__(self) -> None:
        for field in ("patch", "width", "layers", "heads", "mlp_width", "embed_dim"):
            _at_least_one(f"backbone {field}", getattr(self, field))
        _one_of("activation", self.activation, Activation)
        _one_of("pool", self.pool, Pool)
        for side, pixels in (("height", self.image_height), ("width", self.image_width)):
            if pixels < self.patch or pixels % self.patch:
                nearest = max(self.patch, round(pixels / self.patch) * self.patch)
                raise UsageError(
                    f"image {side} {pixels} is not a multiple of the backbone's patch size {self.patch}: try {nearest}"
                )
        if self.width % self.heads:
            raise UsageError(f"backbone width {self.width} is not a multiple of its {self.heads} heads")

    @property
    def grid(self) -> tuple[int, int]:
        """Patches down and across."""
        return self.image_height // self.patch, self.image_width // self.patch

    @property
    def num_patches(self) -> int:
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True)
class RecogniserConfig:
    """VTFPAR++ around an image tower.

    num_classes: classes of the schema, each with one text token and one logit.
    frames: T, the frames a tracklet by default. With ``mlp`` spatial aggregation it is the only T that fits.
    sides: which side networks exist; with ``none`` the tower's own patch tokens go through one Linear (the baseline).
    spatial_map, temporal_map: pairs (feature map of the tower, side position). Feature map 0 is the tower's input after
    its first norm, k the output of block k. The temporal net reads the order of the pairs only.
    spatial_aggregation: how frames become one; temporal_aggregation: how the temporal net's streams become one.
    depth: positions of the spatial net, which runs depth - 1 blocks.
    temporal_depth: blocks of the temporal net that exist; frame f runs through block f.
    beyond_depth: what happens to frames that have no block: ``refuse``, the released rule, makes T at most
    ``temporal_depth``; ``last`` sends every further frame through the last block again, so that the net becomes
    recurrent there and T has no limit. Up to ``temporal_depth`` frames, the two give the same numbers.
    drop_path: chance that training skips a branch of the fusion block, for one tracklet.
    zero_shot: whether the tower is that of a contrastively pre-trained CLIP, so that its embeddings can be compared
    with texts; what that takes, beside the text features, is kept then.

    Raises UsageError on values that make no network.
    """

    __pydantic_config__ = STRICT
    backbone: BackboneConfig
    num_classes: int
    frames: int = 6
    sides: Sides = "both"
    spatial_map: InteractionMap = INTERACTION_MAPS[DEFAULT_MAP]
    temporal_map: InteractionMap = INTERACTION_MAPS[DEFAULT_MAP]
    spatial_aggregation: Aggregate = "mean"
    temporal_aggregation: Aggregate = "mean"
    spatial_width: int = 240
    temporal_width: int = 240
    fusion_width: int = 240
    depth: int = 8
    temporal_depth: int = 8
    beyond_depth: BeyondDepth = "refuse"
    drop_path: float = 0.1
    zero_shot: bool = False

    def __post_init__(self) -> None:
        for field in ("num_classes", "frames", "temporal_depth"):
            _at_least_one(field.replace("_", " "), getattr(self, field))
        _one_of("sides", self.sides, Sides)
        _one_of("spatial aggregation", self.spatial_aggregation, Aggregate)
        _one_of("temporal aggregation", self.temporal_aggregation, Aggregate)
        _one_of("frames beyond the depth", self.beyond_depth, BeyondDepth)
        if not 0.0 <= self.drop_path < 1.0:
            raise UsageError(f"drop path {self.drop_path} is not a chance from 0 to below 1")
        if self.depth < 2:
            raise UsageError(f"depth {self.depth} is too small: the spatial network needs at least 2 positions")
        for width in (self.spatial_width, self.temporal_width, self.fusion_width):
            side_heads(width)
        self._check_map("spatial map", self.spatial_map)
        self._check_map("temporal map", self.temporal_map)
        targets = [target for _, target in self.spatial_map]
        if len(set(targets)) < len(targets):
            raise UsageError(f"spatial map {format_map(self.spatial_map)} feeds one side position twice")
        if self.has_temporal:
            self.check_frames(self.frames)

    def _check_map(self, name: str, pairs: InteractionMap) -> None:
        if not pairs:
            raise UsageError(f"{name} is empty: give at least one pair, such as 0:0")
        for source, target in pairs:
            if not 0 <= source <= self.backbone.layers:
                raise UsageError(
                    f"{name} {format_map(pairs)} reads feature map {source}, but backbone {self.backbone.name} has "
                    f"feature maps 0 to {self.backbone.layers}: give pairs that fit"
                )
            if not 0 <= target < self.depth:
                raise UsageError(
                    f"{name} {format_map(pairs)} feeds side position {target}, but positions are 0 to {self.depth - 1}"
                )

    @property
    def has_spatial(self) -> bool:
        return self.sides in ("both", "spatial")

    @property
    def has_temporal(self) -> bool:
        return self.sides in ("both", "temporal")

    @property
    def layers_read(self) -> tuple[int, ...]:
        """The tower's feature maps that the recogniser reads, ascending. The tower runs as far as the last."""
        used: set[int] = set()
        if self.has_spatial:
            used |= {source for source, _ in self.spatial_map}
        if self.has_temporal:
            used |= {source for source, _ in self.temporal_map}
        return tuple(sorted(used or {self.backbone.layers}))

    @property
    def fuses_later_frames(self) -> bool:
        """Whether the temporal net has projections for frames after the first, which one-frame networks never run."""
        return self.temporal_depth > 1

    @property
    def exact_frames(self) -> int | None:
        """The only T that fits, where spatial aggregation has one learned weight a frame; else None."""
        return self.frames if self.has_spatial and self.spatial_aggregation == "mlp" else None

    @property
    def max_frames(self) -> int | None:
        """The largest T that the network takes, or None where nothing limits it."""
        if self.exact_frames is not None:
            return self.exact_frames
        if not self.has_temporal or (self.beyond_depth == "last" and self.fuses_later_frames):
            return None
        return self.temporal_depth

    def check_frames(self, k: int) -> None:
        """Raises UsageError, naming the limit, if the network cannot take k frames a tracklet."""
        if k < 1:
            raise UsageError(f"{k} frames a tracklet: give at least 1")
        if self.exact_frames is not None and k != self.exact_frames:
            raise UsageError(
                f"{k} frames a tracklet, but these weights take exactly {self.exact_frames}: their spatial "
                "aggregation 'mlp' has one weight a frame"
            )
        if self.max_frames is not None and k > self.max_frames:
            raise UsageError(
                f"{k} frames a tracklet, but these weights take at most {self.max_frames}, one for each block of their "
                f"temporal network: give --frames {self.max_frames} or fewer, or weights made with "
                "--beyond-depth last"
            )

    def to_dict(self) -> dict[str, Any]:
        """As kept under ``config`` in a weights file."""
        return asdict(self) | {
            "spatial_map": [list(pair) for pair in self.spatial_map],
            "temporal_map": [list(pair) for pair in self.temporal_map],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RecogniserConfig:
        """The inverse of ``to_dict``. Raises ValueError on anything else."""
        try:
            return read_document(cls, values)
        except DocumentError as error:
            newer = ": the weights may come from a newer version" if error.is_unknown_key else ""
            raise ValueError(f"{error}{newer}") from error
        except ParError as error:
            raise ValueError(str(error)) from error


def side_heads(width: int) -> int:
    """Attention heads of a side or fusion block: the released table (6 for 144, 240, 336, 432; 8 for 256, 512, 768),
    continued as 8 where 8 divides the width, else 6. Raises UsageError if neither does."""
    if width in _SIX_HEADS:
        return 6
    for heads in (8, 6):
        if width >= heads and width % heads == 0:
            return heads
    raise UsageError(f"width {width} divides into neither 8 nor 6 attention heads: try {max(8, round(width / 8) * 8)}")


def parse_map(text: str) -> InteractionMap:
    """An interaction map from ``0`` to ``7`` or from pairs such as ``0:0,3:1``. Raises UsageError."""
    stripped = text.strip()
    if stripped.isdecimal():
        if int(stripped) >= len(INTERACTION_MAPS):
            raise UsageError(f"interaction map {stripped}: maps are numbered 0 to {len(INTERACTION_MAPS) - 1}")
        return INTERACTION_MAPS[int(stripped)]
    try:
        pairs = [pair.split(":") for pair in stripped.split(",")]
        return tuple((int(source), int(target)) for source, target in pairs)
    except ValueError as error:
        raise UsageError(f"interaction map {text!r}: give a number from 0 to 7, or pairs such as 0:0,3:1") from error


def format_map(pairs: InteractionMap) -> str:
    """A map as ``parse_map`` reads it: its number if it has one, else its pairs."""
    if pairs in INTERACTION_MAPS:
        return str(INTERACTION_MAPS.index(pairs))
    return ",".join(f"{source}:{target}" for source, target in pairs)


def default_map(layers: int) -> InteractionMap:
    """Map 2 with its sources scaled from 12 blocks to ``layers``; itself at 12."""
    return tuple((round(source * layers / MAP_LAYERS), target) for source, target in INTERACTION_MAPS[DEFAULT_MAP])


def _at_least_one(name: str, value: int) -> None:
    if value < 1:
        raise UsageError(f"{name} is {value}: give at least 1")


def _one_of(name: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise UsageError(f"{name} {value!r} is not one of {', '.join(get_args(choices))}")
