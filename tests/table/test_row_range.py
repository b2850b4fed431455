"""The table by ranges of rows: whatever the parts, the ranges and their order, every selected row once."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from par_model.errors import OutputError
from par_model.manifest import Manifest
from par_model.manifest.selection import Selection
from par_model.runs.outcome import OUTCOME_SCHEMA
from par_model.runs.parts import PartStore
from par_model.storage import PlaceError, Reason
from par_model.table import row_range
from par_model.table.attribute_table import AttributeTable
from par_model.table.results import Reading
from par_model.table.schema import table_schema
from tests.table.test_results import SCHEMA

ROWS, STRIPE = 50, 7
READING = Reading(SCHEMA, (0.5,) * 4, (True,) * 4, "abcdef012345")
FAILED = (3, 20, 21)
ANYBODYS: Any = SimpleNamespace(verify=lambda: None, look_only=lambda: lambda: None)  # an output without a lock


def shuffled(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """As workers do: in no order."""
    done = [work(item) for item in items]
    random.Random(0).shuffle(done)
    return done


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    for number, rows in enumerate((range(20), range(20, ROWS))):
        table = pa.table(
            {
                "tracklet_id": [f"t{i}" for i in rows],
                "image_uris": [["/1.jpg"]] * len(rows),
                "camera_id": [f"c{i % 3}" for i in rows],
                "split": ["val" if i % 4 else "test" for i in rows],
            }
        )
        (tmp_path / "m").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / "m" / f"{number}.parquet", row_group_size=9)
    return Manifest.open(str(tmp_path / "m"))


def outcomes(rows: Iterable[int], **other: Any) -> pa.Table:
    empty = dict.fromkeys(OUTCOME_SCHEMA.names)
    full = [
        empty
        | {"_row": r, "tracklet_id": f"t{r}", "num_frames": 1}
        | ({"error": "video-damaged", "message": "torn"} if r in FAILED else {"scores": [r / 100] * 4})
        | other
        for r in rows
    ]
    return pa.Table.from_pylist(full, schema=OUTCOME_SCHEMA)


def store(folder: Path, *parts: pa.Table) -> PartStore:
    kept = PartStore(str(folder / "_parts"), "job", "run", STRIPE, lambda: None)
    for part in parts:
        kept.count(kept.next().write([part]))
    return kept


@pytest.fixture
def three_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of some 20 rows."""
    monkeypatch.setattr(row_range, "FILE_BYTES", 1500)


def write(
    manifest: Manifest,
    parts: PartStore,
    folder: Path,
    *,
    selection: Selection = Selection(),  # noqa: B008  # frozen
    left_out: Iterable[int] = (),
    partition_by: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    spread: Any = shuffled,
) -> AttributeTable:
    schema = table_schema([manifest.schema.field(n) for n in manifest.pass_through], SCHEMA, embedding=False)
    table = AttributeTable(str(folder / "attributes"), schema, partition_by, files)
    out = np.isin(np.arange(manifest.num_rows), list(left_out))
    return table.with_rows(manifest, selection, out, parts, READING, ANYBODYS, spread)


def scattered(rows: Iterable[int]) -> list[pa.Table]:
    """Three parts, each with rows from everywhere, some of them twice."""
    mixed = list(rows)
    random.Random(1).shuffle(mixed)
    return [outcomes(mixed[0::3]), outcomes(mixed[1::3]), outcomes([*mixed[2::3], *mixed[:2]])]


@pytest.mark.usefixtures("three_ranges")
@pytest.mark.parametrize("partition_by", [(), ("camera_id",), ("status",)])
def test_every_row_once_in_manifest_order_over_several_files(
    manifest: Manifest, tmp_path: Path, partition_by: tuple[str, ...]
) -> None:
    folder = tmp_path / "attributes"
    folder.mkdir()
    (folder / "part-00007.parquet").write_bytes(b"from a run that was killed")
    table = write(manifest, store(tmp_path, *scattered(range(ROWS))), tmp_path, partition_by=partition_by)
    assert 3 <= len(table.written) <= 4
    assert sorted(str(p) for p in folder.rglob("*.parquet")) == sorted(table.files)
    found = pq.read_table(folder).to_pylist()
    ids = [row["tracklet_id"] for row in found]
    assert (
        ids == [f"t{i}" for i in range(ROWS)]
        if not partition_by
        else sorted(ids) == sorted(f"t{i}" for i in range(ROWS))
    )
    for row in found:
        number = int(row["tracklet_id"][1:])
        assert row["camera_id"] == f"c{number % 3}"
        assert row["error"] == ("video-damaged" if number in FAILED else None)
        assert row["hat_score"] == (None if number in FAILED else np.float32(number / 100))
    assert table.counts(ROWS) == {
        "tracklets": ROWS,
        "status": {"ok": ROWS - 3, "failed": 3},
        "error": {"video-damaged": 3},
    }
    again = AttributeTable(table.folder, table.schema, partition_by, table.files)
    assert again.counts(ROWS) == table.counts(ROWS)
    with pytest.raises(OutputError, match=f"has {ROWS} rows for 51"):
        table.counts(ROWS + 1)


