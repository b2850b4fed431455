"""What a command does to an output: begin a table or go on with it, do its failed rows again, or add new tracklets.

A table that is complete is worked on by ``Retry`` and ``Add`` alone.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model.errors import OutputError, UsageError
from par_model.inference.fingerprint import refuse_other, refuse_unless_grown
from par_model.inference.look import Job
from par_model.inference.survey import Surveyed
from par_model.runs.lock import Held
from par_model.runs.parts import PartStore
from par_model.table.attribute_table import AttributeTable
from par_model.table.by_all import Workers
from par_model.table.registrations import named_by_catalogs

_log = logging.getLogger(__name__)

_ID_ROWS = 65_536


@dataclass
class Begun:
    """What is to be done. table: as it is. left_out: for each row of the manifest, whether it is not to be done."""

    table: AttributeTable
    left_out: NDArray[np.bool_]


class Kind(ABC):
    """recorded: how the claim names it. option: what the command says for it."""

    recorded: ClassVar[str]
    option: ClassVar[str]

    @abstractmethod
    def where_none_is_complete(self, output: str) -> Kind:
        """What it comes to where no table is complete. Raises OutputError if to nothing."""

    @abstractmethod
    def is_work_left(self, job: Job, finished: dict[str, Any]) -> bool:
        """Whether a complete output is to be worked on again; says so if not. Raises OutputError where it may not."""

    @abstractmethod
    def begin(self, job: Job, finished: dict[str, Any] | None, parts: PartStore) -> Begun:
        """What is to be done, before what an interrupted run did of it is left out."""

    @abstractmethod
    def accept(self, job: Job, finished: dict[str, Any] | None, surveyed: Surveyed) -> None:
        """Raise OutputError where the manifest's rows do not go with the table."""

    @abstractmethod
    def write(self, job: Job, begun: Begun, parts: PartStore, held: Held, spread: Workers) -> AttributeTable:
        """The table with the outcomes. spread: does what can be done side by side, None: this process does."""


class FirstRun(Kind):
    """Begin a table, or go on with it."""

    recorded = "no"
    option = "without --retry-failed or --add"

    def where_none_is_complete(self, output: str) -> Kind:
        return self

    def is_work_left(self, job: Job, finished: dict[str, Any]) -> bool:
        refuse_other(job.options.output, finished["fingerprint"], job.fingerprint)
        return _nothing(job, finished, "nothing to do")

    def begin(self, job: Job, finished: dict[str, Any] | None, parts: PartStore) -> Begun:
        return Begun(job.table, np.zeros(job.manifest.num_rows, bool))

    def accept(self, job: Job, finished: dict[str, Any] | None, surveyed: Surveyed) -> None:
        pass  # it begins the table, or is the same job

    def write(self, job: Job, begun: Begun, parts: PartStore, held: Held, spread: Workers) -> AttributeTable:
        reading = job.reading()
        return begun.table.with_rows(job.manifest, job.selection, begun.left_out, parts, reading, held, spread)


class Retry(Kind):
    """Do the failed rows of a complete table again."""

    recorded = "retry"
    option = "with --retry-failed"

    def where_none_is_complete(self, output: str) -> Kind:
        raise OutputError(f"{output} is not complete: run the same command without --retry-failed first")

    def is_work_left(self, job: Job, finished: dict[str, Any]) -> bool:
        output = job.options.output
        refuse_other(output, finished["fingerprint"], job.fingerprint)
        if not finished["counts"]["status"]["failed"]:
            return _nothing(job, finished, "none of them failed")
        moving = [name for name in job.options.partition_by if name not in job.manifest.pass_through]
        if moving:
            raise UsageError(
                f"--retry-failed: {output} has folders by {moving[0]}, so that a row would have to move, and a reader "
                f"could see it twice or not at all; run the job into another --output"
            )
        return True

    def begin(self, job: Job, finished: dict[str, Any] | None, parts: PartStore) -> Begun:
        table = _complete_table(job, finished)
        # Rows of an interrupted retry count too: some files may have been replaced already.
        ids = pc.unique(pa.concat_arrays([table.ids(failed_only=True), parts.ids()]))
        return Begun(table, _rows(job, ids, np.invert))

    def accept(self, job: Job, finished: dict[str, Any] | None, surveyed: Surveyed) -> None:
        pass  # the manifest is the table's

    def write(self, job: Job, begun: Begun, parts: PartStore, held: Held, spread: Workers) -> AttributeTable:
        return begun.table.with_replaced(parts, job.reading(), held, spread)


class Add(FirstRun):
    """Do what a manifest has more than the one of a complete table."""

    recorded = "add"
    option = "with --add"

    def where_none_is_complete(self, output: str) -> Kind:
        return FirstRun()

    def is_work_left(self, job: Job, finished: dict[str, Any]) -> bool:
        recorded = finished["fingerprint"]
        meant = {name: job.fingerprint[name] for name in ("manifest", "split", "limit")}
        if all(recorded[name] == value for name, value in meant.items()):
            return super().is_work_left(job, finished)
        # Whether these rows contain the table's is looked at row by row.
        refuse_other(job.options.output, recorded | meant, job.fingerprint)
        return True

    def begin(self, job: Job, finished: dict[str, Any] | None, parts: PartStore) -> Begun:
        table = _complete_table(job, finished).as_stored(job.options.output)
        return Begun(table, _rows(job, table.ids(), np.asarray))

    def accept(self, job: Job, finished: dict[str, Any] | None, surveyed: Surveyed) -> None:
        if finished is not None:
            refuse_unless_grown(job.options.output, finished["manifest"], surveyed)


_KINDS: tuple[type[Kind], ...] = (FirstRun, Retry, Add)


def option_of(recorded: str) -> str:
    """What the command says for the kind of run that a claim names."""
    return next((kind.option for kind in _KINDS if kind.recorded == recorded), "that began it")


def _nothing(job: Job, finished: dict[str, Any], why: str) -> bool:
    _log.info(f"{job.options.output} is complete: {finished['counts']['tracklets']} tracklets; {why}")
    return False


def _complete_table(job: Job, finished: dict[str, Any] | None) -> AttributeTable:
    assert finished is not None  # of a kind that works on complete tables alone
    files = tuple(job.output.place(name) for name in finished["files"])
    return replace(job.table, files=files, named=named_by_catalogs(job.output))


def _rows(job: Job, ids: pa.Array, left_out: Callable[[NDArray[np.bool_]], NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """For each row of the manifest, what ``left_out`` makes of whether its id is among ``ids``."""
    rows = np.zeros(job.manifest.num_rows, bool)
    for batch in job.manifest.iter_batches(["tracklet_id"], _ID_ROWS):
        inside = pc.is_in(batch["tracklet_id"], ids).to_numpy(zero_copy_only=False)
        rows[batch["_row"].to_numpy()] = left_out(inside)
    return rows
