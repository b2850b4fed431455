"""The job, top-down: look, claim, find people in what is missing, follow them, write the manifest and its record.

m.parquet           the manifest, written when nothing is missing
_videos.parquet     beside it: a row for each video, with its status
_track/_job.json    what changes results, written before the first detection
_track/_lock        who is at it
_track/detections/  what was found so far
_track/tracks/      tracks of groups of videos
_track/run.json     what ran, written last
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from par_model import storage
from par_model.errors import ClusterError, OutputError
from par_model.progress import Progress
from par_model.runs.differences import differing, refuse_differing
from par_model.runs.lock import Held
from par_model.runs.output import CLAIM, Found
from par_model.runs.record import Fingerprinted, record_head
from par_model.tracking.detector import Detector
from par_model.tracking.finish import KeptVideos, kept_of, write_all
from par_model.tracking.following import Following
from par_model.tracking.look import TrackJob
from par_model.tracking.options import TrackOptions
from par_model.tracking.runner import TrackRunner
from par_model.tracking.stages import VideoUnit
from par_model.tracking.store import DetectionStore
from par_model.tracking.work import TrackWork, warnings_of
from par_model.wording import counted

_log = logging.getLogger(__name__)

_DETECTIONS, _TRACKS = "detections", "tracks"


@dataclass(frozen=True)
class _TrackClaim(Fingerprinted):
    job_id: str
    retry: bool


def run_tracking(
    options: TrackOptions,
    make_runner: Callable[[], AbstractContextManager[TrackRunner]],
    load: Callable[..., Detector] | None = None,
    *,
    retry_failed: bool = False,
) -> dict[str, Any]:
    """Do what is missing of a job and return its record, whose ``exit_code`` says how it ended.

    make_runner: called once there is work to do. load: makes another detector than the one that the options name.
    retry_failed: do the failed videos of a complete manifest again; the others keep their tracklets as they are.
    Raises ParError. KeyboardInterrupt passes through once what is done is on disk.
    """
    job = TrackJob.look(options, load)
    finished = _finished(job)
    if retry_failed and finished is None:
        raise OutputError(f"{job.files.manifest} is not complete: run the same command without --retry-failed first")
    if finished is not None and not (retry_failed and finished["counts"]["status"]["failed"]):
        _log.info(f"{job.files.manifest} is complete: {'no video failed' if retry_failed else 'nothing to do'}")
        job.output.sweep(_TrackClaim, _DETECTIONS, _TRACKS)
        return finished
    if job.output.claim(_TrackClaim) is None and job.output.record() is None:
        job.refuse_others_files()
    try:
        with job.output.lock() as held:
            finished = _finished(job)  # since the first look another job may have ended
            if finished is not None and not (retry_failed and finished["counts"]["status"]["failed"]):
                return finished
            with make_runner() as runner:
                return _run(job, held, runner, finished)
    finally:
        job.output.remove_if_empty()


def _finished(job: TrackJob) -> dict[str, Any] | None:
    """The record, where the job has ended. Raises OutputError where another has."""
    finished = job.output.record()
    if finished is None:
        return None
    refuse_differing(job.options.output, finished["fingerprint"], job.fingerprint)
    if not storage.exists(job.files.manifest):
        return None
    return finished


def _run(job: TrackJob, held: Held, runner: TrackRunner, finished: dict[str, Any] | None) -> dict[str, Any]:
    """finished: the record of the complete manifest whose failed videos are done again."""
    run_id = uuid.uuid4().hex[:12]
    job_id = _claim(job, held, finished)
    kept = KeptVideos() if finished is None else kept_of(job)
    wanted = [number for number in range(len(job.found.footage)) if number not in kept.rows]
    started, clock = datetime.now(UTC), time.perf_counter()
    folder = job.output.place(_DETECTIONS)
    store = DetectionStore(folder, job_id, run_id, len(job.found.footage), held.verify)
    work = TrackWork(runner.workers)
    following = Following(job, held, runner, store, wanted, job.output.place(_TRACKS), job_id)
    _find_all(job, runner, store, wanted, work, following)
    seconds = time.perf_counter() - clock
    _log.info("following people through the videos")
    groups = following.rest()
    tracklets, videos = write_all(job, groups, kept, held.verify, "cpu" if runner.device() == "cpu" else "auto")
    failed = sum(row["status"] == "failed" for row in videos)
    head = record_head(
        "track",
        exit_code=3 if failed > job.options.max_failure_rate * len(videos) else 0,
        job_id=job_id,
        run_id=run_id,
        started=started,
        seconds=time.perf_counter() - clock,
    )
    record = {
        **head,
        "versions": head["versions"] | {"trackers": job.fingerprint["trackers"]},
        "device": runner.device(),
        "manifest": job.files.manifest,
        "counts": {
            "videos": len(videos),
            "status": {"ok": len(videos) - failed, "failed": failed},
            "error": dict(sorted(Counter(row["error"] for row in videos if row["error"] is not None).items())),
            "tracklets": tracklets,
            "boxes": sum(row["boxes"] for row in videos),
            "frames": sum(row["sampled_frames"] for row in videos),
            "damaged_frames": sum(row["damaged_frames"] for row in videos),
        },
        "warnings": warnings_of(videos, job.options),
        "stages": work.rates(seconds),
        "max_failure_rate": job.options.max_failure_rate,
        "fingerprint": job.fingerprint,
    }
    job.output.write_record(held, record)
    job.output.clear(held, _DETECTIONS, _TRACKS, CLAIM)
    return record


def _claim(job: TrackJob, held: Held, finished: Found | None) -> str:
    """The job's id: that of an interrupted run, or a new one. Raises OutputError if something else was begun here."""
    is_retry = finished is not None

    def goes_on(found: Found) -> bool:
        return bool(found["retry"] == is_retry) and not differing(found["fingerprint"], job.fingerprint)

    def refuse(found: Found) -> None:
        if storage.list_files(job.output.place(_DETECTIONS)):
            refuse_differing(job.options.output, found["fingerprint"], job.fingerprint)

    wanted = {"retry": is_retry, "fingerprint": job.fingerprint}
    claimed = job.output.claim_or_resume(held, wanted, finished, kind=_TrackClaim, goes_on=goes_on, refuse=refuse)
    return str(claimed["job_id"])


