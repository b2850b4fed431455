"""A finished run of ``infer`` as the report reads it: run.json, and questions to its table.

DuckDB answers them over a stream of the table's files, so that memory does not grow with the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from par_model import storage
from par_model.attributes import AttributeGroup
from par_model.errors import OutputError
from par_model.table.read import FOLDER, finished_run, readable, run_table, schema_of

_RECORD_KEYS = {"run_id", "started", "seconds", "options", "manifest", "weights", "schema", "counts", "stages"}
EXAMPLES = 3
MOST_CAMERAS = 24
_CAMERA = "camera_id"
# Of the tracklets in the gallery, at most this share is for failed rows, and for labelled ones where there are others.
_FAILED_SHARE = 0.2
_LABELLED_SHARE = 0.5
_MESSAGE = 300
_COLUMNS = ("tracklet_id", "status", "error", "message", "scores", "sampled_frames", "num_frames")


class FinishedRun:
    """OUT of ``infer``. Raises OutputError where its run is not finished, StorageError where it cannot be read."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        record = finished_run(uri)
        if not record.keys() >= _RECORD_KEYS:
            raise OutputError(f"{uri} is not the output of `parjob infer`: give the folder that its --output named")
        self.record = record
        self.groups = schema_of(record).groups
        folder = storage.join(storage.absolute(uri), FOLDER)
        self._folder = folder
        self._dataset = run_table(uri, record)
        self.columns: tuple[str, ...] = tuple(self._dataset.schema.names)
        groups = (group.column for group in self.groups)
        lacking = [name for name in (*_COLUMNS, *groups) if name not in self.columns]
        if lacking:
            raise OutputError(
                f"{folder} has no column {lacking[0]!r}: it is not the table that {uri}/run.json describes"
            )

    @property
    def has_embedding(self) -> bool:
        """Whether tracklets can be compared."""
        return "embedding" in self.columns

    def distribution(self, group: AttributeGroup) -> dict[str, int]:
        """How many rows say each of the group's answers; rows that say nothing are in none."""
        column = f'CAST("{group.column}" AS VARCHAR)'
        rows = self._rows(f"SELECT {column}, count(*) FROM result WHERE {column} IS NOT NULL GROUP BY 1")
        said = dict(rows)
        if group.kind == "binary":
            return {"no": said.get("false", 0), "yes": said.get("true", 0)}
        return {value: said.get(value, 0) for value in group.values}

    def cameras(self) -> list[tuple[str, int, int]]:
        """The cameras with most rows: name, rows, failed rows."""
        if _CAMERA not in self.columns:
            return []
        return self._rows(
            f"SELECT coalesce(camera_id, 'none'), count(*), count(error) FROM result GROUP BY 1 ORDER BY 2 DESC, 1 "
            f"LIMIT {MOST_CAMERAS}"
        )

    def failures(self) -> list[dict[str, Any]]:
        """Each code with its number of rows and a few of them: code, count, examples (tracklet_id, message)."""
        counts = sorted(self.record["counts"]["error"].items(), key=lambda item: (-item[1], item[0]))
        found = []
        for code, count in counts:
            examples = self._rows(
                f"SELECT tracklet_id, left(message, {_MESSAGE}) FROM result WHERE error = $code "
                f"ORDER BY md5(tracklet_id) LIMIT {EXAMPLES}",
                {"code": code},
            )
            found.append({"code": code, "count": count, "examples": examples})
        return found

    def answers(self) -> pa.Table:
        """tracklet_id, status and what each group says as text, of all rows."""
        said = ", ".join(f'CAST("{group.column}" AS VARCHAR) AS "{group.column}"' for group in self.groups)
        with self._connection() as connection:
            return connection.sql(f"SELECT tracklet_id, status, {said} FROM result").to_arrow_table()

    def answers_of(self, ids: Sequence[str]) -> pa.Table:
        """tracklet_id, and of each group what it says as text, and the score of that, of the recognised tracklets among
        ``ids``."""
        said = ", ".join(f'CAST("{g.column}" AS VARCHAR) AS "{g.column}", "{g.column}_score"' for g in self.groups)
        with self._connection() as connection:
            connection.register("wanted", pa.table({"tracklet_id": pa.array(ids, pa.string())}))
            return connection.sql(
                f"SELECT tracklet_id, {said} FROM result WHERE error IS NULL AND tracklet_id IN (FROM wanted)"
            ).to_arrow_table()

    def sample(self, limit: int, labelled: pa.Table | None) -> pa.Table:
        """At most ``limit`` rows for the gallery, in order of their ids.

        All if they fit. Else a random sample, the same each time, for it is keyed by the ids: failed rows get up to a
        fifth of them and labelled ones (``labelled``: a table with the column tracklet_id) up to half.
        """
        with self._connection() as connection:
            connection.register("labelled", labelled if labelled is not None else pa.table({"tracklet_id": [""][:0]}))
            connection.execute(
                """
                CREATE TEMP TABLE chosen AS
                WITH kinds AS (
                    SELECT tracklet_id, CASE WHEN error IS NOT NULL THEN 'failed'
                        WHEN tracklet_id IN (SELECT tracklet_id FROM labelled) THEN 'labelled' ELSE 'other' END AS kind
                    FROM result
                ), ranked AS (
                    SELECT tracklet_id, kind, row_number() OVER (PARTITION BY kind ORDER BY md5(tracklet_id)) AS place
                    FROM kinds
                )
                SELECT tracklet_id FROM ranked
                ORDER BY CASE kind WHEN 'failed' THEN place > $failed WHEN 'labelled' THEN place > $labelled
                    ELSE false END, kind = 'other', place
                LIMIT $limit
                """,
                {"failed": limit * _FAILED_SHARE, "labelled": limit * _LABELLED_SHARE, "limit": limit},
            )
            columns = [
                "tracklet_id",
                *(name for name in (_CAMERA, "start_time") if name in self.columns),
                "status",
                "error",
                "message",
                *(group.column for group in self.groups),
                "scores",
                "sampled_frames",
                "num_frames",
                *(["embedding"] if self.has_embedding else []),
            ]
            # What is in folders' names is text so far.
            types = {"start_time": "TIMESTAMPTZ", "num_frames": "INTEGER"}
            types |= {group.column: "BOOLEAN" for group in self.groups if group.kind == "binary"}
            listed = ", ".join(f'CAST("{n}" AS {types[n]}) AS "{n}"' if n in types else f'"{n}"' for n in columns)
            return connection.sql(
                f"SELECT {listed} FROM result WHERE tracklet_id IN (SELECT tracklet_id FROM chosen) ORDER BY 1"
            ).to_arrow_table()

    def _rows(self, query: str, values: dict[str, Any] | None = None) -> list[Any]:
        with self._connection() as connection:
            return connection.execute(query, values or {}).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with readable(self._folder, duckdb.Error), duckdb.connect() as connection:
            connection.register("result", self._dataset)
            yield connection
