"""JSON files of tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from par_model.errors import ManifestError
from par_model.manifest.importers.json_file import are_objects, is_finite, read_json


def test_a_file_is_read_with_its_hook(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, {"b": 2}]}')
    assert read_json(str(path)) == {"a": [1, {"b": 2}]}
    assert read_json(str(path), sorted) == ["a"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{'a': 1}", "is not JSON: Expecting property name"),
        (b"", "is not JSON: Expecting value"),
        (b'"\xff\xfe"', "is not JSON: "),
        (b"[" * 200_000, "within each other more often than any tool writes"),
    ],
    ids=["quotes", "empty", "no text", "deep"],
)
def test_what_is_no_json_is_named(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        read_json(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [0, -1.5, 2**53, 1e308])
def test_numbers_can_be_reckoned_with(value: object) -> None:
    assert is_finite(value)


@pytest.mark.parametrize("value", [True, None, "1", 2**53 + 1, 10**400, float("nan"), float("-inf"), [1]])
def test_others_cannot(value: object) -> None:
    assert not is_finite(value)


def test_a_list_of_nothing_but_objects() -> None:
    assert are_objects([{}, {"a": 1}])
    assert are_objects([])
    assert not are_objects([{}, 1])
    assert not are_objects({"a": {}})
