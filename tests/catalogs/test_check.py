"""What ``parjob table check`` finds: defects, and tools' own ways."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.catalogs import check
from par_model.catalogs.check import check_table
from par_model.catalogs.finished_table import Layout
from par_model.catalogs.readers import with_pyarrow
from par_model.runs.output import Output
from par_model.table.registrations import Registration, write_registration
from tests.catalogs.tables import made_rows, write_output, write_record
from tests.cli.run import parjob

LISTS = pa.list_(pa.field("element", pa.string()))


def found(out: str) -> set[tuple[str, str, str | None]]:
    return {(one.level, one.code, one.reader) for one in check_table(out).findings}


def said(out: str, reader: str) -> list[str]:
    return [one.message for one in check_table(out).findings if one.reader == reader]


def codes(out: str, code: str) -> list[str]:
    return [one.message for one in check_table(out).findings if one.code == code]


def two_files(out: str) -> None:
    """The table's only file as two."""
    (file,) = Layout.of(out).files
    rows = pq.ParquetFile(file.uri).read()
    names = [f"attributes/part-0000{number}.parquet" for number in range(2)]
    for number, name in enumerate(names):
        pq.write_table(rows.slice(number * 10, 10 + 5 * number), f"{out}/{name}")
    write_record(out, names, len(rows), (), "aa")


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
    assert [one for one in check_table(out).findings if one.level == "defect"] == []


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
    assert (
        "defect\trow-count\t-\tthe files have 23 rows, run.json says 25: restore what was changed, or run"
        in capsys.readouterr().out
    )
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
    said = f"defect\tfile-missing\t-\t{files[1].relative_to(out)} is missing, and run.json lists it: restore it, or run"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["missing", "damaged"])
@pytest.mark.parametrize("by", [(), ("camera_id",)], ids="+".join)
def test_without_its_first_file_the_others_are_looked_at_in_every_tool(
    kind: str, by: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = write_output(tmp_path / "out", made_rows(), by)
    if not by:
        two_files(out)
    first, *others = Layout.of(out).files
    if kind == "missing":
        Path(first.uri).unlink()
    else:
        Path(first.uri).write_bytes(Path(first.uri).read_bytes()[:-9])
    pq.write_table(pq.ParquetFile(others[-1].uri).read().drop(["message"]), others[-1].uri)
    assert parjob("table", "check", out, "--json") == 1
    read = capsys.readouterr()
    document = json.loads(read.out)
    defects = [(one["code"], one["reader"]) for one in document if one["level"] == "defect"]
    assert defects == [(f"file-{kind}", None), ("schema-differs", None)] if others[1:] else [(f"file-{kind}", None)]
    (lost,) = [one["message"] for one in document if one["code"] == f"file-{kind}"]
    assert lost.startswith(f"{first.name} {'is missing, and' if kind == 'missing' else 'cannot be read: '}")
    assert lost.endswith("restore it, or run the job into another --output")
    notes = {one["code"] for one in document if one["level"] == "note"}
    assert notes <= {"unreadable", "hive-type", "null-folder"}
    assert read.err.startswith(f"parjob: 25 rows in {1 + len(others)} files: ")


def test_a_table_none_of_whose_files_can_be_read_is_told_file_by_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("indoors",))
    one, other, third = (Path(file.uri) for file in Layout.of(out).files)
    one.unlink()
    other.write_bytes(b"")
    third.write_bytes(b"PAR1PAR1PAR1")
    assert parjob("table", "check", out) == 1
    said = [line.split("\t")[:3] for line in capsys.readouterr().out.splitlines()]
    assert said == [
        ["defect", "file-missing", "-"],
        ["defect", "file-damaged", "-"],
        ["defect", "file-damaged", "-"],
    ]


def test_a_table_without_rows_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = write_output(tmp_path / "out", [], ("camera_id",))
    assert parjob("table", "check", out) == 0
    read = capsys.readouterr()
    assert (read.out, read.err) == ("", "parjob: 0 rows in 0 files: 0 defects, 0 notes\n")
    assert parjob("table", "ddl", out, "--for", "duckdb") == 1
    assert capsys.readouterr().err == f"parjob: {out} has a table without files: there is nothing to read\n"


