"""Which files of a folder are those of the last run, said to ClickHouse in a few words."""

from __future__ import annotations

from par_model import storage
from par_model.catalogs.finished_table import Layout
from par_model.catalogs.sql_types import SqlTypes
from par_model.table.writer import number_and_job

# Names of a table's files, and the job in them, as RE2 has it.
_PART = "^part-[0-9]+(?:_[0-9]+)?-?([0-9a-f]*)[.]parquet$"


def of_the_run(layout: Layout, types: SqlTypes) -> str:
    """A condition that the run's files meet, and no others that are there now or that later jobs write.

    By the numbers that names have: the names themselves, of a few thousand files, are more than ClickHouse takes in one
    statement (max_query_size, 256 KiB).
    """
    spans = _spans(layout)
    job = f"extract(_file, {types.text(_PART)})"
    number = f"toUInt64OrZero(extract(_file, {types.text('^part-([0-9]+)')}))"
    wanted = [f"{job} = {types.text(name)} AND {number} BETWEEN {first} AND {last}" for name, first, last in spans]
    known = {file.uri for file in layout.files}
    unwanted = []
    for file in storage.list_files(layout.folder):
        below, named = file.uri.removeprefix(layout.folder), number_and_job(file.uri)
        if file.uri in known or named is None or below.count("/") != len(layout.partitions) + 1:
            continue
        if any(named[1] == name and first <= named[0] <= last for name, first, last in spans):
            unwanted.append(f"\n  AND NOT endsWith(_path, {types.text(below)})")
    told = "\n    OR ".join(wanted)
    return f"match(_file, {types.text(_PART)})\n  AND ({told}){''.join(unwanted)}"


def _spans(layout: Layout) -> list[tuple[str, int, int]]:
    """The job in the names of the table's files, and the first and last of numbers that follow each other."""
    found: list[tuple[str, int, int]] = []
    for job, number in sorted({(named[1], named[0]) for file in layout.files if (named := number_and_job(file.name))}):
        if found and found[-1][0] == job and found[-1][2] == number - 1:
            found[-1] = job, found[-1][1], number
        else:
            found.append((job, number, number))
    return found
