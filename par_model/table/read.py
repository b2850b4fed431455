"""The table of a finished run, for what comes after: evaluation and report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from par_model import storage
from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.errors import OutputError, UsageError
from par_model.runs.record import read_record
from par_model.wording import one_line

FOLDER = "attributes"  # below OUT: all that lies there are files of the table


def finished_run(uri: str) -> dict[str, Any]:
    """run.json of OUT. Raises OutputError where no run is finished there, or one of another command."""
    record = read_record(storage.join(storage.absolute(uri), "run.json"))
    if record is None:
        raise OutputError(f"{uri} is not the output of a finished `parjob infer`: it has no run.json")
    if record.get("command") != "infer":
        raise OutputError(f"{uri} is not the output of `parjob infer`: give the folder that its --output named")
    return record


def refuse_among_files(place: str, uri: str, option: str = "--output") -> None:
    """Raises UsageError for a place among the files of the table of OUT. option: that named the place."""
    if storage.canonical(place).startswith(f"{storage.join(storage.canonical(uri), FOLDER)}/"):
        raise UsageError(
            f"{option} {place} lies among the table's files, and readers take every file there: give another folder"
        )


def schema_of(record: dict[str, Any]) -> AttributeSchema:
    """The attribute schema of run.json. Raises SchemaError."""
    told = record["schema"]
    if "toml" in told:
        return AttributeSchema.parse(told["toml"], "run.json")
    # Before 0.2.0, run.json had the groups' columns and values alone.
    groups = [
        AttributeGroup(
            name, "binary" if len(values) == 1 else "exclusive", tuple(AttributeClass(v, text=v) for v in values)
        )
        for name, values in told["groups"].items()
    ]
    return AttributeSchema(told["name"], tuple(groups), "run.json")


def run_files(uri: str, record: dict[str, Any]) -> list[storage.FileInfo]:
    """The files of the table of the finished run of OUT, in its order, with one listing: of what lies there, what
    run.json lists, or all where it is of a version that listed none.

    record: run.json. Raises OutputError where a file is missing, StorageError.
    """
    if "files" not in record:
        folder = storage.join(storage.canonical(uri), FOLDER)
        return [file for file in storage.list_files(folder) if _is_seen(folder, file.uri)]
    found = []
    for name, file in listed_files(uri, record).items():
        if file is None:
            raise OutputError(f"{uri} lacks {name}, which its run.json lists: restore it, or run the job anew")
        found.append(file)
    return found


def listed_files(uri: str, record: dict[str, Any]) -> dict[str, storage.FileInfo | None]:
    """What run.json lists, by name, in its order, with one listing of what lies there; None for what is missing.

    record: run.json of a version that lists files. Raises StorageError.
    """
    output = storage.canonical(uri)
    there = {file.uri: file for file in storage.list_files(storage.join(output, FOLDER))}
    return {name: there.get(storage.join(output, name)) for name in record["files"]}


def run_table(uri: str, record: dict[str, Any]) -> ds.Dataset:
    """The table of the finished run of OUT, as ``open_table`` gives it. Errors are those of ``run_files`` as well."""
    folder = storage.join(storage.canonical(uri), FOLDER)
    return open_table(folder, record.get("partitions", ()), [file.uri for file in run_files(uri, record)])


def open_table(folder: str, partitions: Iterable[str], files: Iterable[str] | None = None) -> ds.Dataset:
    """The files below ``folder``, all or those of ``files``; what the folders of ``partitions`` are named after comes
    as text, for names are cast to no type, and an attribute may be among them. Raises OutputError, StorageError."""
    filesystem, path = storage.arrow_filesystem(folder)
    if files is None:
        # Without the empty objects that consoles put where they show a folder, which pyarrow would take for files.
        files = [file.uri for file in storage.list_files(folder) if _is_seen(folder, file.uri)]
    files = [storage.arrow_filesystem(one)[1] for one in files]
    hive = ds.partitioning(pa.schema([(name, pa.string()) for name in partitions]), flavor="hive")
    with readable(folder):
        return ds.dataset(
            files or path, filesystem=filesystem, format="parquet", partitioning=hive, partition_base_dir=path
        )


def _is_seen(folder: str, uri: str) -> bool:
    """Whether a file counts: names that start with ``_`` or ``.`` do not, nor what lies in such folders."""
    below = uri.removeprefix(folder.removeprefix("file://").rstrip("/")).strip("/")
    return not any(part.startswith(("_", ".")) for part in below.split("/"))


@contextmanager
def readable(folder: str, *more: type[Exception]) -> Iterator[None]:
    """Turn what reading files raises within, and ``more``, into one line. Raises OutputError, StorageError."""
    try:
        with storage.guard(folder, "read"):
            yield
    except (pa.ArrowException, *more) as error:
        raise OutputError(
            f"cannot read {folder} as a table: {one_line(error, 300)}; if a file is damaged, restore it; if one is not "
            "of the table, move it away; if neither is so, run the same command again"
        ) from error
