"""What the stages did over a whole run: rates, busy shares, and which of them held the job back."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

_COUNTED = ("frames_decoded", "frames_needed", "videos_opened", "seeks_refuted", "bytes_read")
# A stage that was busy for less than this share did not hold the job back.
_BUSY = 0.6


@dataclass
class TotalWork:
    """Sums of the numbers that ride in tables of outcomes. Make it when the stages start.

    startup_seconds: from then to the first outcome, less the work that this outcome took.
    """

    decode_seconds: float = 0.0
    model_seconds: float = 0.0
    frames_decoded: int = 0
    frames_needed: int = 0
    videos_opened: int = 0
    seeks_refuted: int = 0
    bytes_read: int = 0
    decode_workers: set[int] = field(default_factory=set)
    model_workers: set[int] = field(default_factory=set)
    several_tracks: set[int] = field(default_factory=set)
    startup_seconds: float | None = None
    _started: float = field(default_factory=time.perf_counter, compare=False)

    def add(self, table: pa.Table) -> None:
        """Add the numbers that ride in a table of outcomes."""
        for name in ("decode_seconds", "model_seconds", *_COUNTED):
            setattr(self, name, getattr(self, name) + table[name].to_numpy().sum().item())
        self.decode_workers |= set(table["decode_worker"].unique().to_pylist()) - {0}
        self.model_workers |= set(table["model_worker"].unique().to_pylist()) - {0}
        self.several_tracks |= set(pc.list_flatten(table["several_tracks"]).to_pylist())
        if self.startup_seconds is None:
            passed = time.perf_counter() - self._started
            self.startup_seconds = max(0.0, passed - self.decode_seconds - self.model_seconds)

    def rates(self, tracklets: int, seconds: float) -> dict[str, Any]:
        """Rates and busy shares, for ``run.json``. seconds: from the start to the last outcome."""
        startup = self.startup_seconds or 0.0
        working = max(0.0, seconds - startup)
        decode = _stage(tracklets, self.decode_seconds, len(self.decode_workers), working)
        model = _stage(tracklets, self.model_seconds, len(self.model_workers), working)
        return {
            "tracklets": tracklets,
            "startup_seconds": round(startup, 3),
            "tracklets_per_second": round(tracklets / working, 3) if working and tracklets else None,
            "decode": decode
            | {name: getattr(self, name) for name in _COUNTED}
            | {"videos_with_several_tracks": len(self.several_tracks)},
            "model": model,
            "held_back_by": _held_back_by(decode["busy_share"], model["busy_share"]),
        }


def _stage(tracklets: int, busy: float, workers: int, working: float) -> dict[str, Any]:
    return {
        "workers": workers,
        "busy_seconds": round(busy, 3),
        "busy_share": round(min(1.0, busy / (workers * working)), 3) if workers and working else None,
        "tracklets_per_busy_second": round(tracklets / busy, 3) if busy else None,
    }


def _held_back_by(decode: float | None, model: float | None) -> Literal["decode", "model"] | None:
    if max(decode or 0.0, model or 0.0) < _BUSY:
        return None
    return "decode" if (decode or 0.0) > (model or 0.0) else "model"


def advice(stages: dict[str, Any]) -> str:
    """One line on what held the job back and what to change, from what ``rates`` gave."""
    shares = {name: stages[name]["busy_share"] or 0.0 for name in ("decode", "model")}
    busy = f"decoding was busy {shares['decode']:.0%} of the time, the model {shares['model']:.0%}"
    if stages["held_back_by"] == "decode":
        return f"{busy}: decoding held the job back; more CPUs, or --decode-workers, make it faster"
    if stages["held_back_by"] == "model":
        return f"{busy}: the model held the job back; more GPUs, or --model-actors, make it faster"
    return f"{busy}: neither held the job back, starting or storage did"
