"""Labels beside the tracks of a video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from par_model.attributes import AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.importers.attribute_votes import VotedLabels, Votes, count_votes, vote
from par_model.manifest.importers.columns import read_sheet
from par_model.manifest.importers.track_ids import track_id
from par_model.manifest.importers.videos import Imported

_ID_COLUMNS = ("tracklet_id", "track_id", "id")


@dataclass(frozen=True)
class LabelledRows:
    """Rows of a manifest with their labels, and how these came about."""

    rows: list[dict[str, Any]]
    voted: VotedLabels


def label_rows(imported: Imported, votes: Votes, schema: AttributeSchema, origin: str) -> LabelledRows:
    """A video's rows with labels; tracks that say nothing are not annotated. Raises as ``count_votes``."""
    voted = count_votes({name: votes.get(name, {}) for name in imported.tracks.by_id}, schema, origin)
    names = imported.tracks.by_id.keys()
    rows = [row | {"labels": list(voted.labels[name])} for name, row in zip(names, imported.rows, strict=True)]
    return LabelledRows(rows, voted)


def name_rows(imported: Imported, whole_ids: Mapping[str, str], origin: str) -> Imported:
    """A video's rows, those tracks that bring a tracklet_id of their own having that.

    Raises ManifestError where two rows would then have the same.
    """
    names = imported.tracks.by_id.keys()
    rows = [
        row | {"tracklet_id": whole_ids.get(name, row["tracklet_id"])}
        for name, row in zip(names, imported.rows, strict=True)
    ]
    twice = [name for name, count in Counter(row["tracklet_id"] for row in rows).items() if count > 1]
    if twice:
        raise ManifestError(f"{origin}: two tracks are called {twice[0]!r}: choose another --id-prefix")
    return Imported(rows, imported.tracks)


@dataclass(frozen=True)
class LabelFile:
    """Votes of a table with one row a track, and its ids that are none of the tracks."""

    votes: Votes
    no_tracks: Sequence[str]


def read_label_file(uri: str, imported: Imported) -> LabelFile:
    """What a CSV file says of tracks, in the columns beside that of their ids (tracklet_id, track_id or id).

    Raises ManifestError where no column is of ids, an id is there twice, or none is one of the tracks.
    """
    sheet = read_sheet(uri)
    column = next((name for name in _ID_COLUMNS if name in sheet.header), None)
    if column is None:
        raise ManifestError(f"{uri}: has no column of ids ({', '.join(_ID_COLUMNS)}); it has {', '.join(sheet.header)}")
    known = {row["tracklet_id"]: name for name, row in zip(imported.tracks.by_id, imported.rows, strict=True)}
    known |= {name: name for name in imported.tracks.by_id}
    votes: Votes = {}
    no_tracks: list[str] = []
    for cell, row, line in zip(sheet.column(column), sheet.rows, sheet.lines, strict=True):
        name = known.get(cell.strip(), known.get(_spelt(cell)))
        if name is None:
            no_tracks.append(cell)
            continue
        if name in votes:
            raise ManifestError(f"{uri}, line {line}: {cell!r} is there twice")
        for attribute, value in zip(sheet.header, row, strict=True):
            if attribute != column:
                vote(votes, name, attribute, value)
    if not votes:
        example = f", for example {no_tracks[0]!r}" if no_tracks else ""
        raise ManifestError(f"{uri}: no id in column {column!r} is one of the tracks{example}")
    return LabelFile(votes, no_tracks)


def _spelt(cell: str) -> str:
    """A cell as ``track_id`` spells it, itself where it is no track id."""
    try:
        return track_id(cell)
    except ValueError:
        return cell
