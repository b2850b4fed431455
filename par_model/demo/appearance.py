"""What a person of the street wears and carries: the attributes of the `street` schema, and the paint to show them.

Colours are sRGB triples in [0, 1]. Every named colour is a range of hue, saturation and value, so that two people in
"red" do not wear the same red; the ranges leave gaps, so that no shade belongs to two names.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from par_model.attributes import AttributeSchema

VEST = "vest"
VEST_PAINT = (0.78, 0.95, 0.16)  # fluorescent, between the yellow and the green of cloth
Colour = tuple[float, float, float]
Direction = Literal["left", "right", "toward", "away"]
Gait = Literal["walking", "running", "standing"]

# name: (hue in degrees, saturation, value), each from - to
_CLOTH: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "black": ((0, 360), (0.0, 0.15), (0.07, 0.14)),
    "white": ((0, 360), (0.0, 0.04), (0.93, 1.00)),
    "gray": ((0, 360), (0.0, 0.05), (0.44, 0.56)),
    "red": ((352, 363), (0.80, 0.95), (0.68, 0.86)),
    "orange": ((23, 30), (0.85, 0.98), (0.92, 1.00)),
    "yellow": ((49, 56), (0.72, 0.95), (0.90, 1.00)),
    "green": ((115, 150), (0.55, 0.80), (0.40, 0.62)),
    "blue": ((208, 226), (0.65, 0.88), (0.55, 0.88)),
    "purple": ((274, 294), (0.50, 0.72), (0.48, 0.70)),
    "brown": ((20, 29), (0.55, 0.72), (0.32, 0.42)),
}
_SKIN: tuple[Colour, ...] = (
    (0.96, 0.80, 0.69),
    (0.91, 0.72, 0.58),
    (0.80, 0.60, 0.45),
    (0.62, 0.43, 0.31),
    (0.43, 0.29, 0.21),
)
_HAIR: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06),
    (0.20, 0.13, 0.09),
    (0.36, 0.23, 0.13),
    (0.78, 0.60, 0.34),
    (0.48, 0.20, 0.10),
)
_SHOES: tuple[Colour, ...] = ((0.12, 0.11, 0.11), (0.88, 0.88, 0.88), (0.35, 0.24, 0.17), (0.25, 0.28, 0.36))
_GOODS: tuple[Colour, ...] = (  # hats and bags
    (0.10, 0.10, 0.12),
    (0.62, 0.42, 0.22),
    (0.75, 0.16, 0.18),
    (0.13, 0.27, 0.50),
    (0.93, 0.88, 0.74),
    (0.14, 0.44, 0.36),
    (0.95, 0.68, 0.18),
    (0.78, 0.36, 0.56),
)


@dataclass(frozen=True)
class Appearance:
    """One person's body, clothes and things. ``height_m`` without hat. ``vest``: a warning vest over the top."""

    height_m: float
    build: float
    top_color: str
    bottom_color: str
    short_sleeves: bool
    short_bottoms: bool
    long_hair: bool
    hat: Literal["none", "brim", "cap"]
    backpack: bool
    shoulder_bag: Literal["none", "left", "right"]
    hand_bag: Literal["none", "left", "right"]
    phone: bool
    skin: Colour
    hair: Colour
    top: Colour
    bottom: Colour
    shoes: Colour
    hat_paint: Colour
    backpack_paint: Colour
    shoulder_bag_paint: Colour
    hand_bag_paint: Colour
    vest: bool = False

    def labels(self, schema: AttributeSchema, direction: Direction, gait: Gait) -> list[int]:
        """0 or 1 for each class of the schema, in its order; its groups are some of DRAWN."""
        value_of: dict[str, str | bool] = {
            "top_color": self.top_color,
            "bottom_color": self.bottom_color,
            "short_sleeves": self.short_sleeves,
            "short_bottoms": self.short_bottoms,
            "long_hair": self.long_hair,
            "hat": self.hat != "none",
            "backpack": self.backpack,
            "shoulder_bag": self.shoulder_bag != "none",
            "hand_bag": self.hand_bag != "none",
            "direction": direction,
            "gait": gait,
            VEST: self.vest,
        }
        labels: list[int] = []
        for group in schema.groups:
            value = value_of[group.name]
            labels += [int(value) if group.kind == "binary" else int(c.value == value) for c in group.classes]
        return labels


