"""What ``parjob table check`` finds: defects, and tools' own ways."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from par_model.catalogs import check
from par_model.catalogs.check import check_table
from par_model.catalogs.layout import Layout
from par_model.runs.output import Output
from par_model.table.registrations import Registration, write_registration
from tests.catalogs.tables import made_rows, write_output, write_record
from tests.cli.run import parjob


def found(out: str) -> set[tuple[str, str, str | None]]:
    return {(one.level, one.code, one.reader) for one in check_table(Layout.of(out))}


def said(out: str, reader: str) -> list[str]:
    return [one.message for one in check_table(Layout.of(out)) if one.reader == reader]


def test_a_table_without_folders_is_read_alike_by_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = write_output(tmp_path / "it's [1]*" / "out", made_rows())
    assert parjob("table", "check", out) == 0
    read = capsys.readouterr()
    assert (read.out, read.err) == ("", "parjob: 25 rows in 1 file: 0 defects, 0 notes\n")


def test_each_tools_own_way_with_cameras_is_noted_and_told_they_all_read_right(tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", [row for row in made_rows() if row["camera_id"] in ("3", "03", None)])
    out = write_output(tmp_path / "by", [r for r in made_rows() if r["camera_id"] in ("3", "03", None)], ("camera_id",))
    assert said(out, "polars") == ["reads camera_id as int64: '03' becomes '3'"]
    assert said(out, "duckdb") == []
    assert len(said(out, "pandas")) == len(said(out, "pyarrow")) == 1
    assert found(out) >= {("note", "hive-type", "polars")}
    assert all(level == "note" for level, _, _ in found(out))


@pytest.mark.parametrize(
    "by", [("zone",), ("indoors",), ("day",), ("start_time",), ("camera_id", "zone")], ids="+".join
)
def test_told_of_the_folders_every_tool_reads_every_type(by: tuple[str, ...], tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows(), by)
    assert [one for one in check_table(Layout.of(out)) if one.level == "defect"] == []


def test_numbers_of_text_are_noted(tmp_path: Path) -> None:
    rows = [row | {"camera_id": str(i % 3)} for i, row in enumerate(made_rows())]
    out = write_output(tmp_path / "out", rows, ("camera_id",))
    assert said(out, "duckdb") == ["reads camera_id as int64, not string"]
    assert said(out, "polars") == ["reads camera_id as int64, not string"]


def test_defects_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("indoors",))
    files = sorted((tmp_path / "out/attributes").rglob("*.parquet"))
    pq.write_table(pq.ParquetFile(files[0]).read().slice(2), files[0])
    assert parjob("table", "check", out) == 1
    assert "defect\trow-count\t-\tthe files have 23 rows, run.json says 25\n" in capsys.readouterr().out
    (tmp_path / "out/attributes/copy.parquet").write_bytes(files[1].read_bytes())
    (tmp_path / "out/attributes/_hidden.parquet").write_bytes(b"")
    assert ("defect", "file-surplus", None) in found(out)
    (tmp_path / "out/attributes/copy.parquet").unlink()
    pq.write_table(pq.ParquetFile(files[1]).read().drop(["message"]), files[1])
    assert ("defect", "schema-differs", None) in found(out)
    files[2].write_bytes(files[2].read_bytes()[:-9])
    assert parjob("table", "check", out, "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert [(one["code"], one["message"].split(" ")[0]) for one in document if one["code"] == "file-damaged"] == [
        ("file-damaged", str(files[2].relative_to(out)))
    ]
    files[1].unlink()
    assert parjob("table", "check", out) == 1
    assert f"lacks {files[1].relative_to(out)}, which its run.json lists" in capsys.readouterr().err


def test_files_of_earlier_runs_and_tiny_files_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("zone",))
    layout = Layout.of(out)
    names = [file.name for file in layout.files]
    earlier = names[0].replace("part-00000", "part-00000-aa")
    (tmp_path / "out" / earlier).write_bytes((tmp_path / "out" / names[0]).read_bytes())
    with Output(out).lock() as held:
        write_registration(Output(out), held, Registration("delta", "aa", names, [*names, earlier]))
    monkeypatch.setattr(check, "_MANY_FILES", 3)
    notes = {(level, code) for level, code, reader in found(out) if reader is None}
    assert notes == {("note", "earlier-runs"), ("note", "tiny-files")}
    assert [one for one in check_table(Layout.of(out)) if one.level == "defect"] == []


def test_a_tool_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = write_output(tmp_path / "out", made_rows())
    monkeypatch.setattr(check, "find_spec", lambda name: None if name == "polars" else name)
    assert found(out) == {("note", "not-installed", "polars")}


def test_rows_that_a_pattern_doubles_are_told(tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows())
    (tmp_path / "out/attributes/part-00001.parquet").write_bytes(
        (tmp_path / "out/attributes/part-00000.parquet").read_bytes()
    )
    assert "reads 50 rows of 25" in said(out, "duckdb")
    write_record(out, ["attributes/part-00000.parquet", "attributes/part-00001.parquet"], 50, (), "aa")
    assert found(out) == set()