def test_a_table_all_of_whose_rows_failed_is_read_alike_by_all(tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", [made_rows()[i] for i in range(5, 25, 6)])
    assert pq.read_table(Layout.of(out).files[0].uri)["embedding"].null_count == 4
    assert found(out) == set()


def test_damage_behind_the_footer_is_of_a_file_that_is_named(tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows(), ("indoors",))
    file = Layout.of(out).files[1]
    data = bytearray(Path(file.uri).read_bytes())
    start = pq.read_metadata(file.uri).row_group(0).column(0).data_page_offset
    data[start : start + 60] = bytes(60)
    Path(file.uri).write_bytes(data)
    (said,) = codes(out, "file-damaged")
    assert said.startswith(f"{file.name} cannot be read: ")


@pytest.mark.parametrize(
    "ids",
    [pa.array(range(15)), pa.array([b"\xff"] * 15), pa.array([["t1"]] * 15, LISTS), pa.nulls(15)],
    ids=lambda ids: str(ids.type),
)
def test_a_file_whose_ids_are_no_text_is_named_and_the_others_are_looked_at(ids: pa.Array, tmp_path: Path) -> None:
    out = write_output(tmp_path / "out", made_rows())
    two_files(out)
    file = f"{out}/attributes/part-00001.parquet"
    table = pq.ParquetFile(file).read()
    pq.write_table(table.set_column(table.schema.get_field_index("tracklet_id"), "tracklet_id", ids), file)
    (said,) = codes(out, "file-damaged")
    assert said.startswith(
        f"attributes/part-00001.parquet cannot be read: its column tracklet_id is {ids.type}, not string; restore it"
    )
    assert {one.code for one in check_table(out).findings if one.level == "defect"} == {"file-damaged"}


def test_a_file_in_the_place_of_another_of_as_many_rows_is_found(tmp_path: Path) -> None:
    rows = [row | {"camera_id": str(i % 2)} for i, row in enumerate(made_rows(24))]
    out = write_output(tmp_path / "out", rows, ("camera_id",))
    one, other = Layout.of(out).files
    Path(other.uri).write_bytes(Path(one.uri).read_bytes())
    (said,) = codes(out, "id-twice")
    assert re.fullmatch(
        rf"12 tracklet_ids in more rows than one, as t\d+ in {one.name} and in {other.name}: one of them is not as the "
        rf"job wrote it; restore it, or run the job into another --output",
        said,
    )


def test_tools_that_read_as_many_other_rows_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row | {"camera_id": "ab"[i % 2]} for i, row in enumerate(made_rows(24))]
    out = write_output(tmp_path / "out", rows, ("camera_id",))

    def another_row(layout: Layout, columns: list[str], told: bool) -> pa.Table:
        table = with_pyarrow(layout, columns, told)
        return pa.concat_tables([table.slice(1), table.slice(5, 1)])

    def rows_under_the_other_camera(layout: Layout, columns: list[str], told: bool) -> pa.Table:
        table = with_pyarrow(layout, columns, told)
        swapped = pa.array(table["camera_id"].to_pylist()[::-1])
        return table.set_column(columns.index("camera_id"), "camera_id", swapped)

    monkeypatch.setattr(check, "READERS", {"pyarrow": another_row})
    sixth = with_pyarrow(Layout.of(out), ["tracklet_id"], True)["tracklet_id"][5].as_py()
    message = f"reads 24 rows, but not those of the files: {sixth} is one too many"
    assert said(out, "pyarrow") == [message, f"told of the folders, {message}"]
    monkeypatch.setattr(check, "READERS", {"pyarrow": rows_under_the_other_camera})
    message = "reads other tracklets with camera_id a than lie in its folder"
    assert said(out, "pyarrow") == [message, f"told of the folders, {message}"]


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
    assert [one for one in check_table(out).findings if one.level == "defect"] == []


@pytest.mark.parametrize("by", [(), ("indoors",)], ids="+".join)
@pytest.mark.parametrize(("named", "beside"), [("x?y", "xzy"), ("it's [1]*", "it's 1z"), ("a{b,c}", "ab")])
def test_a_name_that_is_a_pattern_is_read_as_it_is(
    named: str, beside: str, by: tuple[str, ...], tmp_path: Path
) -> None:
    """Also where the files are told one by one, since one of them is gone."""
    out = write_output(tmp_path / named / "out", made_rows(), by)
    write_output(tmp_path / beside / "out", made_rows(), by)
    assert [one for one in check_table(out).findings if one.level == "defect"] == []
    if by:
        Path(Layout.of(out).files[1].uri).unlink()
        assert [one.code for one in check_table(out).findings if one.level == "defect"] == ["file-missing"]


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
    # Which is so for all tools, and so a matter of the files.
    assert found(out) == {("defect", "id-twice", None)}