def draw_appearance(rng: np.random.Generator, schema: AttributeSchema) -> Appearance:
    """A random person. Colour names come from the schema, so all its classes occur equally often."""
    names = {group.name: [c.value for c in group.classes] for group in schema.groups}
    top_color = _pick(rng, names["top_color"])
    bottom_color = _pick(rng, [name for name in names["bottom_color"] if name != top_color or rng.random() < 0.3])
    top, bottom = cloth(rng, top_color), cloth(rng, bottom_color)
    sides: list[Literal["left", "right"]] = ["left", "right"]
    hats: list[Literal["brim", "cap"]] = ["brim", "cap"]
    hair = jitter(rng, _HAIR[rng.integers(len(_HAIR))], 0.03)
    person = Appearance(
        height_m=float(np.clip(rng.normal(1.72, 0.08), 1.52, 1.92)),
        build=float(rng.uniform(0.92, 1.14)),
        top_color=top_color,
        bottom_color=bottom_color,
        short_sleeves=bool(rng.random() < 0.5),
        short_bottoms=bool(rng.random() < 0.45),
        long_hair=bool(rng.random() < 0.5),
        hat=hats[rng.integers(2)] if rng.random() < 0.4 else "none",
        backpack=bool(rng.random() < 0.38),
        shoulder_bag=sides[rng.integers(2)] if rng.random() < 0.36 else "none",
        hand_bag=sides[rng.integers(2)] if rng.random() < 0.38 else "none",
        phone=bool(rng.random() < 0.5),
        skin=jitter(rng, _SKIN[rng.integers(len(_SKIN))], 0.02),
        hair=hair,
        top=top,
        bottom=bottom,
        shoes=jitter(rng, _SHOES[rng.integers(len(_SHOES))], 0.03),
        hat_paint=_contrasting(rng, (hair,)),
        backpack_paint=_contrasting(rng, (top,)),
        shoulder_bag_paint=_contrasting(rng, (top, bottom)),
        hand_bag_paint=_contrasting(rng, (bottom,)),
    )
    if person.backpack and person.shoulder_bag != "none" and rng.random() < 0.6:
        # Both at once is rare on a street; which one stays is a coin's matter, so that neither gets rarer.
        keep_backpack = bool(rng.random() < 0.5)
        person = replace(person, backpack=keep_backpack, shoulder_bag="none" if keep_backpack else person.shoulder_bag)
    return person


def cloth(rng: np.random.Generator, name: str) -> Colour:
    """A random shade of a named colour."""
    hue, saturation, value = (float(rng.uniform(low, high)) for low, high in _CLOTH[name])
    return colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)


def jitter(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """The colour, each channel off by a normal of standard deviation ``amount``."""
    r, g, b = np.clip(np.asarray(colour) + rng.normal(0.0, amount, 3), 0.02, 1.0)
    return float(r), float(g), float(b)


def _contrasting(rng: np.random.Generator, against: tuple[Colour, ...]) -> Colour:
    """A colour for a thing that must stand out from what it is worn on: a clear one, else one of the two clearest."""
    ranked = sorted(_GOODS, key=lambda c: -min(_contrast(c, other) for other in against))
    clear = [c for c in ranked if all(_contrast(c, other) > 0.5 for other in against)]
    options = clear or ranked[:2]
    return jitter(rng, options[rng.integers(len(options))], 0.02)


def _contrast(a: Colour, b: Colour) -> float:
    """Distance in brightness and chroma (ITU-R BT.601), brightness counting double."""
    r, g, blue = np.subtract(a, b)
    y = 0.299 * r + 0.587 * g + 0.114 * blue
    return float(np.sqrt((2 * y) ** 2 + (0.564 * (blue - y)) ** 2 + (0.713 * (r - y)) ** 2))


def _pick(rng: np.random.Generator, options: list[str]) -> str:
    return options[int(rng.integers(len(options)))]
