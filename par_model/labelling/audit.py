"""The page of labels that a model disputes, with crops, beside how far people agree with one another.

Dimension letters: B tracklets, G classes of one group.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from par_model import __version__, storage
from par_model.attributes import AttributeGroup
from par_model.errors import ParError
from par_model.evaluation.job import Scored
from par_model.evaluation.predictions import is_other_models
from par_model.labelling.answers import COLUMN, UNSEEN, LabelAnswer, from_column
from par_model.labelling.disputes import Dispute, disputes, model_confusion, people_confusion
from par_model.labelling.kappa import agreements
from par_model.labelling.merge import Voices, gather_voices
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.progress import Start, unseen
from par_model.report.page import refuse_no_page, render_audit
from par_model.report.thumbnails import MOST_FRAMES, Strip, read_strips
from par_model.sampling import positions
from par_model.table.read import finished_run, refuse_among_files
from par_model.types import Tracklet
from par_model.video.options import DecodeOptions

_NOTHING = "nothing"


@dataclass(frozen=True)
class Audited:
    """What was written: the page, the labels that are disputed, how many of them surely, and how many it shows."""

    output: str
    disputed: int
    sure: int
    shown: int


def audit_place(page: str, predictions: str) -> str:
    """Where the page goes. predictions: as the user named them. Raises UsageError rather than replace something that
    is no page."""
    refuse_among_files(page, predictions, "--audit")
    uri = storage.absolute(page)
    refuse_no_page(uri, page, "--audit")
    return uri


def run_audit(scored: Scored, predictions_uri: str, page: str, most: int, start: Start = unseen) -> Audited:
    """Write the page. scored: what was evaluated, and predictions_uri: as the user named it. most: labels to show.

    start: is told how many tracklets' crops will be read, and gives what counts them. Crops that cannot be read are
    said so on the page. Raises ParError.
    """
    output = audit_place(page, predictions_uri)
    schema, labels, predictions = scored.schema, scored.labels, scored.predictions
    found = disputes(labels.values, predictions.answers, schema, predictions.untrained)
    sure = sum(dispute.is_sure for dispute in found)
    notes: list[str] = []
    voices = _voices(scored, notes)
    shown = found[:most]
    strips = _strips(scored, [labels.ids[dispute.at] for dispute in shown], _decoding(predictions_uri), start)
    kappas = {agreement.group: agreement.kappa for agreement in agreements(voices, schema)}
    groups = [
        _group(group, span, scored, voices)
        | {"kappa": kappas.get(group.name), "disputed": sum(dispute.group == group.name for dispute in found)}
        for group, span in schema.spans()
        if (labels.values[:, span] >= 0).any() and predictions.untrained.isdisjoint(group.score_fields)
    ]
    html = render_audit(
        {
            "manifest": scored.manifest.uri,
            "predictions": predictions_uri,
            "split": scored.split,
            "labelled": len(labels),
            "disputed": len(found),
            "sure": sure,
            "shown": len(shown),
            "notes": notes,
            "groups": groups,
            "disputes": [_card(dispute, labels.ids[dispute.at], strips, voices) for dispute in shown],
            "version": __version__,
        }
    )
    storage.write_bytes(output, html.encode())
    return Audited(page, len(found), sure, len(shown))


def _voices(scored: Scored, notes: list[str]) -> Voices:
    """What people said of the tracklets that are scored, where the manifest keeps it."""
    if COLUMN not in scored.manifest.column_names:
        notes.append("The manifest does not say who labelled what, so that nothing is known of how far people agree.")
        return {}
    wanted = set(scored.labels.ids)
    said: list[LabelAnswer] = []
    try:
        for batch in scored.manifest.iter_batches(["tracklet_id", COLUMN]):
            ids = batch.column("tracklet_id").to_pylist()
            said += from_column(ids, batch.column(COLUMN), scored.schema, f"manifest {scored.manifest.uri}")
    except ParError as error:
        notes.append(f"Who labelled what cannot be read: {error}")
        return {}
    return gather_voices(one for one in said if one.tracklet_id in wanted)


def _group(group: AttributeGroup, span: slice, scored: Scored, voices: Voices) -> dict[str, Any]:
    answers, labels_BG = scored.predictions.answers, scored.labels.values[:, span]
    model = model_confusion(group, labels_BG, answers.decided[:, span], answers.answered)
    people = people_confusion(group, voices)
    return {
        "name": group.name,
        "kind": group.kind,
        "labelled": int(np.count_nonzero((labels_BG >= 0).any(axis=1))),
        "model": _table(model, group.answers, (*group.answers, _NOTHING)),
        "people": _table(people, (*group.answers, UNSEEN), (*group.answers, UNSEEN)) if people.any() else None,
    }


def _table(counts: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str]) -> dict[str, Any]:
    """Cells of count, share of their row, and that share in tenths (the shade of the cell)."""
    cells = []
    for row in counts.tolist():
        total = sum(row) or 1
        cells.append([{"count": n, "share": n / total, "shade": -(-10 * n // total)} for n in row])
    alike = float(np.trace(counts) / counts.sum()) if counts.any() else None
    return {"rows": rows, "columns": columns, "counts": cells, "alike": alike}


def _card(dispute: Dispute, tracklet_id: str, strips: dict[str, Strip], voices: Voices) -> dict[str, Any]:
    strip = strips[tracklet_id]
    said = voices.get(tracklet_id, {}).get(dispute.group, {}).values()
    return asdict(dispute) | {
        "id": tracklet_id,
        "picture": None if strip.webp is None else base64.b64encode(strip.webp).decode(),
        "missing": strip.missing,
        "voices": [
            {"author": of.author, "answer": of.answer or UNSEEN, "time": f"{of.time:%Y-%m-%d %H:%M} UTC"} for of in said
        ],
    }


def _decoding(predictions: str) -> dict[str, Any]:
    """How the run read its frames, as far as its record tells; damaged frames are shown as they are."""
    told = {} if is_other_models(predictions) else finished_run(predictions).get("options", {})
    return asdict(DecodeOptions()) | told | {"damaged": "use"}


def _strips(scored: Scored, ids: Sequence[str], decoding: dict[str, Any], start: Start) -> dict[str, Strip]:
    """Crops of these tracklets, spread evenly over each."""
    wanted = list(dict.fromkeys(ids))
    found: dict[str, Strip] = {}
    frames: dict[str, list[int]] = {}
    for batch in scored.manifest.iter_batches(TRACKLET_COLUMNS):
        chosen = batch.filter(pc.is_in(batch.column("tracklet_id"), pa.array(wanted, pa.string())))
        for row in tracklets(chosen) if chosen.num_rows else ():
            if isinstance(row, Tracklet):
                at = np.unique(positions(row.num_frames, MOST_FRAMES, "uniform"))
                frames[row.tracklet_id] = (at if row.frame_indices is None else row.frame_indices[at]).tolist()
            else:
                found[row.tracklet_id] = Strip(None, missing=f"{row.code}: {row.message}")
    rows = pa.table(
        {
            "tracklet_id": pa.array(list(frames), pa.string()),
            "sampled_frames": pa.array(list(frames.values()), pa.list_(pa.int32())),
        }
    )
    return found | read_strips(scored.manifest, rows, decoding, start(len(frames)))
