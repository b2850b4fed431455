"""What the doctor says of libraries, time zones and uv."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from par_model import extras as extras_module
from par_model.cli import doctor, requirements
from par_model.errors import StorageError


def test_libraries_that_are_too_old_or_missing_are_named_with_their_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [Requirement(line) for line in ("click>=8.2", "av>=18.1,<19", "torch>=99", "no-such-library>=1.5")]
    monkeypatch.setattr(requirements, "requirements", lambda: asked)
    versions = {"click": "8.2", "av": "14.0.0", "torch": "2.4.0"}

    def version(name: str) -> str:
        if name not in versions:
            raise requirements.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(requirements.metadata, "version", version)
    assert doctor._libraries() == (
        False,
        "av 14.0.0, torch 2.4.0, no-such-library is not installed: "
        "pip install 'av<19,>=18.1' 'torch>=99' 'no-such-library>=1.5'",
    )
    versions |= {"av": "18.1.0", "torch": "100", "no-such-library": "1.5"}
    assert doctor._libraries() == (True, "all 4 have the versions that this package needs")
    asked.clear()
    assert doctor._libraries()[0] is None


def test_what_tracking_needs_is_missing_too_old_or_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def tracking() -> tuple[bool | None, str]:
        return doctor._extra("track", "parjob track", "trackers", "openvino", "transformers")

    always = [Requirement("click>=8.2")]
    extra = [Requirement("trackers>=2.6"), Requirement("openvino>=2026.4"), Requirement("click>=8.2")]
    versions: dict[str, str] = {"click": "8.2", "openvino": "2026.4.1"}
    loaded: list[str] = []
    monkeypatch.setattr(requirements, "requirements", lambda extras=(): always + (extra if extras else []))

    def version(name: str) -> str:
        if name not in versions:
            raise requirements.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(requirements.metadata, "version", version)
    monkeypatch.setattr(extras_module, "load", lambda module, what, extra: loaded.append(module))
    assert tracking() == (
        None,
        "trackers is not installed; `parjob track` needs it: pip install 'par-model[track]'",
    )
    del versions["openvino"]
    assert tracking() == (
        None,
        "trackers, openvino are not installed; `parjob track` needs them: pip install 'par-model[track]'",
    )
    versions |= {"trackers": "2.5.9", "openvino": "2026.4.1"}
    assert tracking() == (False, "trackers 2.5.9: pip install 'trackers>=2.6'")
    assert loaded == []
    versions["trackers"] = "2.6.1"
    assert tracking() == (True, "trackers, openvino have the versions that `parjob track` needs, and load")
    assert loaded == ["trackers", "openvino", "transformers"]


def test_a_system_without_time_zones_is_told_what_that_means(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_ZONE_FOLDERS", (str(tmp_path),))
    ok, says = doctor._time_zones()
    assert ok is None
    assert "pyarrow neither rounds nor prints times with a zone" in says
    assert "install the system's package tzdata" in says
    (tmp_path / "UTC").touch()
    assert doctor._time_zones() == (True, "the system has a database of them")


def test_uv_run_is_known_and_where_its_workers_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_RUN_RECURSION_DEPTH", "RAY_ADDRESS", "RAY_ENABLE_UV_RUN_RUNTIME_ENV"):
        monkeypatch.delenv(name, raising=False)
    assert doctor._uv(None) == (None, "this was not started by `uv run`")
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert doctor._uv(None) == (True, "started by `uv run`: workers use this environment, and nothing is copied")
    ok, says = doctor._uv("head:6379")
    assert ok is None
    assert "Ray sends this folder to head:6379" in says
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    assert doctor._uv("head:6379")[0] is True


def test_an_output_is_written_to_and_left_as_it_was(tmp_path: Path) -> None:
    assert doctor._output(None)[0] is None
    ok, says = doctor._output(str(tmp_path))
    assert ok is True
    assert says.startswith(f"{tmp_path} can be written, read and removed from here")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is a file, not a folder"):
        doctor._output(str(tmp_path / "file"))