def _find_all(
    job: TrackJob,
    runner: TrackRunner,
    store: DetectionStore,
    wanted: Sequence[int],
    work: TrackWork,
    following: Following,
) -> None:
    """Have the detections of the wanted videos in the store, and keep what is done whatever happens."""
    footage = job.found.footage
    if store.holds_any:
        done = sum(store.states[number].is_complete for number in wanted)
        _log.info(f"{done} of {counted(len(wanted), 'video')} are done already; going on with the others")
    ended: set[int] = set()
    while True:
        units = [
            VideoUnit(number, footage[number].uri, store.states[number].prefix, frozenset(store.states[number].beyond))
            for number in wanted
            if not store.states[number].is_complete
        ]
        if not units:
            return
        ended |= {number for number in wanted if store.states[number].is_complete}
        progress = Progress(len(wanted), "videos", already=len(ended))
        before = sum(state.prefix for state in store.states)
        try:
            for found in runner.found(units, job.settings()):
                written = store.add(found)
                work.add(found)
                if written:
                    following.meanwhile()
                ended.update(found["video"].filter(found["is_end"]).to_pylist())
                progress.reach(len(ended), work.note())
        finally:
            store.flush()
            progress.close()
        left = sum(not store.states[number].is_complete for number in wanted)
        if left == len(units) and sum(state.prefix for state in store.states) == before:
            raise ClusterError(
                f"nothing came of {counted(left, 'video')}, {footage[units[0].video].uri} first; the same command "
                "again goes on from here"
            )
        if left:
            _log.info(f"a worker was lost; {counted(left, 'video')} are missing: once more")
