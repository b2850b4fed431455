"""Rows of a video with what was said of their tracks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from par_model.attributes import AttributeClass, AttributeGroup, AttributeSchema
from par_model.errors import ManifestError
from par_model.manifest.importers.labelling import label_rows, name_rows, read_label_file, votes_of
from par_model.manifest.importers.tracks import Track, Tracks
from par_model.manifest.importers.videos import Imported

SCHEMA = AttributeSchema("small", (AttributeGroup("hat", "binary", (AttributeClass("hat", "a hat"),)),))
TRACK = Track(np.array([3], np.int64), np.ones((1, 4), np.float32))
IMPORTED = Imported([{"tracklet_id": "cam-7"}, {"tracklet_id": "cam-8"}], Tracks({"7": TRACK, "8": TRACK}))
OTHER = Imported([{"tracklet_id": "b-7"}], Tracks({"7": TRACK}), {"7": {"hat": Counter({"no": 1})}})


def test_tracks_get_the_labels_that_their_votes_say_and_others_are_not_annotated() -> None:
    votes = {"cam-7": {"hat": Counter({"true": 2, "false": 1})}} | votes_of([IMPORTED, OTHER])
    found = label_rows([IMPORTED, OTHER], votes, SCHEMA, "a.csv")
    assert [row["labels"] for row in found.rows] == [[1], [-1], [0]]
    assert [row["tracklet_id"] for row in found.rows] == ["cam-7", "cam-8", "b-7"]


def test_a_track_may_bring_an_id_of_its_own_if_no_other_has_it() -> None:
    named = name_rows(IMPORTED, {"7": "anna"}, "a.xml")
    assert [row["tracklet_id"] for row in named.rows] == ["anna", "cam-8"]
    with pytest.raises(ManifestError, match=r"^a\.xml: two tracks are called 'cam-8': choose another --id-prefix$"):
        name_rows(IMPORTED, {"7": "cam-8"}, "a.xml")


def test_a_file_of_labels_knows_tracks_by_either_id_however_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("track_id,hat\n07.0,yes\ncam-8,no\n9,yes\n")
    found = read_label_file(str(path), [IMPORTED])
    assert found.votes == {"cam-7": {"hat": Counter({"yes": 1})}, "cam-8": {"hat": Counter({"no": 1})}}
    assert list(found.no_tracks) == ["9"]


def test_a_track_of_two_videos_is_called_by_its_tracklet_id(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("id,hat\nb-7,yes\n8,no\n")
    assert read_label_file(str(path), [IMPORTED, OTHER]).votes.keys() == {"b-7", "cam-8"}
    path.write_text("id,hat\n7,yes\n")
    with pytest.raises(ManifestError, match=r"line 2: '7' is a track of 2 videos: write tracklet ids, such as 'cam-7'"):
        read_label_file(str(path), [IMPORTED, OTHER])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,hat\n7,yes\n", "has no column of ids (tracklet_id, track_id, id); it has name, hat"),
        ("id\n7\n", "has no column of labels beside 'id'"),
        ("id,hat\n7,yes\ncam-7,no\n", "line 3: 'cam-7' is there twice"),
        ("id,hat\n1,yes\n", "no id in column 'id' is one of the tracks, for example '1'"),
    ],
)
def test_a_file_that_names_no_track_or_one_twice_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_label_file(str(path), [IMPORTED])
    assert said in str(caught.value)
