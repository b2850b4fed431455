"""What the stages of a tracking job did: rates and busy shares, and what its user should know of the result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from par_model.runs.busy import BusyStage, advice, pace, stage_record
from par_model.tracking.options import TrackOptions
from par_model.wording import counted


@dataclass
class TrackWork:
    """Sums over a run's batches. workers: of decoding and of the detector. Make it when the stages start.

    startup_seconds: from then to the first batch, less the work that it took.
    """

    workers: tuple[int, int]
    frames: int = 0
    bytes_read: int = 0
    decode_seconds: float = 0.0
    detect_seconds: float = 0.0
    startup_seconds: float | None = None
    _started: float = field(default_factory=time.perf_counter)

    def add(self, found: pa.Table) -> None:
        """Add what rides in a table of batches."""
        decode, detect = (float(np.sum(found[name].to_numpy())) for name in ("decode_seconds", "detect_seconds"))
        if self.startup_seconds is None:
            self.startup_seconds = max(0.0, time.perf_counter() - self._started - decode - detect)
        self.frames += sum(map(len, found["frames"].to_pylist()))
        self.bytes_read += int(np.sum(found["bytes_read"].to_numpy()))
        self.decode_seconds += decode
        self.detect_seconds += detect

    def note(self) -> str:
        """How many frames so far, and how fast."""
        seconds = max(1e-9, time.perf_counter() - self._started)
        return f"{self.frames} frames, {self.frames / seconds:.1f} frames/s"

    def rates(self, seconds: float) -> dict[str, Any]:
        """For the record. seconds: from the start to the last batch."""
        startup = self.startup_seconds or 0.0
        working = max(0.0, seconds - startup)
        return {
            "frames": self.frames,
            "working_seconds": round(working, 3),
            "startup_seconds": round(startup, 3),
            "frames_per_second": round(self.frames / working, 3) if working and self.frames else None,
            "bytes_read": self.bytes_read,
            "decode": stage_record(self.decode_seconds, self.workers[0], working),
            "detect": stage_record(self.detect_seconds, self.workers[1], working),
        }


def closing(stages: dict[str, Any], *, device: str, in_one_process: bool) -> list[str]:
    """Lines on how fast a run was and, where its figures can tell, what would make it faster. stages: of ``rates``."""
    if not stages["frames"]:
        return []
    reader = BusyStage("decode", "reading pictures", stages["decode"]["busy_share"] or 0.0)
    fewer = "; --every N looks at fewer frames"
    detector = BusyStage("detect", "the detector", stages["detect"]["busy_share"] or 0.0, fewer)
    line = pace(counted(stages["frames"], "frame"), stages, stages["frames_per_second"])
    found = advice(reader, detector, stages, device=device, in_one_process=in_one_process)
    return [line] if found is None else [line, found]


def warnings_of(videos: Sequence[dict[str, Any]], options: TrackOptions) -> list[str]:
    """What a user should know of the videos (rows of ``_videos.parquet``), a line each."""
    start_score, min_length = options.follow.real_start_score, options.follow.min_length
    said = []
    silent = [row for row in videos if row["detections"] and not row["tracks"] and row["status"] == "ok"]
    if silent:
        best = max(row["best_score"] for row in silent)
        if best < start_score:
            why = f"the best score is {best:.2f}, and tracks begin at {start_score:g}: lower --start-score"
        elif min_length > 1:
            why = f"no track has the {min_length} boxes that --min-length asks for: lower it"
        else:
            why = "no person was found in frames that follow each other"
            why += ": look at more of them with a lower --every" if options.every > 1 else ""
        said.append(f"{counted(len(silent), 'video')} with boxes of people, but no tracks; {why}")
    empty = sum(not row["detections"] and row["status"] == "ok" for row in videos)
    if empty:
        said.append(f"{counted(empty, 'video')} without any person found")
    damaged = [row for row in videos if row["damaged_frames"]]
    if damaged:
        frames = sum(row["damaged_frames"] for row in damaged)
        said.append(
            f"{counted(frames, 'damaged frame')} of {counted(len(damaged), 'video')} not looked at; --damaged use does"
        )
    return said
