"""Labels beside the tracks of videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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


def label_rows(videos: Sequence[Imported], votes: Votes, schema: AttributeSchema, origin: str) -> LabelledRows:
    """Rows of videos with labels; tracklets that say nothing are not annotated. votes: by tracklet id. Raises as
    ``count_votes``."""
    rows = [row for of_video in videos for row in of_video.rows]
    voted = count_votes({row["tracklet_id"]: votes.get(row["tracklet_id"], {}) for row in rows}, schema, origin)
    return LabelledRows([row | {"labels": list(voted.labels[row["tracklet_id"]])} for row in rows], voted)


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
    return replace(imported, rows=rows)


def votes_of(videos: Sequence[Imported]) -> Votes:
    """What the tracks of videos say of attributes, by tracklet id, of those that say anything."""
    return {
        row["tracklet_id"]: of_video.votes[name]
        for of_video in videos
        for name, row in zip(of_video.tracks.by_id, of_video.rows, strict=True)
        if name in of_video.votes
    }


@dataclass(frozen=True)
class LabelFile:
    """Votes of a table with one row a track, by tracklet id, and its ids that are none of the tracks."""

    votes: Votes
    no_tracks: Sequence[str]


def read_label_file(uri: str, videos: Sequence[Imported]) -> LabelFile:
    """What a CSV file says of tracks, in the columns beside that of their ids (tracklet_id, track_id or id), which are
    tracklet ids or, where no two videos have such a track, ids of tracks.

    Raises ManifestError where no column is of ids or no other one is there, an id is there twice, is of several videos,
    or none is one of the tracks.
    """
    sheet = read_sheet(uri)
    column = next((name for name in _ID_COLUMNS if name in sheet.header), None)
    if column is None:
        raise ManifestError(f"{uri}: has no column of ids ({', '.join(_ID_COLUMNS)}); it has {', '.join(sheet.header)}")
    if len(sheet.header) == 1:
        raise ManifestError(f"{uri}: has no column of labels beside {column!r}")
    known: dict[str, list[str]] = {}
    for of_video in videos:
        for name, row in zip(of_video.tracks.by_id, of_video.rows, strict=True):
            known.setdefault(name, []).append(row["tracklet_id"])
    known |= {row["tracklet_id"]: [row["tracklet_id"]] for of_video in videos for row in of_video.rows}
    votes: Votes = {}
    no_tracks: list[str] = []
    for cell, cells, line in zip(sheet.column(column), sheet.rows, sheet.lines, strict=True):
        found = known.get(cell.strip()) or known.get(_spelt(cell))
        if found is None:
            no_tracks.append(cell)
            continue
        if len(found) > 1:
            raise ManifestError(
                f"{uri}, line {line}: {cell!r} is a track of {len(found)} videos: write tracklet ids, such as "
                f"{found[0]!r}"
            )
        if found[0] in votes:
            raise ManifestError(f"{uri}, line {line}: {cell!r} is there twice")
        for attribute, value in zip(sheet.header, cells, strict=True):
            if attribute != column:
                vote(votes, found[0], attribute, value)
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
