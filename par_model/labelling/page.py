"""The page on which a person answers: crops of each tracklet, the schema's groups, a key for each answer.

It is one file that needs no network, and keeps the answers in the browser until they are saved as a file in the form
that ``labelling/answers.py`` reads.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from par_model import __version__, storage, times
from par_model.attributes import AttributeGroup, AttributeSchema, load_schema
from par_model.errors import ManifestError
from par_model.labelling.choose import BY, RANK, WHY
from par_model.labelling.options import LabelPageOptions
from par_model.manifest.labels import schema_of_labels
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.manifest.tracklets import TRACKLET_COLUMNS, tracklets
from par_model.progress import Start, unseen
from par_model.report.page import json_in_html, refuse_no_page, render_label
from par_model.report.run import FinishedRun
from par_model.sampling import Sampling
from par_model.table.read import refuse_among_files
from par_model.types import Failure, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.stage import DecodeStage

MOST = 5000  # tracklets on one page: a browser has all of it in memory
_HEIGHT, _WIDTH = 384, 288  # of a crop on the page, in pixels, at most
_QUALITY = 80


@dataclass(frozen=True)
class LabelPage:
    """What was made: the file, its size, its tracklets, those without crops, groups, and of how many of these tracklets
    and groups there is a prediction to accept."""

    output: str
    bytes: int
    tracklets: int
    without_crops: int
    groups: int
    predicted_tracklets: int
    predicted_groups: int


@dataclass
class _Card:
    """A tracklet on the page. order: where it belongs. crops: WebP. predicted: by group the answer and its share."""

    order: tuple[int, int]
    tracklet: Tracklet | Failure
    facts: dict[str, Any]
    crops: list[bytes] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    missing: str | None = None
    predicted: list[tuple[int, float] | None] = field(default_factory=list)


def run_label_page(options: LabelPageOptions, start: Start = unseen) -> LabelPage:
    """Write the page. ``start`` is told the number of tracklets whose crops will be read, and gives what counts them.

    Tracklets whose crops cannot be read are on the page too, with the reason. Raises ManifestError where the manifest
    cannot be labelled, SchemaError, OutputError where the predictions are none, StorageError.
    """
    output = storage.absolute(options.output)
    if options.predictions is not None:
        refuse_among_files(options.output, options.predictions)
    refuse_no_page(output, options.output)
    manifest = Manifest.open(options.manifest)
    schema = schema_of_labels(manifest, None if options.schema is None else load_schema(options.schema))
    refuse_ambiguous(manifest, None)
    if manifest.num_rows > MOST:
        raise ManifestError(
            f"manifest {options.manifest}: has {manifest.num_rows} tracklets, and a page takes {MOST} at most: choose "
            "some with `parjob label choose`"
        )
    cards = _cards(manifest, blind=options.blind)
    if options.predictions is not None:
        run = FinishedRun(options.predictions)
        if not options.blind:
            _predict(cards, schema, run)
    _read_crops(cards, options.crops, start(len(cards)))
    page = render_label(_context(options, schema, cards)).encode()
    storage.write_bytes(output, page)
    predicted = [card.predicted for card in cards if any(card.predicted)]
    return LabelPage(
        output=options.output,
        bytes=len(page),
        tracklets=len(cards),
        without_crops=sum(not card.crops for card in cards),
        groups=len(schema.groups),
        predicted_tracklets=len(predicted),
        predicted_groups=sum(any(of) for of in zip(*predicted, strict=True)),
    )


def _cards(manifest: Manifest, *, blind: bool) -> list[_Card]:
    """All rows, by rank where they have one."""
    told = [name for name in ("camera_id", "start_time", RANK.name, BY.name, WHY.name) if name in manifest.schema.names]
    cards = []
    for batch in manifest.iter_batches([*TRACKLET_COLUMNS, *told]):
        for facts, tracklet in zip(times.to_pylist(batch.select(told)), tracklets(batch), strict=True):
            rank = facts.get(RANK.name)
            order = (rank if isinstance(rank, int) else manifest.num_rows + 1, tracklet.row)
            cards.append(_Card(order, tracklet, _facts(facts, tracklet, blind=blind)))
    return sorted(cards, key=lambda card: card.order)


def _facts(told: dict[str, Any], tracklet: Tracklet | Failure, *, blind: bool) -> dict[str, Any]:
    """What the page says of a tracklet; why it was chosen tells what is predicted, so not to one who shall not know."""
    time = told.get("start_time")
    return {
        "id": tracklet.tracklet_id,
        "camera": told.get("camera_id"),
        "time": None if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "n": tracklet.num_frames,
        "why": None if blind else told.get(WHY.name),
    }


def _predict(cards: Sequence[_Card], schema: AttributeSchema, run: FinishedRun) -> None:
    """Let the cards know what the run says, of the groups that its schema has too."""
    same = {(group.kind, group.column): group for group in run.groups}
    rows = {row["tracklet_id"]: row for row in run.answers_of([c.tracklet.tracklet_id for c in cards]).to_pylist()}
    for card in cards:
        row = rows.get(card.tracklet.tracklet_id)
        known = row is not None
        card.predicted = [
            _prediction(group, row) if known and (group.kind, group.column) in same else None for group in schema.groups
        ]


def _prediction(group: AttributeGroup, row: dict[str, Any] | None) -> tuple[int, float] | None:
    """Which of the group's keys is predicted, and how sure the model is of it."""
    assert row is not None
    said, score = row[group.column], row[f"{group.column}_score"]
    if said is None or score is None:
        return None
    if group.kind == "binary":
        return (0, score) if said == "true" else (1, 1 - score)
    return (group.values.index(said), score) if said in group.values else None


