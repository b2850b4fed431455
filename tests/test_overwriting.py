"""What an output must not replace."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from par_model import storage
from par_model.errors import UsageError
from par_model.manifest import write_manifest
from par_model.overwriting import refuse_other_kind


def refuse(uri: str) -> None:
    refuse_other_kind(uri, f"--output {uri}", "letter", lambda start: start.startswith(b"Dear"))


def test_a_file_of_another_kind_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "x"
    refuse(str(file))
    for content in (b"", b"Dear all"):
        file.write_bytes(content)
        refuse(str(file))
    file.write_bytes(b"1,2,3")
    with pytest.raises(UsageError, match="exists and is no letter: choose another name"):
        refuse(str(file))
    with pytest.raises(UsageError, match="exists and is no file: choose another name"):
        refuse(str(tmp_path))


def test_also_in_an_object_store(s3: Callable[[], str]) -> None:
    uri = f"{s3()}/x"
    refuse(uri)
    storage.write_bytes(uri, b"1,2,3")
    with pytest.raises(UsageError, match="exists and is no letter"):
        refuse(uri)


def test_tracks_that_are_named_as_the_manifest_are_not_lost(tmp_path: Path) -> None:
    (tmp_path / "tracks.txt").write_text("1,1,0,0,9,9")
    row = {"tracklet_id": "a", "image_uris": ["/1.jpg"]}
    with pytest.raises(UsageError, match=r"output .*tracks\.txt exists and is no Parquet file"):
        write_manifest(str(tmp_path / "tracks.txt"), [row])
    assert (tmp_path / "tracks.txt").read_text() == "1,1,0,0,9,9"
    assert [write_manifest(str(tmp_path / "m.parquet"), [row]) for _ in range(2)] == [1, 1]
