"""What sampling by cost would save is told beforehand, and what it cannot do is counted by why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from par_model.sampling import Sampling
from par_model.types import Tracklet
from par_model.video.counters import WEIGHED
from par_model.video.options import DecodeOptions
from par_model.video.packet_index import packet_indexes
from par_model.video.stage import DecodeStage
from tests.video.frame_numbers import write_clip

PROOF = 4  # frames that are decoded to prove the index
CHEAP = Sampling("cheap", 6)


def decode(clip: Path, spans: list[range], sampling: Sampling) -> dict[str, int]:
    """The counters of one decoding that knows nothing of the file."""
    packet_indexes._indexes.clear()
    stage = DecodeStage(None, sampling, DecodeOptions(isolate=False))
    list(stage([Tracklet(i, f"t{i}", str(clip), frame_indices=np.asarray(s, np.int32)) for i, s in enumerate(spans)]))
    return stage.counters.numbers()


def test_what_would_be_decoded_is_what_is_decoded(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 300, options={"g": "25", "bf": "0", "sc_threshold": "0"})
    spans = [range(5, 130), range(60, 150), range(140, 290), range(30, 42)]
    uniform, cheap = decode(clip, spans, Sampling("uniform", 6)), decode(clip, spans, CHEAP)
    assert uniform["uniform_frames"] == uniform["frames_decoded"] - PROOF == 168
    assert uniform["cheap_frames"] == cheap["frames_decoded"] - PROOF == cheap["frames_needed"]
    assert 0.1 < uniform["cheap_cost"] / uniform["uniform_cost"] < 0.3
    assert [cheap[name] for name in WEIGHED] == [0, 0, 0, 0]
    assert (cheap["sampled_by_cost"], uniform["sampled_by_cost"]) == (4, 0)


@pytest.mark.parametrize("name", ["clip.avi", "short.mp4"])
def test_nothing_is_weighed_where_that_is_not_at_hand_or_takes_as_long(name: str, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / name, 120, options={"g": "25", "bf": "0"})
    spans = [range(5, 115)] if name == "clip.avi" else [range(5, 100)]
    counted = decode(clip, spans, Sampling("uniform", 6))
    assert [counted[name] for name in WEIGHED] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("name", "options", "spans", "why"),
    [
        ("clip.avi", {"g": "25", "bf": "0"}, [range(10, 90), range(20, 80)], {"uniform_without_index": 2}),
        ("clip.mp4", {"g": "25", "bf": "0"}, [range(10, 90), range(20, 130)], {"uniform_beyond_index": 1}),
        ("clip.mp4", {"g": "25", "bf": "0", "intra-refresh": "1"}, [range(30, 90)], {"uniform_unproven": 1}),
    ],
)
def test_why_tracklets_are_not_sampled_by_cost(
    name: str, options: dict[str, str], spans: list[range], why: dict[str, int], tmp_path: Path
) -> None:
    counted = decode(write_clip(tmp_path / name, 120, options=options), spans, CHEAP)
    assert {name: counted[name] for name in counted if name.startswith("uniform_") and counted[name]} == why
    assert counted["sampled_by_cost"] == len(spans) - sum(why.values())
