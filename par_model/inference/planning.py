"""Planning: from a manifest to units that wait in OUT/_plan, once for all runs of a job.

    outline-<job>.json                how rows are dealt out, written first
    dealt-<span>-<job>-<attempt>      rows of a span, dealt out by video; gone once units are cut
    units-<bucket>-<job>-<attempt>    units
    plan-<job>.json                   what was found, written last

A manifest of one span is planned in this process, from the manifest to units. A larger one is planned by tasks, one for
each span and then one for each bucket; what a killed run has of it counts.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from par_model import storage
from par_model.inference.deal import Dealing, Dealt, Piece, deal_span, hashes_of, rows_of
from par_model.inference.planned import Planned, Units, UnitsFile, found_units, write_units
from par_model.inference.survey import RowQuestion, Surveyed, digest_text, doubts, first_twice, spans_of, survey
from par_model.inference.units import UNIT_SCHEMA, UnitSize, cut_units, in_order
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import Complaint
from par_model.manifest.schema import ROW
from par_model.manifest.selection import Selection
from par_model.progress import Progress
from par_model.runs.lock import Held
from par_model.runs.output import Output
from par_model.runs.record import read_state
from par_model.runs.spread import Result, Spread

_log = logging.getLogger(__name__)
PLAN = "_plan"
_NAME = re.compile(r"(dealt|units)-(\d+)-([0-9a-z]+)-[0-9a-z]+")
_MOST_BUCKETS = 1024  # of rows: a task reads pieces of each span
_BUCKET_ROWS = 2**16
_BUCKET_BYTES = 64 * 2**20
_BUCKET_IDS = 2**21
_AT_ONCE = 16


@dataclass(frozen=True)
class Desk:
    """Where one job plans."""

    output: Output
    held: Held
    job_id: str

    @property
    def folder(self) -> str:
        """What all lies in."""
        return self.output.place(PLAN)

    def place(self, name: str) -> str:
        """Of a file that this process writes."""
        return storage.join(self.folder, f"{name}-{self.job_id}.json")

    def planned(self) -> Planned | None:
        """What an earlier run of the job has planned; None, and nothing of it is left, if not all of it is there."""
        found = Planned.read(self.place("plan"))
        if found is None:
            return None
        files = storage.list_files(self.folder)
        sizes = {storage.name(file.uri): file.size for file in files}
        if all(sizes.get(file.name) == file.size for file in found.units.files):
            return found
        _log.warning(f"files of {self.folder} are damaged or gone, so the job is planned anew")
        self.remove(file.uri for file in files)
        return None

    def keep(self, surveyed: Surveyed, files: Iterable[UnitsFile]) -> Planned:
        """Write what was found, so that no run of the job plans again."""
        digest = digest_text(surveyed.digest)
        rows = surveyed.selected - surveyed.left_out
        units = Units(self.folder, tuple(files))
        found = Planned(surveyed.selected, rows, digest, units, tuple(sorted(surveyed.finer)))
        storage.write_bytes(self.place("plan"), found.to_json(), self.held.verify)
        return found

    def remove(self, uris: Iterable[str]) -> None:
        """Remove files that nobody reads any more, where they may be removed."""
        with suppress(storage.PlaceError):
            for uri in uris:
                self.held.verify()
                storage.remove(uri)


@dataclass(frozen=True)
class Cutting:
    """How units are cut. frames: T, as in ``in_order``."""

    frames: int
    size: UnitSize


def survey_here(
    manifest: Manifest, question: RowQuestion, left_out: NDArray[np.bool_] | None = None
) -> tuple[Surveyed, Complaint | None]:
    """What is found of a manifest, and the first row with the id of an earlier one; in this process."""
    found, hashes = Surveyed(), []
    for span in spans_of(manifest, left_out):
        of_span, of_ids = survey(span, question, lambda *_: None)
        found += of_span
        hashes.append(of_ids)
    return found, first_twice(manifest, doubts(pa.concat_tables(hashes)))


def plan_here(
    desk: Desk,
    manifest: Manifest,
    question: RowQuestion,
    left_out: NDArray[np.bool_] | None,
    surveyed: Surveyed,
    cutting: Cutting,
) -> Planned:
    """Cut a manifest's rows into units, in this process."""

    def rows() -> Iterator[pa.RecordBatch]:
        for table in Selection(question.split).batches(manifest, question.columns, rows=(0, question.stop)):
            wanted = table if left_out is None else table.filter(pa.array(~left_out[table[ROW].to_numpy()]))
            yield from wanted.select(UNIT_SCHEMA.names).to_batches()

    desk.remove(file.uri for file in storage.list_files(desk.folder))
    units = cut_units(in_order(rows(), cutting.frames), cutting.size)
    uri = storage.join(desk.folder, f"units-{0:06d}-{desk.job_id}-here")
    return desk.keep(surveyed, [write_units(uri, units, desk.held.verify)])


