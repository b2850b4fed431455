"""Libraries of extras, where one is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from par_model.errors import UsageError
from par_model.extras import load


def test_a_library_that_is_there_is_given() -> None:
    assert load("json.decoder", "x") is sys.modules["json.decoder"]


def test_a_missing_library_is_named_with_what_installs_it() -> None:
    with pytest.raises(UsageError) as caught:
        load("no_such_library.part", "the detector d.xml")
    assert str(caught.value) == (
        "the detector d.xml needs the library no_such_library, which is not installed: pip install 'par-model[track]'"
    )


def test_what_a_library_lacks_itself_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_another.py").write_text("import another_library\n")
    (tmp_path / "wants_a_desktop.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="needs the library another_library, which is not installed"):
        load("needs_another", "x")
    with pytest.raises(UsageError, match=r"cannot be loaded: libGL\.so\.1: .* opencv-python-headless"):
        load("wants_a_desktop", "x")