@pytest.mark.usefixtures("three_ranges")
@pytest.mark.parametrize("selection", [Selection("val"), Selection(limit=16), Selection("val", 12)])
def test_only_selected_rows(manifest: Manifest, tmp_path: Path, selection: Selection) -> None:
    rows = [r for t in selection.batches(manifest, ["tracklet_id"]) for r in t["_row"].to_pylist()]
    table = write(manifest, store(tmp_path, *scattered(rows)), tmp_path, selection=selection)
    assert pq.read_table(tmp_path / "attributes")["tracklet_id"].to_pylist() == [f"t{r}" for r in rows]
    assert sum(one.rows for one in table.written) == len(rows)


@pytest.mark.usefixtures("three_ranges")
def test_rows_that_the_table_has_stay_where_they_are(manifest: Manifest, tmp_path: Path) -> None:
    old, new = [*range(4, 12), 49], [r for r in range(ROWS) if r not in (*range(4, 12), 49)]
    first = write(manifest, store(tmp_path, outcomes(old)), tmp_path, left_out=new)
    before = [Path(uri).read_bytes() for uri in first.files]
    other = tmp_path / "more"
    table = write(manifest, store(other, *scattered(new)), tmp_path, left_out=old, files=first.files)
    assert [Path(uri).read_bytes() for uri in table.files[: len(before)]] == before
    assert pq.read_table(tmp_path / "attributes")["tracklet_id"].to_pylist() == [f"t{r}" for r in [*old, *new]]
    assert table.counts(ROWS)["error"] == {"video-damaged": 3}


@pytest.mark.usefixtures("three_ranges")
@pytest.mark.parametrize(
    ("parts", "options", "said"),
    [
        ([outcomes(r for r in range(ROWS) if r != 30)], {}, "1 tracklets were not recognised, row 30"),
        ([outcomes(range(14))], {}, "row 14 of the manifest"),
        ([outcomes(range(ROWS))], {"left_out": [30]}, "row 30 was recognised, but it is not wanted"),
        ([outcomes(range(ROWS))], {"selection": Selection(limit=16)}, "was recognised, but it is not wanted"),
        ([outcomes(range(16)), outcomes([49])], {"selection": Selection(limit=16)}, "row 49 was recognised, but"),
        ([outcomes(range(ROWS)), outcomes([ROWS])], {}, "rows beyond the manifest's"),
        ([outcomes(range(49)), outcomes([49], tracklet_id="other")], {}, "ids are not the manifest's"),
    ],
)
def test_a_row_that_is_missing_or_surplus_is_found_by_its_range(
    manifest: Manifest, tmp_path: Path, parts: list[pa.Table], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(OutputError, match=said):
        write(manifest, store(tmp_path, *parts), tmp_path, **options)


def test_a_small_table_is_one_file_and_no_task(manifest: Manifest, tmp_path: Path) -> None:
    table = write(manifest, store(tmp_path, *scattered(range(ROWS))), tmp_path)
    assert [Path(uri).name for uri in table.files] == ["part-00000.parquet"]


@pytest.mark.usefixtures("three_ranges")
def test_what_workers_may_not_write_this_process_writes(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(work: Any, items: Any) -> Any:
        yield work(next(iter(items)))
        raise PlaceError("cannot write: access denied", Reason.ACCESS_DENIED)

    write(manifest, store(tmp_path, outcomes(range(ROWS))), tmp_path, spread=refused)
    assert pq.read_table(tmp_path / "attributes")["tracklet_id"].to_pylist() == [f"t{i}" for i in range(ROWS)]
    said = capsys.readouterr().err
    assert "workers cannot write the table, so this process does: cannot write: access denied" in said

    def full(work: Any, items: Any) -> Any:
        raise PlaceError("no space left")

    with pytest.raises(PlaceError, match="no space left"):
        write(manifest, store(tmp_path / "full", outcomes(range(ROWS))), tmp_path / "full", spread=full)