def plan_by_tasks(
    desk: Desk,
    manifest: Manifest,
    question: RowQuestion,
    left_out: NDArray[np.bool_] | None,
    accept: Callable[[Surveyed, Complaint | None], Cutting],
    spread: Spread,
) -> Planned:
    """The same by tasks, from where an earlier run of the job was stopped.

    accept: given what was found of all rows, says how to cut, or raises ParError. spread: gives what a function makes
    of many items.
    """
    spans = spans_of(manifest, left_out)
    outline = _outline(
        [[span.start, span.stop] for span in spans], sum(size for f in manifest.files for _, size in f.groups)
    )
    found = _found(desk, outline)
    dealing = Dealing(
        desk.folder, desk.job_id, outline["buckets"], outline["id_buckets"], question, desk.held.look_only()
    )
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        dealt = dict(zip(found["dealt"], pool.map(Dealt.found, found["dealt"].values()), strict=True))
        files = dict(zip(found["units"], pool.map(found_units, found["units"].values()), strict=True))
    _log.info(f"planning {manifest.num_rows} rows")
    todo = [(number, span) for number, span in enumerate(spans) if number not in dealt]
    for number, of_span in _watched(
        spread(partial(_numbered, deal_span, dealing), todo), "spans", len(spans), len(todo)
    ):
        dealt[number] = of_span

    of_ids = ([p for d in dealt.values() for p in d.hashes(b, dealing)] for b in range(dealing.id_buckets))
    in_doubt = [row for some in spread(_doubts_of, of_ids) for row in some]
    surveyed = sum((of_span.surveyed for of_span in dealt.values()), Surveyed())
    cutting = accept(surveyed, first_twice(manifest, in_doubt))

    left = [bucket for bucket in range(dealing.buckets) if bucket not in files]
    pieces = ((b, [p for d in dealt.values() for p in d.rows(b, dealing)]) for b in left)
    cut = partial(_numbered, cut_bucket, dealing, cutting)
    for bucket, file in _watched(spread(cut, pieces), "buckets", dealing.buckets, len(left)):
        files[bucket] = file
    planned = desk.keep(surveyed, (file for _, file in sorted(files.items())))
    desk.remove([desk.place("outline"), *(of_span.uri for of_span in dealt.values())])
    return planned


def cut_bucket(bucket: int, pieces: Sequence[Piece], dealing: Dealing, cutting: Cutting) -> UnitsFile:
    """Write the units of a bucket."""
    units = cut_units(in_order(rows_of(pieces), cutting.frames, threads=1), cutting.size)
    return write_units(dealing.place("units", bucket), units, dealing.before)


def _numbered(work: Callable[..., Result], *how: Any) -> tuple[int, Result]:
    *settings, (number, item) = how
    return number, work(number, item, *settings)


def _watched(results: Iterator[Result], unit: str, total: int, left: int) -> Iterator[Result]:
    progress = Progress(total, unit, already=total - left)
    try:
        for result in results:
            yield result
            progress.advance(1)
    finally:
        progress.close()


def _doubts_of(pieces: Sequence[Piece]) -> list[tuple[int, int, int]]:
    return doubts(hashes_of(pieces))


@dataclass(frozen=True)
class _Outline:
    """How a job was planned: whatever another version said of it, so that it is planned anew."""


def _outline(spans: list[list[int]], nbytes: int) -> dict[str, Any]:
    rows = spans[-1][1]
    buckets = max(-(-rows // _BUCKET_ROWS), -(-nbytes // _BUCKET_BYTES))
    return {
        "spans": spans,
        "buckets": min(_MOST_BUCKETS, buckets),
        "id_buckets": min(_MOST_BUCKETS, -(-rows // _BUCKET_IDS)),
        "hash": f"DuckDB {duckdb.__version__}",  # by which rows are dealt out
        "found": [field.name for field in fields(Surveyed)],
    }


def _found(desk: Desk, outline: dict[str, Any]) -> dict[str, dict[int, storage.FileInfo]]:
    """Files of this job that are whole, by kind and number, if it was planned as it is now; all others go."""
    kept: dict[str, dict[int, storage.FileInfo]] = {"dealt": {}, "units": {}}
    files = storage.list_files(desk.folder)
    goes_on = read_state(desk.place("outline"), _Outline) == outline
    for file in files if goes_on else ():
        name = _NAME.fullmatch(storage.name(file.uri))
        if name is not None and name[3] == desk.job_id:
            kept[name[1]].setdefault(int(name[2]), file)
    stay = (
        {desk.place("outline"), *(file.uri for of_kind in kept.values() for file in of_kind.values())}
        if goes_on
        else ()
    )
    desk.remove(file.uri for file in files if file.uri not in stay)
    if not goes_on:
        storage.write_bytes(desk.place("outline"), json.dumps(outline).encode(), desk.held.verify)
    return kept
