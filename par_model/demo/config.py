"""How large and how hard a rendered street is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from par_model.errors import UsageError
from par_model.options import check_options, option


@dataclass(frozen=True)
class Difficulty:
    """What makes people hard to recognise. The defaults are the demo's floor, which a test measures on its pixels.

    exposure_s: motion blur is what moves during it. lens_blur_px: radius of the lens' Gaussian blur.
    noise: standard deviation of the sensor's noise, in levels of 255. crf: x264's; higher is coarser.
    group_share: share of people who come in twos and threes, who hide each other.
    """

    exposure_s: float = 0.02
    lens_blur_px: float = 0.55
    noise: float = 3.5
    crf: int = 23
    group_share: float = 0.5


@dataclass(frozen=True)
class StreetConfig:
    """What to render. Equal configurations give equal pixels, tracks and labels.

    cameras: how many; the first four are the market (crowded), the crossing, the avenue and the evening corner.
    first_camera: number of the first one, so that an archive can show other scenes than the demo does.
    tint: red, green and blue of the light, which multiply those of each scene's own.
    vest_share: share of people who wear a warning vest, which is no attribute of the `street` schema.
    people_per_minute: new people a minute and camera, before the scene's own factor.
    splits: shares of people in train, val and test; a person is in one of them, on all their tracklets.
    min_height_px: smaller people are in the picture, but not in the tracks. Raises UsageError on values out of range.
    """

    seed: int = option(
        0,
        "Seed of the street that is rendered; another seed gives another day.",
        at_least=0,
        show_bounds=True,
    )
    cameras: int = 4
    first_camera: int = 0
    seconds: float = 60.0
    fps: float = 12
    width: int = 640
    height: int = 360
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vest_share: float = 0.0
    people_per_minute: float = 22.0
    stop_share: float = 0.22
    run_share: float = 0.24
    splits: tuple[float, float, float] = (0.6, 0.15, 0.25)
    min_height_px: float = 46.0
    min_boxes: int = 6
    start: datetime = datetime(2024, 5, 14, tzinfo=UTC)
    difficulty: Difficulty = Difficulty()

    def __post_init__(self) -> None:
        check_options(self)
        checks: list[tuple[str, object, bool, str]] = [
            ("cameras", self.cameras, self.cameras >= 1, "at least 1"),
            ("first_camera", self.first_camera, self.first_camera >= 0, "0 or more"),
            ("seconds", self.seconds, 0 < self.seconds <= 86400, "above 0 and at most a day"),
            ("fps", self.fps, 0.1 <= self.fps <= 60, "from 0.1 to 60"),
            ("width", self.width, self.width >= 64 and self.width % 2 == 0, "an even number from 64"),
            ("height", self.height, self.height >= 64 and self.height % 2 == 0, "an even number from 64"),
            ("tint", self.tint, min(self.tint) > 0 and max(self.tint) <= 2, "three numbers above 0 and at most 2"),
            ("vest_share", self.vest_share, 0 <= self.vest_share <= 1, "from 0 to 1"),
            ("people_per_minute", self.people_per_minute, self.people_per_minute > 0, "above 0"),
            ("stop_share", self.stop_share, 0 <= self.stop_share <= 1, "from 0 to 1"),
            ("run_share", self.run_share, 0 <= self.run_share <= 1, "from 0 to 1"),
            ("splits", self.splits, min(self.splits) >= 0 and abs(sum(self.splits) - 1) < 1e-6, "shares that sum to 1"),
            ("min_boxes", self.min_boxes, self.min_boxes >= 1, "at least 1"),
        ]
        for name, value, good, limit in checks:
            if not good:
                raise UsageError(f"street configuration: {name} is {value!r}, expected {limit}")

    @property
    def num_frames(self) -> int:
        """Frames of each camera's video."""
        return max(1, round(self.seconds * self.fps))
