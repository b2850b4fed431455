"""Pieces of a file are read one by one, and a file says itself what it holds."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from par_model import storage
from par_model.errors import OutputError
from par_model.runs.pieces import Pieces, piece_writer, read_piece

SCHEMA = pa.schema([("id", pa.string()), ("frames", pa.list_(pa.int32()))])


def piece(*ids: str) -> pa.Table:
    return pa.table({"id": list(ids), "frames": [[len(i)] for i in ids]}, schema=SCHEMA)


@pytest.fixture(params=["local", "s3"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.getfixturevalue('s3')()}/out/file" if request.param == "s3" else str(tmp_path / "out" / "file")


@pytest.mark.parametrize("long", [False, True])
def test_each_piece_is_read_by_itself_and_the_trailer_tells_where(uri: str, long: bool) -> None:
    many = pa.concat_tables([piece("x", "first"), piece("of", "two", "chunks")])
    asked: list[None] = []
    with piece_writer(uri, lambda: asked.append(None)) as file:
        for some in (piece("a", "bc"), piece(), many.slice(1)):
            file.add(some)
        file.facts["said"] = "x" * (100_000 if long else 1)
        assert not storage.list_files(storage.parent(uri)) or storage.is_local(uri)
    assert len(asked) == 2
    (found,) = storage.list_files(storage.parent(uri))
    assert found.size == file.size
    facts = Pieces(uri, found.size).facts()
    assert len(facts["said"]) == (100_000 if long else 1)
    pieces = [read_piece(uri, *facts["bounds"][n : n + 2], SCHEMA).to_pylist() for n in range(3)]
    assert pieces == [piece("a", "bc").to_pylist(), [], many.slice(1).to_pylist()]


def test_another_file_is_none_of_pieces(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"PARPIECE" * 3)
    with pytest.raises(OutputError, match="is not what this job wrote there"):
        Pieces(str(tmp_path / "file"), 24).facts()
