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

    def batches(
        self, manifest: Manifest, columns: Sequence[str], *, rows: tuple[int, int] | None = None
    ) -> Iterator[pa.Table]:
        """The selected rows in manifest order: ``columns``, ``_row`` and ``_defect``.

        rows: look at these alone, the first and the one behind the last. They must not reach beyond ``stop``, since
        ``limit`` counts from the manifest's first row.
        """
        left = self.limit if rows is None else None
        for found in self._of_split(manifest, columns, rows):
            if left == 0:
                return
            kept = found.slice(0, left)
            if left is not None:
                left -= len(kept)
            if len(kept):
                yield kept.select([*columns, ROW, DEFECT])

    def _of_split(self, manifest: Manifest, columns: Sequence[str], rows: tuple[int, int] | None) -> Iterator[pa.Table]:
        read = list(columns) if self.split is None or "split" in columns else [*columns, "split"]
        for batch in manifest.iter_batches(columns=read, rows_per_batch=_BATCH_ROWS, rows=rows):
            found = pa.Table.from_batches([batch])
            if self.split is not None:
                found = found.filter(pc.fill_null(pc.equal(found["split"], self.split), False))
            yield found

    def stop(self, manifest: Manifest) -> int:
        """No row from this one on is selected."""
        if self.limit is None:
            return manifest.num_rows
        if self.split is None:
            return min(self.limit, manifest.num_rows)
        left = self.limit
        for found in self._of_split(manifest, ["split"], None):
            if len(found) >= left:
                return found[ROW][left - 1].as_py() + 1  # type: ignore[no-any-return]
            left -= len(found)
        return manifest.num_rows

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