def _read_crops(cards: Sequence[_Card], count: int, advance: Callable[[int], None]) -> None:
    by_row = {card.tracklet.row: card for card in cards}
    wanted = sorted(
        (card.tracklet for card in cards),
        key=lambda t: (isinstance(t, Failure) or t.video_uri is None, getattr(t, "video_uri", None) or "", t.row),
    )
    stage = DecodeStage(None, Sampling("uniform", count), DecodeOptions(damaged="use"))
    try:
        for result in stage(wanted):
            card = by_row[result.row]
            if isinstance(result, Failure):
                card.missing = f"{result.code}: {result.message}"
            else:
                once = dict(zip(result.sampled_frames.tolist(), result.images, strict=True))
                card.frames, card.crops = list(once), [_webp(image) for image in once.values()]
            advance(1)
    finally:
        stage.close()


def _webp(pixels: NDArray[np.uint8]) -> bytes:
    """A crop uint8 [h, w, 3] in its own size, or smaller where it is larger than the page shows it."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    scale = min(1.0, _WIDTH / image.width, _HEIGHT / image.height)
    if scale < 1.0:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    data = io.BytesIO()
    image.save(data, "WEBP", quality=_QUALITY, method=4)
    return data.getvalue()


def _context(options: LabelPageOptions, schema: AttributeSchema, cards: Sequence[_Card]) -> dict[str, Any]:
    toml = schema.to_toml()
    return {
        "version": __version__,
        "count": len(cards),
        "manifest": options.manifest,
        "schema": schema.name,
        "data": {
            "tool": f"parjob label page {__version__}",
            "author": options.author,
            "schema": toml,
            "schema_name": schema.name,
            "schema_sha256": hashlib.sha256(toml.encode()).hexdigest(),
            "manifest": options.manifest,
            "tracklets_sha256": _fingerprint(cards),
            "blind": options.blind,
            "groups": [{"name": group.name, "answers": answers_in_order(group)} for group in schema.groups],
            "tracklets": [
                card.facts
                | {"frames": card.frames, "missing": card.missing}
                | ({"predicted": [p and [p[0], round(p[1], 3)] for p in card.predicted]} if card.predicted else {})
                for card in cards
            ],
        },
        "blocks": list(_blocks(cards)),
    }


def _fingerprint(cards: Sequence[_Card]) -> str:
    """Of these tracklets, under which the browser keeps their answers. Ids alone do not tell two days of a camera
    apart; folders are left out, since an archive may move."""
    found = hashlib.sha256()
    for card in cards:
        of = card.tracklet
        uris: Sequence[str] = ()
        parts: list[Any] = []
        if isinstance(of, Tracklet):
            uris = of.image_uris or ([of.video_uri] if of.video_uri else ())
            parts = [None if told is None else told.tolist() for told in (of.frame_indices, of.boxes)]
        found.update(json.dumps([of.tracklet_id, [storage.name(uri) for uri in uris], *parts]).encode() + b"\n")
    return found.hexdigest()


def answers_in_order(group: AttributeGroup) -> list[str]:
    """The answers as the page's keys have them: yes before no, or the values."""
    return list(reversed(group.answers)) if group.kind == "binary" else list(group.answers)


def _blocks(cards: Sequence[_Card]) -> Iterator[Any]:
    """Each tracklet's crops in base64; a browser parses those of the one that it shows."""
    for card in cards:
        yield json_in_html([base64.b64encode(crop).decode() for crop in card.crops])
