"""Which catalogs a table is in, and which of its files they may name."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.errors import OutputError
from par_model.runs.output import Output
from par_model.table.registrations import (
    NAME,
    Registration,
    named_by_catalogs,
    read_registrations,
    write_registration,
)

DELTA = Registration("delta", "0a", ["attributes/a.parquet"], ["attributes/a.parquet", "attributes/old.parquet"])
ICEBERG = Registration("iceberg:db.t", None, [], ["attributes/ü.parquet"])


def test_each_catalog_has_one_and_the_files_of_all_are_named(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    assert read_registrations(output) == {}
    assert named_by_catalogs(output) is None
    with output.lock() as held:
        write_registration(output, held, Registration("delta", None, [], []))
        write_registration(output, held, ICEBERG)
        write_registration(output, held, DELTA)
    assert read_registrations(output) == {"delta": DELTA, "iceberg:db.t": ICEBERG}
    names = {"a.parquet", "old.parquet", "ü.parquet"}
    assert named_by_catalogs(output) == {output.place(f"attributes/{name}") for name in names}


@pytest.mark.parametrize("text", ["", "{}", '{"registrations": [{"catalog": "delta"}]}', '{"registrations": [1]}'])
def test_a_record_that_is_none_is_refused_with_what_to_do(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(OutputError, match="restore it, since it says which files catalogs name"):
        named_by_catalogs(Output(str(tmp_path)))
