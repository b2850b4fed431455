"""What the stages did over a whole run: rates, busy shares, and which of them held the job back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from par_model.inference.wire import Work
from par_model.runs.busy import BusyStage, held_back_by, pace, stage_record
from par_model.runs.busy import advice as advice_on
from par_model.video.counters import NUMBERS, WEIGHED, WHY_UNIFORM

# Where sampling by cost would take more of the time than this, it is not worth another table.
_WORTH_IT = 0.8
_TOLD_OTHERWISE = {*WEIGHED, *WHY_UNIFORM}


@dataclass
class SumOfWork:
    """Sums of the numbers that ride in tables of outcomes."""

    decode_seconds: float = 0.0
    model_seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    decode_workers: set[int] = field(default_factory=set)
    model_workers: set[int] = field(default_factory=set)
    several_tracks: set[int] = field(default_factory=set)
    recognised: int = 0

    @classmethod
    def of(cls, tables: Iterable[pa.Table]) -> SumOfWork:
        """Over some tables of outcomes."""
        total = cls()
        for table in tables:
            work = Work.of(table)
            total.decode_seconds += work.decode_seconds
            total.model_seconds += work.model_seconds
            total.counts.update(work.counts)
            total.several_tracks |= work.several_tracks
            total.recognised += table["error"].null_count
            total.decode_workers |= set(table["decode_worker"].unique().to_pylist()) - {0}
            total.model_workers |= set(table["model_worker"].unique().to_pylist()) - {0}
        return total


@dataclass
class TotalWork(SumOfWork):
    """The work of a whole run. Make it when the stages start.

    startup_seconds: from then to the first outcome, less the work that this outcome took.
    """

    startup_seconds: float | None = None
    _started: float = field(default_factory=time.perf_counter, compare=False)

    def begin(self, first: pa.Table) -> None:
        """Say that the first outcomes are there."""
        if self.startup_seconds is None:
            work = Work.of(first)
            passed = time.perf_counter() - self._started
            self.startup_seconds = max(0.0, passed - work.decode_seconds - work.model_seconds)

    def add(self, some: SumOfWork) -> None:
        """Add the work of some outcomes."""
        self.decode_seconds += some.decode_seconds
        self.model_seconds += some.model_seconds
        self.counts.update(some.counts)
        self.decode_workers |= some.decode_workers
        self.model_workers |= some.model_workers
        self.several_tracks |= some.several_tracks
        self.recognised += some.recognised

    def rates(self, tracklets: int, seconds: float) -> dict[str, Any]:
        """Rates and busy shares, for ``run.json``. seconds: from the start to the last outcome."""
        startup = self.startup_seconds or 0.0
        working = max(0.0, seconds - startup)
        decode = _stage(tracklets, self.decode_seconds, len(self.decode_workers), working)
        model = _stage(tracklets, self.model_seconds, len(self.model_workers), working)
        held_back = held_back_by(*_stages({"decode": decode, "model": model}))
        return {
            "tracklets": tracklets,
            # What a lost worker had sent before may have come twice.
            "recognised": min(self.recognised, tracklets),
            "working_seconds": round(working, 3),
            "startup_seconds": round(startup, 3),
            "tracklets_per_second": round(tracklets / working, 3) if working and tracklets else None,
            "decode": decode
            | {name: self.counts[name] for name in NUMBERS if name not in _TOLD_OTHERWISE}
            | {"videos_with_several_tracks": len(self.several_tracks)}
            | {"sampled_uniformly": {why: self.counts[name] for name, why in WHY_UNIFORM.items()}}
            | {"cheap_sampling": self._cheap_sampling()},
            "model": model,
            "held_back_by": None if held_back is None else held_back.name,
        }

    def _cheap_sampling(self) -> dict[str, float] | None:
        """Which share of the frames and of the decoding time sampling by cost would take, where that was weighed."""
        if not self.counts["uniform_frames"]:
            return None
        return {
            "frames_share": round(self.counts["cheap_frames"] / self.counts["uniform_frames"], 4),
            "time_share": round(self.counts["cheap_cost"] / self.counts["uniform_cost"], 4),
        }


def _stage(tracklets: int, busy: float, workers: int, working: float) -> dict[str, Any]:
    per_second = round(tracklets / busy, 3) if busy else None
    return stage_record(busy, workers, working) | {"tracklets_per_busy_second": per_second}


def _stages(stages: dict[str, Any], cheaper: str = "") -> tuple[BusyStage, BusyStage]:
    """Decoding and the model, as far as sentences on them go. stages: of the record."""
    return (
        BusyStage("decode", "decoding", stages["decode"]["busy_share"] or 0.0, cheaper),
        BusyStage("model", "the model", stages["model"]["busy_share"] or 0.0),
    )


def closing(stages: dict[str, Any], *, device: str, in_one_process: bool) -> list[str]:
    """Lines on how much a run recognised, how fast, and, where its figures can tell, what would make it faster.

    stages: what ``rates`` gave. in_one_process: whether the stages took turns, as they do without Ray.
    """
    tracklets, recognised, working = stages["tracklets"], stages["recognised"], stages["working_seconds"]
    if not tracklets:
        return []
    failed = f", {tracklets - recognised} failed" if recognised < tracklets else ""
    if not recognised:
        return [f"none recognised{failed}, in {working + stages['startup_seconds']:.1f} s"]
    line = pace(f"{recognised} recognised{failed},", stages, recognised / working if working else None)
    found = advice(stages, device=device, in_one_process=in_one_process)
    return [line, found] if found is not None else [line]


def advice(stages: dict[str, Any], *, device: str, in_one_process: bool) -> str | None:
    """One line on what held the job back and what to change.

    None where the figures cannot tell: of some seconds of work, where most tracklets failed, or where fewer tracklets
    than workers were left to share out.
    """
    workers = max(stages["decode"]["workers"], stages["model"]["workers"])
    if stages["tracklets"] <= workers or 2 * stages["recognised"] < stages["tracklets"]:
        return None
    decode, model = _stages(stages, _cheaper(stages))
    return advice_on(decode, model, stages, device=device, in_one_process=in_one_process)


def _cheaper(stages: dict[str, Any]) -> str:
    """What sampling by cost would save, if that is worth the while."""
    cheap = stages["decode"]["cheap_sampling"]
    if cheap is None or cheap["time_share"] > _WORTH_IT:
        return ""
    frames, seconds = cheap["frames_share"], cheap["time_share"]
    return f"; --sampling cheap would decode {frames:.0%} of the frames, in about {seconds:.0%} of the time"
