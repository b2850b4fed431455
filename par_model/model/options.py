"""What a user may choose of a new recogniser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from par_model.model.config import (
    Aggregate,
    BeyondDepth,
    InteractionMap,
    RecogniserConfig,
    Sides,
    default_map,
    parse_map,
)
from par_model.options import check_options, option

if TYPE_CHECKING:
    from par_model.model.backbone import Clip

MAP_HELP = (
    "Which layers the side network reads: 0 to 7 as in the paper's code, or pairs FEATURE_MAP:POSITION such as 0:0,3:1."
)
_WIDTH, _LEAST_WIDTH = 240, 6
_OF_BACKBONE = "2, scaled to the backbone's depth"


@dataclass(frozen=True)
class ModelOptions:
    """The fields are those of RecogniserConfig. Raises UsageError.

    A map that is None is map 2, its feature maps scaled to the backbone's depth.
    """

    frames: int = option(
        6,
        "How many frames of a tracklet the network sees, unless infer says otherwise.",
        at_least=1,
        show_bounds=True,
    )
    beyond_depth: BeyondDepth = option(
        "refuse",
        "What happens to frames beyond the temporal network's 8 blocks, since frame f runs through block f: 'refuse' "
        "them, or send each through the 'last' block again.",
    )
    sides: Sides = option("both", "Which side networks there are.")
    spatial_map: InteractionMap | None = option(None, MAP_HELP, metavar="MAP", otherwise=_OF_BACKBONE, parse=parse_map)
    temporal_map: InteractionMap | None = option(None, MAP_HELP, metavar="MAP", otherwise=_OF_BACKBONE, parse=parse_map)
    spatial_aggregation: Aggregate = option("mean", "How the spatial network makes one vector of a tracklet's frames.")
    temporal_aggregation: Aggregate = option("mean", "How the temporal network makes one vector of its streams.")
    spatial_width: int = option(
        _WIDTH, "Number of channels of the spatial network.", at_least=_LEAST_WIDTH, show_bounds=True
    )
    temporal_width: int = option(
        _WIDTH, "Number of channels of the temporal network.", at_least=_LEAST_WIDTH, show_bounds=True
    )
    fusion_width: int = option(
        _WIDTH, "Number of channels of the fusion block.", at_least=_LEAST_WIDTH, show_bounds=True
    )
    depth: int = 8

    def __post_init__(self) -> None:
        check_options(self)

    def config(self, clip: Clip, num_classes: int) -> RecogniserConfig:
        """The numbers of a network on this CLIP. Raises UsageError.

        All ``depth`` temporal blocks exist, so that ``infer`` may take more frames than T; ``Recogniser.tune`` leaves
        out those that training does not run.
        """
        layers = clip.config.layers
        return RecogniserConfig(
            backbone=clip.config,
            num_classes=num_classes,
            frames=self.frames,
            sides=self.sides,
            spatial_map=self.spatial_map or default_map(layers),
            temporal_map=self.temporal_map or default_map(layers),
            spatial_aggregation=self.spatial_aggregation,
            temporal_aggregation=self.temporal_aggregation,
            spatial_width=self.spatial_width,
            temporal_width=self.temporal_width,
            fusion_width=self.fusion_width,
            depth=self.depth,
            temporal_depth=self.depth,
            beyond_depth=self.beyond_depth,
            zero_shot=clip.pretrained is not None,
        )
