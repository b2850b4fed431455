"""From a finished run, and an evaluation of it if there is one, to the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from par_model import storage, times
from par_model.attributes import AttributeGroup
from par_model.attributes.attribute_schema import field_name
from par_model.documents import DocumentError, read_document
from par_model.errors import OutputError, ParError
from par_model.manifest.read import Manifest
from par_model.progress import Start, unseen
from par_model.report.figures import class_figures, group_figures
from par_model.report.gallery import BLOCK, gallery_rows, thumbnail_blocks
from par_model.report.labels import NOTHING, Truth, read_truth
from par_model.report.options import ReportOptions
from par_model.report.page import json_in_html, refuse_no_page, render
from par_model.report.run import FinishedRun
from par_model.report.thumbnails import Strip, read_strips
from par_model.table.read import refuse_among_files


@dataclass(frozen=True)
class _Metrics:
    """What the page needs of metrics.json."""

    manifest: str
    schema: str
    split: str | None
    counts: dict[str, int]
    classes: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Any]]
    constant: dict[str, Any]
    intervals: dict[str, Any]
    means: dict[str, float | None]


@dataclass(frozen=True)
class Written:
    """What was made: the file, its size, its tracklets, those without crops, and notes on what could not be had."""

    output: str
    bytes: int
    tracklets: int
    without_crops: int
    notes: tuple[str, ...]


def run_report(options: ReportOptions, start: Start = unseen) -> Written:
    """Write the page. ``start`` is told the number of tracklets whose crops will be read, and gives what counts them.

    Crops or labels that cannot be had any more are notes on the page. Raises ParError where the run or the evaluation
    itself cannot be read.
    """
    result = FinishedRun(options.predictions)
    output = _page_place(options)
    metrics = None if options.evaluation is None else read_metrics(options.evaluation)
    if metrics is not None:
        _refuse_other_run(str(options.evaluation), metrics, result)
    notes: list[str] = []
    truth = None if metrics is None else _truth(options, result, metrics, notes)
    rows = result.sample(options.limit, None if truth is None else truth.ids)
    strips = _strips(options, result, rows, start, notes)
    ids = rows["tracklet_id"].to_pylist()
    right = {} if truth is None else truth.right_answers(ids)
    confusion = {} if truth is None else truth.confusion(result.answers())
    groups = [_group(result, group, metrics, confusion) for group in result.groups]
    page = render(
        {
            "run": result.record,
            "started": _when(result.record["started"]),
            "metrics": metrics,
            "groups": groups,
            "failures": result.failures(),
            "cameras": result.cameras(),
            "notes": notes,
            "shown": len(ids),
            "nothing": NOTHING,
            "data": {
                "groups": [{"name": g.name, "kind": g.kind, "answers": g.answers} for g in result.groups],
                "rows": gallery_rows(times.to_pylist(rows), result.groups, strips, right),
                "block": BLOCK,
                "charts": [{k: g[k] for k in ("name", "distribution", "labelled", "reliability")} for g in groups],
            },
            "blocks": [json_in_html(block) for block in thumbnail_blocks(ids, strips)],
        }
    ).encode()
    storage.write_bytes(output, page)
    bare = sum(strip.webp is None for strip in strips.values())
    return Written(output, len(page), len(ids), bare, tuple(notes))


def read_metrics(uri: str) -> dict[str, Any]:
    """metrics.json below the folder ``uri``, or that file, its groups by the names of the table's columns. Raises
    OutputError if it is not one."""
    place = storage.absolute(uri)
    if not place.endswith(".json"):
        place = storage.join(place, "metrics.json")
    try:
        metrics: dict[str, Any] = json.loads(storage.read_bytes(place))
    except ValueError as error:
        raise OutputError(f"{place} is not valid JSON ({error}): run `parjob evaluate` again") from error
    try:
        read_document(_Metrics, metrics)
    except DocumentError as error:
        raise OutputError(
            f"{place} is not what `parjob evaluate` writes ({error}): give the folder that its --output named"
        ) from error
    for part in (metrics, metrics["constant"], metrics["intervals"]):
        part["groups"] = {field_name(name): figures for name, figures in part.get("groups", {}).items()}
    return metrics


def _page_place(options: ReportOptions) -> str:
    """Where the page goes. Raises UsageError rather than replace something that is no page, as the run's own
    files, the evaluation or the manifest."""
    refuse_among_files(options.output, options.predictions)
    output = storage.absolute(options.output)
    refuse_no_page(output, options.output)
    return output


def _refuse_other_run(uri: str, metrics: dict[str, Any], result: FinishedRun) -> None:
    known = {group.column for group in result.groups}
    foreign = [name for name in metrics["groups"] if name not in known]
    if foreign:
        raise OutputError(
            f"{uri} scores {foreign[0]!r}, which {result.uri} does not have: it is of another schema; run `parjob "
            f"evaluate` on this run"
        )
    scored, here = metrics.get("run_id"), result.record["run_id"]
    if scored is not None and scored != here:
        raise OutputError(
            f"{uri} scores run {scored} ({metrics.get('predictions')}), and {result.uri} is run {here}: run `parjob "
            f"evaluate` on this run"
        )


def _truth(options: ReportOptions, result: FinishedRun, metrics: dict[str, Any], notes: list[str]) -> Truth | None:
    try:
        return read_truth(metrics, Manifest.open(options.manifest or metrics["manifest"]), result.groups)
    except ParError as error:
        notes.append(f"No confusion and no mistakes are shown, since the labels cannot be read: {error}")
        return None


def _strips(
    options: ReportOptions,
    result: FinishedRun,
    rows: pa.Table,
    start: Start,
    notes: list[str],
) -> dict[str, Strip]:
    recognised = rows.filter(rows["sampled_frames"].is_valid())
    if not len(recognised):
        return {}
    try:
        manifest = Manifest.open(options.manifest or result.record["manifest"]["uri"])
        strips = read_strips(manifest, recognised, result.record["options"], start(len(recognised)))
    except ParError as error:
        notes.append(f"No crops are shown, since the manifest cannot be read (--manifest says where it is): {error}")
        return {}
    missing = sum(strip.webp is None for strip in strips.values())
    if missing:
        notes.append(f"The crops of {missing} tracklets could not be read again; their cards say why.")
    return strips


def _group(
    result: FinishedRun, group: AttributeGroup, metrics: dict[str, Any] | None, confusion: dict[str, Any]
) -> dict[str, Any]:
    """All that the page shows of a group."""
    counts = result.distribution(group)
    total = sum(counts.values())
    figures = None if metrics is None else group_figures(metrics, group)
    classes = []
    for field, value in zip(group.score_fields, group.values, strict=True):
        said = counts["yes" if group.kind == "binary" else value]
        of_class = None if metrics is None else class_figures(metrics, field)
        classes.append({"value": value, "said": said, "share": said / total if total else None, "figures": of_class})
    return {
        "name": group.name,
        "kind": group.kind,
        "names": group.values,
        "classes": classes,
        "total": total,
        "figures": figures,
        "distribution": {"labels": list(counts), "shares": [n / total if total else 0 for n in counts.values()]},
        "labelled": _labelled_shares(group, classes),
        "reliability": figures["reliability"] if figures else None,
        "confusion": _confusion(confusion.get(group.name)),
    }


def _labelled_shares(group: AttributeGroup, classes: list[dict[str, Any]]) -> list[float | None] | None:
    """How common each answer is among the labels."""
    if not any(c["figures"] for c in classes):
        return None
    shares = [c["figures"]["positives"] / c["figures"]["labelled"] if c["figures"] else None for c in classes]
    return [1 - (shares[0] or 0.0), shares[0]] if group.kind == "binary" else shares


def _confusion(counts: Any) -> list[list[dict[str, Any]]] | None:
    """Cells of count, share of their row, and that share in tenths (the shade of the cell)."""
    if counts is None:
        return None
    table = []
    for row in counts.tolist():
        total = sum(row) or 1
        table.append([{"count": n, "share": n / total, "shade": -(-10 * n // total)} for n in row])
    return table


def _when(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%-d %B %Y, %H:%M %Z")
