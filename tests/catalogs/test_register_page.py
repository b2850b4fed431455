"""docs/catalogs.md: its commands and its Python, as they stand."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.blocks import ROOT, blocks
from tests.catalogs.seen import ICEBERG, catalog_of, iceberg_table
from tests.catalogs.tables import made_rows, write_output
from tests.cli.run import parjob

pytest.importorskip("pyiceberg", reason="the extra iceberg is not installed")
pytest.importorskip("deltalake", reason="the extra delta is not installed")

PAGE = blocks("docs/catalogs.md")


def test_every_line_works_and_both_catalogs_answer_alike(
    tmp_path: Path, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TYPE", "URI", "WAREHOUSE"):
        monkeypatch.setenv(f"PYICEBERG_CATALOG__PROD__{name}", f"{CATALOG[name].format(warehouse)}")
    refresh(monkeypatch)
    write_output(tmp_path / "out", made_rows())
    lines = [line for block in PAGE if block.language == "sh" for line in block.code.splitlines()]
    for line in lines:
        words = shlex.split(line)
        if words[0] == "parjob":
            assert parjob(*words[1:]) == 0
        else:
            assert re.fullmatch(r"pip install 'par-model\[(delta|iceberg)\]'", line)
    assert sum(line.startswith("parjob") for line in lines) == 4
    answers = [run(block.code) for block in PAGE if block.language == "python"]
    red = [row for row in made_rows() if row.get("top_color") == "red"]
    assert [sorted(answer["tracklet_id"].to_pylist()) for answer in answers] == [
        sorted(r["tracklet_id"] for r in red)
    ] * 2


def test_the_line_for_athena_gives_the_columns_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_output(tmp_path / "out", made_rows(5))
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks("docs/tools/athena.md") if block.language == "sh"]
    assert parjob(*shlex.split(block.code)[1:]) == 0
    made = capsys.readouterr().out
    assert made.startswith("CREATE EXTERNAL TABLE `people` (\n  `tracklet_id` string,\n  `camera_id` string,\n")
    assert "`top_color` string,\n  `top_color_score` float" in made
    assert "`start_time` timestamp," in made
    assert "`sampled_frames` array<int>," in made
    assert "`scores` struct<`top_color_black`:float, " in made
    assert made.endswith("STORED AS PARQUET\nLOCATION 's3://archive/out/attributes/';\n")


CATALOG = {"TYPE": "sql", "URI": "sqlite:///{}/prod.db", "WAREHOUSE": "file://{}"}


def refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyiceberg reads its variables once, at its import."""
    import pyiceberg.catalog
    from pyiceberg.utils.config import Config

    monkeypatch.setattr(pyiceberg.catalog, "_ENV_CONFIG", Config())


def run(code: str) -> Any:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(code, "docs/catalogs.md", "exec"), names)
    return names["people"]


@pytest.mark.usefixtures("warehouse")
def test_pyiceberg_finds_rows_by_a_folders_column_only_where_that_is_selected(tmp_path: Path) -> None:
    """The page warns of it."""
    from par_model.catalogs.register import register

    register(write_output(tmp_path / "out", made_rows(), ("camera_id",)), catalog_of(ICEBERG))
    found = [
        iceberg_table().scan(row_filter="camera_id = '03'", selected_fields=fields).to_arrow().num_rows
        for fields in (("tracklet_id",), ("tracklet_id", "camera_id"), ("*",))
    ]
    assert found == [0, 5, 5]
    assert "gives no row where that column is not selected" in (ROOT / "docs/catalogs.md").read_text(encoding="utf-8")
