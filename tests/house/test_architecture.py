"""Who may import whom, and what the command line must not load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "par_model"

ARCHITECTURE = (PACKAGE / "ARCHITECTURE.md").read_text(encoding="utf-8")


def layers(text: str) -> list[set[str]]:
    """What each line names of the table "One line a folder", top first."""
    table = text.partition("## One line a folder")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [{name.rstrip("/").removesuffix(".py") for name in re.findall(r"`([^`]+)`", cell)} for cell in cells]


LAYERS = layers(ARCHITECTURE)
# Third-party packages that only some places may import.
ONLY = {
    "ray": ["cluster"],
    "click": ["cli"],
    "av": ["video"],
    "decord": ["video"],
    "open_clip": ["model/backbone.py"],
    "pydantic": ["documents.py"],
    "s3fs": [],
}


# What other libraries do not promise to keep is used in one file each, which says with which version it was seen.
UNPROMISED = {
    "ray._private": "cluster/ray_internals.py",
    "ray.core": "cluster/ray_internals.py",
    "av.sidedata": "video/side_data.py",
}

# Lines of a file; lines of a function without its docstring, so that it fits a screen.
MOST_LINES, SCREEN = 350, 60

MODULES = sorted(PACKAGE.rglob("*.py"))
ALL = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}


def imports(path: Path) -> set[str]:
    """Full names of all modules that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return found


def layer_of(part: str) -> int:
    found = [i for i, layer in enumerate(LAYERS) if part in layer]
    assert len(found) == 1, f"{part} must stand on one line of ARCHITECTURE.md's table"
    return found[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "par_model" and len(parts) > 1 and parts[1] in ALL and parts[1] != own:
            assert layer_of(parts[1]) > layer_of(own), f"{own} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_some_libraries_are_imported_in_one_place_only(path: Path) -> None:
    relative = str(path.relative_to(PACKAGE))
    for name in {name.split(".")[0] for name in imports(path)} & ONLY.keys():
        assert relative.startswith(tuple(ONLY[name]) or ("nowhere",)), f"{relative} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_what_a_library_does_not_promise_is_used_in_one_file_only(path: Path) -> None:
    relative = str(path.relative_to(PACKAGE))
    for name in imports(path):
        for inside, only in UNPROMISED.items():
            assert relative == only or not f"{name}.".startswith(f"{inside}."), f"{relative} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_has_no_more_lines_than_it_may_and_a_function_fits_a_screen(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            told = first.end_lineno - first.lineno + 1 if ast.get_docstring(node) else 0  # type: ignore[operator]
            lines = node.end_lineno - node.lineno + 1 - told  # type: ignore[operator]
            assert lines <= SCREEN, f"{node.name} has {lines} lines"


def test_what_importers_share_knows_no_format() -> None:
    shared = sorted((PACKAGE / "manifest" / "importers").glob("*.py"))
    assert len(shared) > 10
    for path in shared:
        assert not [name for name in imports(path) if name.startswith("par_model.manifest.importers.formats")], path


def test_every_folder_and_module_has_its_line_in_the_architecture_and_no_other_is_named() -> None:
    assert sorted(name for layer in LAYERS for name in layer) == sorted(ALL)


def test_no_command_loads_anything_heavy_before_it_runs() -> None:
    """The group's module first, then those of all commands, in one process."""
    heavy = "{'torch', 'ray', 'av', 'decord', 'open_clip', 'pyarrow', 'duckdb', 'pandas', 'numpy', 'pydantic'}"
    names = ["par_model.cli", *(f"par_model.cli.{path.stem}" for path in sorted((PACKAGE / "cli").glob("[a-z]*.py")))]
    code = f"""
import importlib, sys
for name in {names}:
    importlib.import_module(name)
    assert not (loaded := {heavy} & sys.modules.keys()), f"{{name}} loads {{loaded}}"
"""
    assert len(names) > 20
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("job", sorted(p.name for p in (ROOT / "jobs").glob("*.py")))
def test_jobs_hold_no_logic(job: str) -> None:
    tree = ast.parse((ROOT / "jobs" / job).read_text(encoding="utf-8"))
    assert [type(node).__name__ for node in tree.body] == ["Expr", "ImportFrom", "ImportFrom", "If"]


def test_what_workers_that_plan_or_decode_import_loads_no_network() -> None:
    """Each of them would wait for it, and the driver before its first look at a manifest."""
    code = "import sys, par_model.inference.job, par_model.cluster.inference; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
