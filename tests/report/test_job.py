"""The page of a made-up run, without a browser: what is in it, how large its gallery is, what may be missing."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from par_model import storage
from par_model.errors import OutputError, StorageError, UsageError
from par_model.evaluation.job import run_evaluation
from par_model.evaluation.options import EvaluateOptions
from par_model.manifest.write import write_manifest
from par_model.report.job import run_report
from par_model.report.options import ReportOptions
from par_model.report.run import FinishedRun
from par_model.report.thumbnails import shown_frames, strip
from par_model.table.writer import TableWriter
from tests.report.results import SCHEMA, failed_row, ok_row, write_result
from tests.report.test_page import policy_hashes

LABELS = {"a": [1, 0, 0, 1, 0], "b": [1, 0, 0, 0, -1], "c": [0, 0, 1, 0, 1]}
ROWS = [ok_row("a", backpack=0.9), ok_row("b", "blue"), failed_row("c"), ok_row("d", "green")]


def data(page: str, name: str = "data") -> Any:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page)
    assert found is not None
    return json.loads(found[1])


def written(out: Path, **options: Any) -> str:
    page = out.parent / "report.html"
    run_report(ReportOptions(predictions=str(out), output=str(page), **options))
    return page.read_text(encoding="utf-8")


def test_tracklets_come_with_answers_labels_and_crops(tmp_path: Path) -> None:
    out = write_result(tmp_path, ROWS, LABELS)
    page = written(out, evaluation=str(tmp_path / "scores"))
    a, b, c, d = data(page)["rows"]
    assert a == {
        "id": "a", "camera": "1", "n": 2, "v": [0, 1, 0], "s": [800, 100, 100, 900, 100],
        "y": [[0], [1], [0]], "f": [0, 1],
    }  # fmt: skip
    assert (b["v"], b["y"]) == ([1, 0, 0], [[0], [0], None])
    assert c == {
        "id": "c", "camera": "2", "n": 5, "y": [[2], [0], [1]],
        "error": "video-not-found", "message": "cannot read it",
    }  # fmt: skip
    assert "y" not in d
    crops = data(page, "block-0")
    assert [bool(text) for text in crops] == [True, True, False, True]
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(crops[0]))).convert("RGB")).astype(int)
    assert image.shape == (128, 64 + 2 + 64, 3)
    assert image[64, 30, 0] > 150 > image[64, 30, 2]
    assert image[64, 100, 2] > 150 > image[64, 100, 0]
    allowed, own = policy_hashes(page)
    assert len(own) == 3
    assert allowed == own
    assert not re.search(r'(src|href)="(?!#|data:,)', page)


def test_confusion_is_by_row_with_what_failed_last(tmp_path: Path) -> None:
    page = written(write_result(tmp_path, ROWS, LABELS), evaluation=str(tmp_path / "scores"))
    table = page[page.index('class="confusion"') :]
    cells = re.findall(r'<td class="h\d+[^>]*>([^<]*)</td>', table[: table.index("</table>")])
    assert cells == ["1", "1", "·", "·", "·", "·", "·", "·", "·", "·", "·", "1"]
    assert "3 labelled tracklets" in re.sub(r"\s+", " ", page)


def test_without_videos_labels_or_manifest_the_page_is_made_and_says_so(tmp_path: Path) -> None:
    out = write_result(tmp_path, ROWS, LABELS)
    (tmp_path / "b.png").unlink()
    page = written(out)
    assert "The crops of 3 tracklets could not be read again" in page
    assert "image-not-found" in data(page)["rows"][0]["miss"]
    shutil.move(tmp_path / "manifest.parquet", tmp_path / "elsewhere.parquet")
    page = written(out, evaluation=str(tmp_path / "scores"))
    assert "No crops are shown" in page
    assert "No confusion and no mistakes are shown" in page
    assert "Precision" in page
    page = written(out, evaluation=str(tmp_path / "scores"), manifest=str(tmp_path / "elsewhere.parquet"))
    assert "No confusion" not in page
    assert data(page)["rows"][0]["y"] == [[0], [1], [0]]


def test_the_gallery_is_bounded_and_the_numbers_are_not(tmp_path: Path) -> None:
    rows = [ok_row(f"t{i:03}", "red" if i % 4 else "blue") for i in range(80)]
    rows += [failed_row(f"x{i}") for i in range(20)]
    labels = {f"t{i:03}": [1, 0, 0, 0, 0] for i in range(10)}
    out = write_result(tmp_path, rows, labels)
    page = written(out, limit=20, evaluation=str(tmp_path / "scores"))
    shown = data(page)["rows"]
    assert len(shown) == 20
    assert sum("error" in row for row in shown) == 4
    assert sum("y" in row for row in shown) == 10
    labelled = pa.table({"tracklet_id": list(labels)})
    result = FinishedRun(str(out))
    assert result.sample(20, labelled)["tracklet_id"].to_pylist() == [row["id"] for row in shown]
    assert [len(result.sample(limit, None)) for limit in (0, 1, 99, 100, 1000)] == [0, 1, 99, 100, 100]
    assert data(page)["charts"][0]["distribution"]["shares"] == [0.75, 0.25, 0.0]
    assert "A random sample of <b>20</b> of 100 tracklets" in page


def test_questions_to_the_table(tmp_path: Path) -> None:
    rows = [*ROWS, failed_row("e", "video-damaged", "x" * 400), failed_row("f")]
    result = FinishedRun(str(write_result(tmp_path, rows)))
    assert [g.score_fields for g in result.groups] == [g.score_fields for g in SCHEMA.groups]
    assert result.distribution(result.groups[0]) == {"red": 1, "blue": 1, "green": 1}
    assert result.distribution(result.groups[1]) == {"no": 2, "yes": 1}
    assert result.cameras() == [("1", 3, 0), ("2", 3, 3)]
    first, second = result.failures()
    assert (first["code"], first["count"]) == ("video-not-found", 2)
    assert sorted(first["examples"]) == [("c", "cannot read it"), ("f", "cannot read it")]
    assert second["examples"] == [("e", "x" * 300)]


def test_hostile_texts_are_escaped_in_the_template_too(tmp_path: Path) -> None:
    hostile = "</script><img src=x onerror=alert(1)>\n\u2028'\"" + "y" * 10_000
    page = written(write_result(tmp_path, [failed_row(hostile, message=hostile), ok_row("a" + hostile)]))
    assert "<img" not in page
    assert [row["id"] for row in data(page)["rows"]] == [hostile, "a" + hostile]


def test_s3_in_s3_out(tmp_path: Path, s3: Callable[[], str]) -> None:
    bucket = s3()
    write_result(tmp_path, ROWS, LABELS)
    for file in [*tmp_path.rglob("*.parquet"), *tmp_path.rglob("*.json")]:
        storage.write_bytes(f"{bucket}/{file.relative_to(tmp_path)}", file.read_bytes())
    options = ReportOptions(
        predictions=f"{bucket}/out",
        output=f"{bucket}/report.html",
        evaluation=f"{bucket}/scores",
        manifest=f"{bucket}/manifest.parquet",
    )
    assert run_report(options).notes == ()
    rows = data(storage.read_bytes(f"{bucket}/report.html").decode())["rows"]
    assert [row["id"] for row in rows] == ["a", "b", "c", "d"]
    assert rows[0]["y"] == [[0], [1], [0]]


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"has no run\.json"):
        run_report(ReportOptions(str(tmp_path), str(tmp_path / "x.html")))
    with pytest.raises(UsageError, match="--limit is -1"):
        ReportOptions("a", "b", limit=-1)
    out = write_result(tmp_path, ROWS)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(OutputError, match="is not what `parjob evaluate` writes"):
        written(out, evaluation=str(tmp_path))
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("mine", ["out/run.json", "manifest.parquet", "scores/metrics.json"])
def test_the_page_takes_no_place_but_a_pages(mine: str, tmp_path: Path) -> None:
    out = write_result(tmp_path, ROWS, LABELS)
    before = (tmp_path / mine).read_bytes()
    with pytest.raises(UsageError, match="exists and is no HTML page"):
        run_report(ReportOptions(str(out), str(tmp_path / mine), str(tmp_path / "scores")))
    assert (tmp_path / mine).read_bytes() == before
    with pytest.raises(UsageError, match="lies among the table's files"):
        run_report(ReportOptions(str(out), str(out / "attributes" / "page.html")))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="exists and is no file"):
        run_report(ReportOptions(str(out), str(tmp_path / "pipe")))
    (tmp_path / "report.html").touch()
    page = written(out)
    assert written(out) == page


@pytest.mark.parametrize("place", ["s3://bucket/page.html", "page.html"])
def test_a_bucket_need_not_be_readable_a_local_file_has_to_be(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = write_result(tmp_path, ROWS)
    open_reader, pages = storage.open_reader, {}

    def denied(uri: str, **options: Any) -> Any:
        if uri.endswith("page.html"):
            raise storage.PlaceError(f"cannot read {uri}: access denied", storage.Reason.ACCESS_DENIED)
        return open_reader(uri, **options)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(storage, "open_reader", denied)
    monkeypatch.setattr(storage, "write_bytes", pages.__setitem__)
    if storage.is_local(place):
        with pytest.raises(StorageError, match="access denied"):
            run_report(ReportOptions(str(out), place))
    else:
        run_report(ReportOptions(str(out), place))
        assert b"4 tracklets" in pages[place]


def rewrite_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_evaluation_of_another_run_or_schema_is_refused(tmp_path: Path) -> None:
    out = write_result(tmp_path, ROWS, LABELS)
    metrics = tmp_path / "scores" / "metrics.json"
    rewrite_json(metrics, run_id="other")
    with pytest.raises(OutputError, match=r"scores run other \(.*out\), and .* is run abc: run `parjob evaluate`"):
        written(out, evaluation=str(metrics))
    rewrite_json(metrics, groups={"age": {}})
    with pytest.raises(OutputError, match=r"scores 'age', which .* does not have"):
        written(out, evaluation=str(metrics))
    rewrite_json(metrics, groups=[])
    with pytest.raises(OutputError, match="is not what `parjob evaluate` writes"):
        written(out, evaluation=str(metrics))


def test_groups_are_found_by_their_columns(tmp_path: Path) -> None:
    """The evaluation names them as the schema does, run.json as the table."""
    out = write_result(tmp_path, ROWS, LABELS)
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    before = written(out, evaluation=str(tmp_path / "scores"))
    for part in (metrics, metrics["constant"], metrics["intervals"]):
        part["groups"]["Top Color"] = part["groups"].pop("top_color")
    (tmp_path / "scores" / "metrics.json").write_text(json.dumps(metrics))
    assert written(out, evaluation=str(tmp_path / "scores")) == before


def test_labels_are_found_from_another_folder_and_by_a_schema_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = write_result(tmp_path, ROWS, LABELS)
    rows = [{"tracklet_id": i, "image_uris": [str(tmp_path / "a.png")], "labels": LABELS[i]} for i in LABELS]
    write_manifest(str(tmp_path / "bare.parquet"), rows)
    (tmp_path / "own.toml").write_text(SCHEMA.to_toml())
    monkeypatch.chdir(tmp_path)
    run_evaluation(EvaluateOptions("bare.parquet", "out", "by-hand", schema="own.toml", resamples=20))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    rows = data(written(out, evaluation="../by-hand"))["rows"]
    assert [row.get("y") for row in rows] == [[[0], [1], [0]], [[0], [0], None], [[2], [0], [1]], None]


def test_folders_named_after_attributes_and_times(tmp_path: Path) -> None:
    out = write_result(tmp_path, ROWS, LABELS)
    flat = data(written(out))["rows"]
    place = out / "attributes"
    table = pq.read_table(place / "part-00000.parquet")
    shutil.rmtree(place)
    times = pa.array([datetime(2026, 5, 1, 8, 0, 1, 250_000, UTC), None] * 2, pa.timestamp("ms", "UTC"))
    table = table.append_column("start_time", times)
    with TableWriter(str(place), table.schema, ["backpack", "num_frames", "start_time"]) as writer:
        writer.write(table)
    rewrite_json(out / "run.json", partitions={"backpack": "bool", "num_frames": "int32", "start_time": "any"})
    rows = data(written(out))["rows"]
    assert [row.pop("time", None) for row in rows] == ["2026-05-01 08:00:01", None] * 2
    assert rows == flat


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("cut", "cannot read .*attributes as a table"),
        ("empty", "has no column 'tracklet_id'"),
        ("column", "has no column 'backpack'"),
        ("value", "'d' has 'mauve' for top_color"),
        ("nan", "'d' is recognised, but its score of hat is nan"),
        ("null", "'d' is recognised, but its score of .* is None"),
        ("summary", "is not the output of `parjob infer`"),
    ],
)
def test_a_damaged_table_is_named(change: str, said: str, tmp_path: Path) -> None:
    row = {"value": {"top_color": "mauve"}, "nan": {}, "null": {"scores": None}}.get(change, {})
    hat = float("nan") if change == "nan" else 0.1
    out = write_result(tmp_path, [*ROWS[:3], ok_row("d", "green", hat=hat, **row)])
    part = out / "attributes" / "part-00000.parquet"
    if change == "cut":
        part.write_bytes(part.read_bytes()[:-9])
    elif change == "empty":
        part.unlink()
    elif change == "column":
        pq.write_table(pq.read_table(part).drop(["backpack"]), part)
    elif change == "summary":
        (out / "run.json").write_text('{"fingerprint": {}, "command": "infer", "schema": {}}')
    with pytest.raises(OutputError, match=said):
        written(out)
    assert not (tmp_path / "report.html").exists()


def test_frames_shown() -> None:
    assert shown_frames([3, 3, 9, 9, 12]) == [3, 9, 12]
    assert shown_frames(list(range(0, 120, 10))) == [10, 30, 50, 70, 90, 110]


def test_a_strip_keeps_the_shape_of_its_crops() -> None:
    tall, wide = np.zeros((256, 64, 3), np.uint8), np.zeros((10, 40, 3), np.uint8)
    image = Image.open(io.BytesIO(strip([tall, wide])))
    assert image.size == (32 + 2 + 96, 128)


def test_what_sampling_by_cost_did_or_would_do_is_said(tmp_path: Path) -> None:
    out = write_result(tmp_path, ROWS)
    summary = json.loads((out / "run.json").read_text())
    decode = summary["stages"]["decode"]
    assert "cheap" not in written(out)
    decode["cheap_sampling"] = {"frames_share": 0.08, "time_share": 0.25}
    (out / "run.json").write_text(json.dumps(summary))
    assert "--sampling cheap would decode 8\u202f% of the frames." in written(out)
    summary["options"] |= {"sampling": "cheap", "decode_budget": 0.2}
    decode |= {"sampled_by_cost": 1234, "cheap_sampling": None}
    for uniformly, said in [
        ({"no_packet_index": 7, "beyond_the_end": 0, "unproven": 2}, "9 (no packet index 7, unproven 2)."),
        ({"no_packet_index": 0, "beyond_the_end": 0, "unproven": 0}, "0."),
    ]:
        decode["sampled_uniformly"] = uniformly
        (out / "run.json").write_text(json.dumps(summary))
        begin = "with 20\u202f% of the decoding that uniform sampling takes: 1\u202f234 tracklets; uniformly: "
        assert begin + said in written(out)
