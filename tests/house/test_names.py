"""The glossary of ARCHITECTURE.md, and that code keeps to it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "par_model"
_NAMES_DIMENSIONS = re.compile(r"[a-z]_[A-Z0-9]+\b|Dimension letters|\[[A-Z]\b")
SOURCES = sorted(
    path
    for folder in ("par_model", "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*.py")
    if _NAMES_DIMENSIONS.search(path.read_text(encoding="utf-8"))
)

GLOSSARY = (PACKAGE / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("## One meaning a word")[2]
WORDS = re.findall(r"^\| ([a-z]+) \|", GLOSSARY.partition("\n## ")[0], re.MULTILINE)
LETTERS = {m[1]: m[2] for m in re.finditer(r"^\| ([A-Z]) \| (.+?) \|$", GLOSSARY.partition("\n## ")[0], re.MULTILINE)}

FILE_NAMES = re.findall(r"^\| `(\w+)\.py` \|", GLOSSARY.partition("\n## ")[0], re.MULTILINE)
# Their files are called after others: commands, and what runs on Ray.
_CALLED_AFTER_OTHERS = ("cli", "cluster")

_LEGEND = re.compile(r"Dimension letters:(.*?)\.(?:\n\n|\n?$)", re.DOTALL)
_SUFFIX = re.compile(r"^(?!do_[A-Z])_?[a-z].*_([A-Z0-9]+)$")
_SHAPE = re.compile(r"\[([A-Z0-9(][A-Za-z0-9 +()]*(?:, [A-Za-z0-9 +()]+)*)\]")


def singular(word: str) -> str:
    return word.removesuffix("s")


def legend(text: str) -> dict[str, str]:
    """Letter -> what it says of it, of a docstring's line "Dimension letters"; "H and W pixels" tells both."""
    found = _LEGEND.search(text)
    said = re.sub(r"\([^)]*\)", "", " ".join(found[1].split())) if found else ""
    meanings: dict[str, str] = {}
    for letters, meaning in re.findall(
        r"((?:[A-Z] and )?[A-Z])(?: =)? (?=[a-z1])([^,]*(?:, (?![A-Z](?: |,))[^,]*)*)", said
    ):
        meanings |= dict.fromkeys(letters.split(" and "), meaning)
    return meanings


def suffixes(tree: ast.AST) -> Iterator[str]:
    """The dimensions that names of values end in: ``BC`` of ``logits_BC``."""
    for node in ast.walk(tree):
        name = {ast.Name: "id", ast.arg: "arg", ast.Attribute: "attr", ast.keyword: "arg"}.get(type(node))
        if name and (found := _SUFFIX.match(getattr(node, name) or "")):
            yield found[1]


def shapes(tree: ast.AST) -> Iterator[str]:
    """The dimensions in docstrings: ``B, C`` of "float32 [B, C]"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield from _SHAPE.findall(ast.get_docstring(node) or "")


def test_a_legend_is_read_letter_by_letter() -> None:
    text = "Nets.\n\nDimension letters: B tracklets, H and W pixels, N = 1 + P tokens,\nD width (of all), A things."
    assert legend(text) == {
        "B": "tracklets",
        "H": "pixels",
        "W": "pixels",
        "N": "1 + P tokens",
        "D": "width ",
        "A": "things",
    }
    assert len(LETTERS) == 14


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_letter_of_a_tensor_means_what_the_glossary_says(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = legend(ast.get_docstring(tree) or "")
    for letter, meaning in said.items():
        noun = re.split(r"\W", LETTERS[letter])[0]
        assert noun in meaning, f"{letter} is {meaning!r} here and {LETTERS[letter]!r} in the glossary"
    in_names = {letter for suffix in suffixes(tree) for letter in suffix if letter.isalpha()}
    in_shapes = {letter for shape in shapes(tree) for letter in re.findall(r"\b[A-Z]\b", shape)}
    assert in_names | in_shapes <= LETTERS.keys()
    if path.is_relative_to(PACKAGE):
        assert in_names <= said.keys(), "names end in letters that the module's docstring does not explain"


def test_a_word_of_the_glossary_names_one_module_at_most() -> None:
    stems = [singular(path.stem) for path in PACKAGE.rglob("*.py")]
    words = [word for word in WORDS if word != "word"]
    assert {"row", "result", "plan", "unit", "part"} <= set(words)
    assert [word for word in words if stems.count(word) > 1] == []


def test_a_name_that_files_of_several_folders_have_is_explained() -> None:
    folders: dict[str, set[Path]] = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] not in _CALLED_AFTER_OTHERS and path.stem != "__init__":
            folders[path.stem].add(path.parent)
    assert sorted(name for name, of in folders.items() if len(of) > 1) == sorted(FILE_NAMES)


def test_no_two_classes_of_the_package_have_one_name() -> None:
    """``Job``, ``Picture``, ``Step`` and ``Track`` were two classes each, ``Result``, ``Table`` and ``Place`` more."""
    where: dict[str, list[str]] = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(str(path.relative_to(PACKAGE)))
    assert {"Job", "Picture", "Step", "Track"} <= where.keys()
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}
    assert {"Result", "Table", "Place", "Places"}.isdisjoint(where)
