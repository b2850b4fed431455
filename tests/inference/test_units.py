from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from par_model.inference.units import SPAN_FRAMES, UNIT_SCHEMA, UnitSize, cut_units, plan_units
from par_model.manifest.read import Manifest
from par_model.manifest.selection import Selection
from tests.manifest.examples import on_images, on_video, write

URIS = st.lists(st.sampled_from(["a.mp4", "b.mkv", "c.MOV", "d.webm", None]), max_size=60)


def batches(uris: list[str | None], rows: int, apart: int = 1) -> Iterator[pa.RecordBatch]:
    """apart: frames from the first of one tracklet to that of the next."""
    # Sorted by video, stills last, as the plan sorts them.
    order = sorted(range(len(uris)), key=lambda i: (uris[i] is None, uris[i] or "", i))
    videos = pa.array([uris[i] for i in order], pa.string())
    frames = [None if uri is None else [i * apart] for i, uri in enumerate(videos.to_pylist())]
    columns = {"video_uri": videos, "frame_indices": pa.array(frames, pa.list_(pa.int32()))}
    table = pa.table(columns | {"_row": pa.array(order, pa.int64())})
    yield from table.to_batches(max_chunksize=rows)


@settings(deadline=None)
@given(
    uris=URIS,
    rows=st.integers(1, 20),
    most=st.integers(1, 9),
    enough=st.integers(1, 9),
    apart=st.integers(1, SPAN_FRAMES),
)
def test_units_hold_every_row_once_in_order_and_none_is_too_large(
    uris: list[str | None], rows: int, most: int, enough: int, apart: int
) -> None:
    units = list(cut_units(batches(uris, rows, apart), UnitSize(most=most, enough=min(most, enough))))
    wanted = [row for batch in batches(uris, 1000) for row in batch["_row"].to_pylist()]
    assert [row for unit in units for row in unit["_row"].to_pylist()] == wanted
    assert all(1 <= len(unit) <= most for unit in units)


@settings(deadline=None)
@given(uris=URIS, rows=st.integers(1, 20))
def test_a_video_that_fits_one_unit_is_in_one_unit(uris: list[str | None], rows: int) -> None:
    units = list(cut_units(batches(uris, rows), UnitSize(most=60, enough=1)))
    seen = [uri for unit in units for uri in set(unit["video_uri"].to_pylist()) - {None}]
    assert len(seen) == len(set(seen))


def test_many_short_videos_share_a_unit_and_a_long_one_gets_several() -> None:
    short = cut_units(batches([f"v{i:03}.mp4" for i in range(100)], 7), UnitSize(most=40, enough=25))
    assert [len(unit) for unit in short] == [25, 25, 25, 25]
    long = cut_units(batches(["v.mp4"] * 100, 7), UnitSize(most=40, enough=25))
    assert [len(unit) for unit in long] == [40, 40, 20]


def test_hours_of_video_are_shared_even_where_few_are_seen() -> None:
    size = UnitSize(most=40, enough=25)
    units = cut_units(batches(["v.mp4"] * 9, 5, apart=SPAN_FRAMES // 4), size)
    assert [unit["frame_indices"].to_pylist()[0][0] // (SPAN_FRAMES // 4) for unit in units] == [0, 4, 8]
    assert [len(unit) for unit in cut_units(batches(["v.mp4"] * 9, 5, apart=SPAN_FRAMES // 9), size)] == [9]
    assert [len(unit) for unit in cut_units(batches(["v.ts"] * 9, 5, apart=SPAN_FRAMES), size)] == [9]


def test_the_tracks_of_a_file_are_read_one_after_the_other(tmp_path: Path) -> None:
    """Rows without a track count as the first, where they belong unless an option says otherwise."""
    apart = SPAN_FRAMES // 2
    rows = [
        on_video(f"{i}", frame_indices=[apart * (i // 3)], boxes=None, video_stream=(1, None, 0)[i % 3])
        for i in range(15)
    ]
    manifest = Manifest.open(write(tmp_path / "m.parquet", rows))
    units = list(plan_units(manifest, Selection(), 6, UnitSize(most=40, enough=25)))
    planned = [(row["video_stream"] or 0, row["frame_indices"][0] // apart) for u in units for row in u.to_pylist()]
    assert planned == sorted(planned)
    assert [len(unit) for unit in units] == [4, 4, 2, 2, 2, 1]


def test_rows_without_frames_are_cut_by_number() -> None:
    table = pa.table({"video_uri": ["v.mp4"] * 5, "frame_indices": [[0], None, [2 * SPAN_FRAMES], [], [9]]})
    assert [len(unit) for unit in cut_units(iter(table.to_batches()), UnitSize(most=3, enough=1))] == [3, 2]


def test_a_video_that_can_only_be_read_from_the_start_is_one_unit() -> None:
    units = cut_units(batches(["a.mp4"] * 3 + ["v.ts"] * 100 + ["w.mp4"] * 2, 7), UnitSize(most=40, enough=25))
    assert [len(unit) for unit in units] == [3, 100, 2]


def test_unit_size_follows_crop_bytes_and_leaves_every_worker_some() -> None:
    crops = 6 * 224 * 224 * 3
    assert UnitSize.choose(1_000_000, crops, 8) == UnitSize(most=222, enough=64)
    assert UnitSize.choose(100, crops, 4) == UnitSize(most=222, enough=6)
    assert UnitSize.choose(3, 2**40, 4) == UnitSize(most=1, enough=1)


def test_each_video_is_together_in_order_and_stills_come_last(tmp_path: Path) -> None:
    rows = [on_video(f"v{i}", video_uri=f"/{i % 9}.mp4", frame_indices=[99 - i], boxes=None) for i in range(90)]
    rows[::10] = [on_images(f"s{i}", f"/{i}.jpg") for i in range(9)]
    manifest = Manifest.open(write(tmp_path / "m.parquet", rows))
    units = list(plan_units(manifest, Selection(limit=89), 6, UnitSize(most=4, enough=2)))
    assert {unit.schema for unit in units} == {UNIT_SCHEMA}
    planned = [row for unit in units for row in unit.to_pylist()]
    assert sorted(row["_row"] for row in planned) == list(range(89))
    uris = [uri for uri, _ in groupby(row["video_uri"] for row in planned)]
    assert len(uris) == len(set(uris)) == 10
    assert uris[-1] is None
    for _, video in groupby(planned[:-9], key=lambda row: row["video_uri"]):
        firsts = [row["frame_indices"][0] for row in video]
        assert firsts == sorted(firsts)
