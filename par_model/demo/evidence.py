"""In which frames an attribute can be seen at all, from the renderer's own part masks.

A frame shows evidence for a class when enough pixels of the body region that decides it are visible: not hidden by
another person, by a thing, by the person's own body or by the picture's edge. "Enough" is a share of the person's whole
silhouette (as drawn, before anything hides it), and at least MIN_PIXELS:

    top_color       top and sleeves 5 %; under a vest: sleeves       2 %
    bottom_color    trousers or shorts, lower legs if covered       5 %
    short_sleeves   forearms, bare or covered                       1 %
    short_bottoms   lower legs, bare or covered                     2 %
    long_hair       half of the head with its hair, and hair or face 1 %
    hat             half of the head with its hat
    backpack        with: pack or straps 1.5 %; without: half of the trunk
    shoulder_bag    with: bag or strap 1.5 %; without: half of the trunk
    hand_bag        with: bag 1.5 %; without: half of hands and upper legs, and a hand
    direction       40 % of the silhouette
    gait            half of the legs, and 30 % of the silhouette
    vest            trunk 5 %; no group of the `street` schema, for streets that shall show more than it knows

"Half" is of the region's own pixels in this pose. All classes of an exclusive group share their group's evidence.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from par_model.attributes import AttributeSchema
from par_model.demo.appearance import VEST, Appearance
from par_model.demo.body import Part

MIN_PIXELS = 5

_HEAD = (Part.FACE, Part.EYES, Part.HAIR, Part.HAT)
_TRUNK = (Part.TOP, Part.BACKPACK, Part.BACKPACK_TRIM, Part.BACKPACK_STRAP, Part.SHOULDER_STRAP)
_LEGS = (Part.BOTTOM, Part.SHIN, Part.SHOE)
_BACKPACK = (Part.BACKPACK, Part.BACKPACK_TRIM, Part.BACKPACK_STRAP)
_SHOULDER_BAG = (Part.SHOULDER_BAG, Part.SHOULDER_BAG_TRIM, Part.SHOULDER_STRAP)
_HAND_BAG = (Part.HAND_BAG, Part.HAND_BAG_TRIM)

Counts = NDArray[np.int64]


def evidence(who: Appearance, visible: Counts, drawn: Counts) -> dict[str, bool]:
    """For each group of the `street` schema, and for `vest`, whether this frame shows what decides it.

    visible, drawn: pixels of each Part [NUM_PARTS], seen in the picture and drawn in all.
    """
    whole = int(drawn[1:].sum())

    def shows(parts: tuple[Part, ...], share: float) -> bool:
        return int(visible[list(parts)].sum()) >= max(MIN_PIXELS, share * whole)

    def half(parts: tuple[Part, ...]) -> bool:
        region = list(parts)
        return 2 * int(visible[region].sum()) >= int(drawn[region].sum()) > 0

    seen_share = float(visible[1:].sum()) / max(1, whole)
    bottom = (Part.BOTTOM,) if who.short_bottoms else (Part.BOTTOM, Part.SHIN)
    return {
        "top_color": shows((Part.SLEEVE,), 0.02) if who.vest else shows((Part.TOP, Part.SLEEVE), 0.05),
        "bottom_color": shows(bottom, 0.05),
        "short_sleeves": shows((Part.FOREARM,), 0.01),
        "short_bottoms": shows((Part.SHIN,), 0.02),
        "long_hair": half(_HEAD) and shows((Part.HAIR, Part.FACE), 0.01),
        "hat": half(_HEAD),
        "backpack": shows(_BACKPACK, 0.015) if who.backpack else half(_TRUNK),
        "shoulder_bag": shows(_SHOULDER_BAG, 0.015) if who.shoulder_bag != "none" else half(_TRUNK),
        "hand_bag": shows(_HAND_BAG, 0.015)
        if who.hand_bag != "none"
        else half((Part.HAND, Part.BOTTOM)) and int(visible[Part.HAND]) > 0,
        "direction": seen_share >= 0.4,
        "gait": half(_LEGS) and seen_share >= 0.3,
        VEST: shows((Part.TOP,), 0.05),
    }


def per_class(schema: AttributeSchema, shown: dict[str, bool]) -> NDArray[np.int32]:
    """One 0 or 1 for each class of the schema."""
    return np.array([int(shown[group.name]) for group in schema.groups for _ in group.classes], np.int32)
