"""Tables are read whatever their folders are named after, and damaged ones are named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.attributes import load_schema
from par_model.errors import OutputError, StorageError
from par_model.table.read import finished_run, open_table, readable, run_table, schema_of
from par_model.table.writer import TableWriter


def test_what_folders_are_named_after_is_text(tmp_path: Path) -> None:
    with TableWriter(str(tmp_path / "t"), pa.schema([("id", pa.int8()), ("hat", pa.bool_())]), ["hat"]) as writer:
        writer.write(pa.table({"id": pa.array([1, 2, 3], pa.int8()), "hat": [True, None, False]}))
    table = open_table(str(tmp_path / "t"), ["hat"]).to_table().sort_by("id")
    assert table.to_pydict() == {"id": [1, 2, 3], "hat": ["true", None, "false"]}


def test_a_damaged_file_and_a_missing_folder_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    advice = "if a file is damaged, restore it; if one is not of the table, move it away"
    with pytest.raises(OutputError, match=rf"cannot read {tmp_path} as a table: .*a\.parquet.*; {advice}"):
        open_table(str(tmp_path), [])
    with pytest.raises(StorageError, match="nowhere"):
        open_table(str(tmp_path / "nowhere"), [])
    with pytest.raises(OutputError, match=r"as a table: .a key"), readable("t", KeyError):
        raise KeyError("a key")


def test_a_run_is_the_files_that_its_record_lists(tmp_path: Path) -> None:
    (tmp_path / "out/attributes").mkdir(parents=True)
    for name in ("a", "b", "_c"):
        pq.write_table(pa.table({"id": [name]}), tmp_path / f"out/attributes/{name}.parquet")
    out = f"{tmp_path}/out/"
    listed = {"files": ["attributes/b.parquet"]}
    assert run_table(out, listed).to_table()["id"].to_pylist() == ["b"]
    assert run_table(f"file://{out}", {}).to_table()["id"].to_pylist() == ["a", "b"]  # as 0.1.0 wrote it
    (tmp_path / "out/attributes/b.parquet").unlink()
    with pytest.raises(OutputError, match=r"out/ lacks attributes/b\.parquet, which its run\.json lists: restore it"):
        run_table(out, listed)


def test_the_schema_of_a_run_is_in_its_record() -> None:
    schema = load_schema("mars")
    assert schema_of({"schema": {"name": "mars", "toml": schema.to_toml()}}) == schema
    # As 0.1.0 wrote it: columns and values, without texts.
    groups = {group.column: list(group.values) for group in schema.groups}
    old = schema_of({"schema": {"name": "mars", "groups": groups}})
    assert [(g.column, g.kind, g.values) for g in old.groups] == [(g.column, g.kind, g.values) for g in schema.groups]


def test_the_record_of_another_command_is_no_table(tmp_path: Path) -> None:
    out = str(tmp_path)
    with pytest.raises(OutputError, match=r"is not the output of a finished `parjob infer`: it has no run\.json"):
        finished_run(out)
    for command in ("train", "track"):
        (tmp_path / "run.json").write_text(
            f'{{"command": "{command}", "fingerprint": {{}}, "schema": {{"name": "mars"}}}}'
        )
        with pytest.raises(OutputError, match="is not the output of `parjob infer`: give the folder that its --output"):
            finished_run(out)
