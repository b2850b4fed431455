"""A manifest made of another one: its rows, some columns of them changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from par_model import storage
from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError, UsageError
from par_model.manifest.read import CastBoxes, Manifest
from par_model.manifest.schema import DEFECT, ROW, SCHEMA_METADATA
from par_model.manifest.write import refuse_no_manifest

_BATCH_ROWS = 4096


def whole_batches(
    manifest: Manifest, names: Sequence[str], *, rows: pa.Array | None = None, boxes: CastBoxes | None = None
) -> Iterator[pa.RecordBatch]:
    """As ``Manifest.iter_batches``, of these rows, None for all. Raises ManifestError, with its row, where a value does
    not fit its column's type and would be lost."""
    for every in manifest.iter_batches(names, _BATCH_ROWS, boxes=boxes):
        batch = every if rows is None else every.filter(pc.is_in(every.column(ROW), rows))
        for row, defect in zip(batch.column(ROW).to_pylist(), batch.column(DEFECT).to_pylist(), strict=True):
            if defect is not None:
                why = defect.split("\n")[0]
                raise ManifestError(f"manifest {manifest.uri}: {manifest.where(row)}: {why}; nothing was written")
        yield batch


def write_whole(
    output: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch | pa.Table], labels: AttributeSchema | None
) -> None:
    """Write batches, of which the columns of ``schema`` count, as one file, all or nothing. labels: the schema that
    they follow. Raises StorageError, and UsageError where ``output`` is a file that is no Parquet."""
    refuse_no_manifest(output)
    if labels is not None:
        schema = schema.with_metadata({SCHEMA_METADATA: labels.to_toml()})
    with storage.atomic_writer(output) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            writer.write(batch.select(schema.names).cast(schema))


def refuse_own_place(manifest: Manifest, output: str) -> None:
    """Raises UsageError for an output that the manifest's own folder or pattern would take for a part of it, and
    ManifestError for what cannot be written anew."""
    if manifest.num_rows == 0:
        raise ManifestError(f"manifest {manifest.uri}: has no rows")
    twice = [name for name in manifest.column_names if manifest.all_column_names.count(name) > 1]
    if twice:
        raise ManifestError(f"manifest {manifest.uri}: has two columns {twice[0]!r}: rename one")
    own, whole = storage.canonical(output), storage.canonical(manifest.uri)
    if storage.is_folder(whole) and own.startswith(f"{whole.rstrip('/')}/"):
        raise UsageError(f"--output {output} is inside the manifest's folder, which would then have every row twice")
    if storage.is_glob(manifest.uri) and fnmatchcase(own, whole):
        raise UsageError(f"--output {output} is a file of the manifest's pattern, which would then have rows twice")
