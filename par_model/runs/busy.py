"""How busy a job's two stages were, and what would make it faster, as ``infer`` and ``track`` say at their end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A stage that was busy for less than this share did not hold the job back.
_BUSY = 0.6
# Busy shares of less than this are those of starting and ending.
_TELLING_SECONDS = 10.0


@dataclass(frozen=True)
class BusyStage:
    """name: as the record has it. said: as sentences have it. share: of the time in which it was busy, from 0 to 1.
    less_work: what would spare it work, behind a semicolon."""

    name: str
    said: str
    share: float
    less_work: str = ""


def stage_record(busy: float, workers: int, working: float) -> dict[str, Any]:
    """What the record says of a stage. busy: seconds of all its workers. working: seconds of the job without its
    start."""
    share = round(min(1.0, busy / (workers * working)), 3) if workers and working else None
    return {"workers": workers, "busy_seconds": round(busy, 3), "busy_share": share}


def pace(done: str, stages: Mapping[str, Any], rate: float | None) -> str:
    """The line on how fast a job was. stages: of its record. rate: things a second, None where that says nothing."""
    startup = stages["startup_seconds"]
    line = f"{done} in {startup + stages['working_seconds']:.1f} s: {startup:.1f} s to start"
    return line if rate is None else f"{line}, then {rate:.1f} a second"


def held_back_by(reader: BusyStage, network: BusyStage) -> BusyStage | None:
    """The stage that the other one waited for; None where neither did."""
    busier = reader if reader.share > network.share else network
    return busier if busier.share >= _BUSY else None


def advice(
    reader: BusyStage, network: BusyStage, stages: Mapping[str, Any], *, device: str, in_one_process: bool
) -> str | None:
    """One line on what held the job back and what to change; None where it took too few seconds to tell.

    in_one_process: whether the stages took turns, as they do without Ray.
    """
    if stages["working_seconds"] < _TELLING_SECONDS:
        return None
    busy = f"{reader.said} was busy {reader.share:.0%} of the time, {network.said} {network.share:.0%}"
    if in_one_process:
        busier = reader if reader.share > network.share else network
        return f"{busy}, one after the other: without --no-ray they run side by side{busier.less_work}"
    stage = held_back_by(reader, network)
    if stage is None:
        return f"{busy}: neither held the job back, starting or storage did"
    more = "more CPUs, or --decode-workers, make"
    if stage is network:
        more = "more GPUs, or --model-actors, make" if device == "cuda" else "a GPU, or more CPUs, make"
    return f"{busy}: {stage.said} held the job back; {more} it faster{stage.less_work}"
