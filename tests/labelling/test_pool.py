"""What a choice is made among: rows without labels, with what a table says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.labelling.results import write_run
from tests.labelling.test_choose import choose


def test_embeddings_are_those_of_the_files_that_the_run_lists(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    [own] = (run[0] / "attributes").glob("*.parquet")
    record = json.loads((run[0] / "run.json").read_text())
    (run[0] / "run.json").write_text(json.dumps(record | {"files": [f"attributes/{own.name}"]}))
    _, expected = choose(run, tmp_path / "c.parquet", by="diverse", count=8)
    earlier = pq.read_table(own)
    column = pa.array([[1.0, 0.0]] * len(earlier), earlier.schema.field("embedding").type)
    at = earlier.schema.get_field_index("embedding")
    pq.write_table(earlier.set_column(at, earlier.schema.field(at), column), own.with_name("part-earlier.parquet"))
    assert choose(run, tmp_path / "c.parquet", by="diverse", count=8)[1] == expected
