"""The two long steps of a job: planning its units, and recognising what they hold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from par_model import storage
from par_model.errors import NodesLostError
from par_model.inference.keep import Keeper, is_worth_workers
from par_model.inference.kinds import Begun
from par_model.inference.look import Job
from par_model.inference.options import StageSettings
from par_model.inference.planned import Planned
from par_model.inference.planning import Cutting, Desk, plan_by_tasks, plan_here, survey_here
from par_model.inference.runner import Runner
from par_model.inference.survey import Surveyed
from par_model.inference.units import UnitSize
from par_model.inference.work import TotalWork
from par_model.manifest.refuse import Complaint
from par_model.progress import Progress
from par_model.runs.done import DoneRows
from par_model.runs.lock import Held
from par_model.runs.parts import PartStore
from par_model.runs.spread import one_by_one

_log = logging.getLogger(__name__)


def plan_job(
    job: Job,
    runner: Runner,
    settings: StageSettings,
    desk: Desk,
    begun: Begun,
    accept: Callable[[Surveyed], None],
    surveyed: Surveyed | None,
) -> Planned:
    """The job's units: those that an earlier run has planned, or new ones. surveyed: what is known of all rows."""
    found = desk.planned()
    if found is not None:
        return found
    left_out = begun.left_out if begun.left_out.any() else None

    def cutting(surveyed: Surveyed, twice: Complaint | None) -> Cutting:
        job.accept(surveyed, twice)
        accept(surveyed)
        crop_bytes = settings.sampling.frames * settings.preprocess.crop_bytes
        size = UnitSize.choose(surveyed.selected - surveyed.left_out, crop_bytes, runner.decode_workers)
        return Cutting(settings.sampling.frames, size)

    if surveyed is None:
        plan = partial(plan_by_tasks, desk, job.manifest, job.question, left_out, cutting)
        if runner.shares(job.manifest.uri) and runner.shares(desk.folder):
            try:
                return plan(runner.spread)
            except storage.PlaceError as error:
                if error.reason is not storage.Reason.ACCESS_DENIED:
                    raise
                _log.warning(f"workers may not do what this process may, so it plans by itself: {error}")
        return plan(one_by_one)
    twice = None
    if left_out is not None:
        surveyed, twice = survey_here(job.manifest, job.question, left_out)
    return plan_here(desk, job.manifest, job.question, left_out, surveyed, cutting(surveyed, twice))


def recognise_all(
    job: Job, held: Held, runner: Runner, settings: StageSettings, parts: PartStore, planned: Planned, work: TotalWork
) -> int:
    """Run what is wanted into the parts, once more where nodes were lost; how many were there already."""
    done = parts.done()
    already = len(done)
    if already:
        _log.info(f"{already} of {planned.rows} tracklets are done already; going on with the others")
    is_worth_it = is_worth_workers(planned.rows - already) and runner.shares(job.output.place())
    workshop = runner.workshop() if is_worth_it else None
    while True:
        lost: NodesLostError | None = None
        try:
            _recognise(runner, settings, Keeper(parts, held, work, workshop), planned, done)
        except NodesLostError as error:
            lost = error
        before, done = len(done), parts.done()
        if len(done) >= planned.rows or (len(done) == before and lost is None):
            return already
        _log.info(f"{lost or 'a worker was lost'}; {planned.rows - len(done)} tracklets are missing: once more")


def _recognise(runner: Runner, settings: StageSettings, keeper: Keeper, planned: Planned, done: DoneRows) -> None:
    """Run what is missing into parts, and keep what is done whatever happens."""
    if len(done) >= planned.rows:
        return
    progress = Progress(planned.rows, "tracklets", already=len(done))
    try:
        with keeper:
            for outcomes in runner.outcomes(planned.units.without(done), settings):
                keeper.add(outcomes)
                progress.advance(outcomes.num_rows)
    finally:
        progress.close()
