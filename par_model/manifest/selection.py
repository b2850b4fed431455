"""Which rows of a manifest a run means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from par_model.manifest.read import Manifest
from par_model.manifest.schema import DEFECT, ROW

_BATCH_ROWS = 4096


@dataclass(frozen=True)
class Selection:
    """Which rows of a manifest are meant: those of ``split``, the first ``limit`` of these."""

    split: str | None = None
    limit: int | None = None

    def batches(self, manifest: Manifest, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The selected rows in manifest order: ``columns``, ``_row`` and ``_defect``."""
        read = list(columns) if self.split is None or "split" in columns else [*columns, "split"]
        left = self.limit
        for batch in manifest.iter_batches(columns=read, rows_per_batch=_BATCH_ROWS):
            if left == 0:
                return
            rows = pa.Table.from_batches([batch])
            if self.split is not None:
                rows = rows.filter(pc.fill_null(pc.equal(rows["split"], self.split), False))
            if left is not None:
                rows = rows.slice(0, left)
                left -= len(rows)
            if len(rows):
                yield rows.select([*columns, ROW, DEFECT])

    def longest(self, manifest: Manifest) -> int:
        """Frames, or stills, of the longest selected tracklet; 0 where no row tells."""
        longest = 0
        for rows in self.batches(manifest, ["frame_indices", "image_uris"]):
            for name in ("frame_indices", "image_uris"):
                longest = max(longest, pc.max(pc.list_value_length(rows[name])).as_py() or 0)
        return longest

    def count(self, manifest: Manifest) -> int:
        """Number of selected rows."""
        if self.split is None:
            return manifest.num_rows if self.limit is None else min(self.limit, manifest.num_rows)
        return sum(len(batch) for batch in self.batches(manifest, ["split"]))
