"""Tests stand where the package's files do: tests/<folder>/test_<file>.py, and test_<file>_<aspect>.py where there is
more to test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE, TESTS, BENCHMARKS = ROOT / "par_model", ROOT / "tests", ROOT / "benchmarks"

# Folders whose tests are of what people do from end to end, and not of single files.
END_TO_END = {
    "cli": "commands: what they print, their exit codes, what they refuse",
    "cluster": "several processes and nodes under Ray, and jobs as it starts them",
    "faults": "what breaks on purpose",
    "guides": "README, pages, examples and files for deployment, run as they stand",
    "house": "structure, names and documents",
}

# Files that have no test of their own, by the one that tests them: parts of a whole whose values show there alone.
TESTED_THROUGH = {
    "catalogs/test_check.py": [
        f"catalogs/{name}" for name in ("engines", "finding", "finished_table", "readers", "survey")
    ],
    "catalogs/test_ddl.py": ["catalogs/clickhouse_files", "catalogs/hive_folders"],
    "cli/test_evaluate.py": ["evaluation/job"],
    "cli/test_manifest_tracks.py": ["manifest/importers/fit_to_video"],
    "cli/test_plan.py": ["inference/sample"],
    "cli/test_weights_init.py": ["model/initialise"],
    "inference/test_job.py": [f"inference/{name}" for name in ("local", "look", "runner", "stages", "steps")],
    "inference/test_planning.py": ["inference/survey"],
    "runs/test_parts.py": ["runs/outcome"],
    "tracking/test_job.py": [f"tracking/{name}" for name in ("finish", "look", "runner")],
    "tracking/test_street_detector.py": ["tracking/street_network"],
    "training/test_job.py": ["training/local"],
    "video/containers/test_h264.py": ["video/containers/h264_headers"],
    "video/containers/test_packet_starts.py": [
        f"video/containers/{walker}" for walker in ("avi", "flv", "matroska", "mpegts", "mxf", "ogg")
    ],
    "video/containers/test_open.py": ["video/containers/demuxer"],
    "video/process/test_parent.py": ["video/process/child", "video/process/protocol"],
    "video/test_stage.py": ["video/decode"],
}
# Dataclasses of stated options: tests/test_options.py has their checks, and each command's tests its refusals.
OPTIONS = "options"

OF_NO_FILE = {"manifest/importers/test_written_by.py": "files that the tools themselves wrote, by many importers"}


def modules_of(folder: Path) -> set[str]:
    """``video/crop`` for each file below a folder."""
    return {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.py") if path.stem != "__init__"}


def module_of(test: str, modules: Iterable[str]) -> str | None:
    """The file that a test is of, None if there is none: ``video/crop`` for ``video/test_crop_odd_sizes.py``."""
    folder, _, name = test.removesuffix(".py").rpartition("test_")
    fitting = [module for module in modules if f"{folder}{name}_".startswith(f"{module}_")]
    return max(fitting, key=len, default=None)


def is_end_to_end(path: str) -> bool:
    return path.partition("/")[0] in END_TO_END


MODULES = modules_of(PACKAGE)
FILES = sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize(
    ("test", "module"),
    [
        ("video/test_crop.py", "video/crop"),
        ("video/test_crop_odd_sizes.py", "video/crop"),
        ("video/test_crop_still_images.py", "video/crop_still"),
        ("video/test_cropped.py", None),
        ("test_crop.py", None),
        ("test_storage_s3.py", "storage"),
    ],
)
def test_a_test_is_of_the_file_with_the_longest_name_that_begins_its_own(test: str, module: str | None) -> None:
    assert module_of(test, ["video/crop", "video/crop_still", "storage"]) == module


def test_every_test_is_of_a_file() -> None:
    benchmarks = {f"benchmarks/{name}" for name in modules_of(BENCHMARKS)}
    files = [test for test in FILES if not is_end_to_end(test) and test not in OF_NO_FILE]
    assert [test for test in files if module_of(test, MODULES | benchmarks) is None] == []
    assert set(FILES) >= OF_NO_FILE.keys()


def test_every_file_has_a_test_or_is_tested_through_another() -> None:
    tested = {module_of(test, MODULES) for test in FILES}
    through = {module for modules in TESTED_THROUGH.values() for module in modules}
    without = {module for module in MODULES - tested if not is_end_to_end(module) and not module.endswith(OPTIONS)}
    assert without - through == set()
    assert through - without == set(), "these have a test of their own, or are gone"
    assert set(FILES) >= TESTED_THROUGH.keys()


def test_folders_of_end_to_end_tests_are_there() -> None:
    assert {folder for folder in END_TO_END if not any(file.startswith(f"{folder}/test_") for file in FILES)} == set()
