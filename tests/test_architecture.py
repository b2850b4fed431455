"""Who may import whom, and what the command line must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "par_model"

# Imports point down. A folder or module may import what stands on lines below its own, and itself.
LAYERS = [
    {"cli"},
    {"demo", "cluster"},
    {"inference"},
    {"training", "evaluation", "report"},
    {"manifest", "sampling", "video", "model", "table"},
    {"attributes"},
    {"storage"},
    {"types", "progress", "scratch", "wording"},
    {"errors"},
]
# Third-party packages that only some places may import.
ONLY = {
    "ray": ["cluster"],
    "click": ["cli"],
    "av": ["video"],
    "decord": ["video"],
    "open_clip": ["model/backbone.py"],
    "s3fs": [],
}


MODULES = sorted(PACKAGE.rglob("*.py"))


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
    return next(i for i, layer in enumerate(LAYERS) if part in layer)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "par_model" and len(parts) > 1 and (PACKAGE / parts[1]).exists() and parts[1] != own:
            assert layer_of(parts[1]) >= layer_of(own), f"{own} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_some_libraries_are_imported_in_one_place_only(path: Path) -> None:
    relative = str(path.relative_to(PACKAGE))
    for name in {name.split(".")[0] for name in imports(path)} & ONLY.keys():
        assert relative.startswith(tuple(ONLY[name]) or ("nowhere",)), f"{relative} must not import {name}"


def test_every_folder_and_module_has_its_layer_and_its_line_in_the_architecture() -> None:
    text = (PACKAGE / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for path in PACKAGE.iterdir():
        name = path.name.removesuffix(".py")
        if name.startswith("_") or path.suffix == ".md":
            continue
        layer_of(name)
        assert f"`{path.name}{'/' if path.is_dir() else ''}`" in text, f"ARCHITECTURE.md does not name {path.name}"


@pytest.mark.parametrize(
    "module", ["par_model.cli", "par_model.cli.infer", "par_model.cli.manifest", "par_model.cli.train"]
)
def test_the_command_line_loads_nothing_heavy(module: str) -> None:
    heavy = "{'torch', 'ray', 'av', 'decord', 'open_clip', 'pyarrow', 'duckdb', 'pandas'}"
    code = f"import sys, {module}; print(sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("job", sorted(p.name for p in (ROOT / "jobs").glob("*.py")))
def test_jobs_hold_no_logic(job: str) -> None:
    tree = ast.parse((ROOT / "jobs" / job).read_text(encoding="utf-8"))
    assert [type(node).__name__ for node in tree.body] == ["Expr", "ImportFrom", "ImportFrom", "If"]
