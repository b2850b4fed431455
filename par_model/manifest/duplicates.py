"""Finding equal tracklet ids in manifests of any size: DuckDB sorts on disk what does not fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from par_model.manifest.database import database
from par_model.manifest.schema import ROW

_MEMORY = "512MB"


def duplicate_ids(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, int, str]]:
    """(row, first row with the same id, that id) for every row whose id an earlier row has, in row order.

    batches: with the columns ``tracklet_id`` and ``_row``. Null and empty ids count as none.
    """
    with database(_MEMORY) as db:
        db.execute("CREATE TEMP TABLE ids (id VARCHAR, position BIGINT)")
        for batch in batches:
            db.register("batch", batch.select(["tracklet_id", ROW]))
            db.execute(f"INSERT INTO ids SELECT tracklet_id, {ROW} FROM batch WHERE tracklet_id <> ''")
            db.unregister("batch")
        db.execute(
            """
            SELECT position, first, id FROM ids
            JOIN (SELECT id, min(position) AS first FROM ids GROUP BY id HAVING count(*) > 1) USING (id)
            WHERE position <> first ORDER BY position
            """
        )
        while found := db.fetchmany(10_000):
            yield from found
