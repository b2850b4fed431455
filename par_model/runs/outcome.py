"""How an outcome travels, and waits until the table is written."""

from __future__ import annotations

import pyarrow as pa

# Compact, and the same for every attribute schema.
OUTCOME_SCHEMA = pa.schema(
    [
        pa.field("_row", pa.int64()),
        pa.field("tracklet_id", pa.string()),
        pa.field("num_frames", pa.int32()),
        pa.field("error", pa.string()),
        pa.field("message", pa.string()),
        pa.field("sampled_frames", pa.list_(pa.int32())),
        pa.field("scores", pa.list_(pa.float32())),
        pa.field("embedding", pa.list_(pa.float32())),
    ]
)
