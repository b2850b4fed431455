"""The README and the guides as a reader follows them: every command and query, top-down, in one folder.

What a test cannot have has a stand-in, all of them below: a download becomes a small CLIP file, data sets become a few
made-up crops of the same layout, `make demo` the command that it ends with, eight workers one epoch of one, `ray down`
its help, for on one machine it would stop every Ray that there is. Jobs run without Ray here, for tests/cluster has it;
the commands of ELSEWHERE are run by the tests named there.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from par_model.attributes import load_schema
from tests import released_weights as rule
from tests.archive import write_clips
from tests.blocks import PAGES, ROOT, blocks, text_of
from tests.model.test_openpar import write_checkpoint, write_clip
from tests.small_clip import write_small_clip

README = blocks("README.md")
GUIDES = ("index", "footage", "attributes", "training", "cluster", "errors", "manifest", "storage")
FOLLOWED = [*README, *(block for page in GUIDES for block in blocks(f"docs/{page}.md"))]
ELSEWHERE = {
    "ray up": "tests/cluster/test_submit.py",
    "ray submit": "tests/cluster/test_submit.py",
    "ray exec": "tests/cluster/test_submit.py",
}
STAND_INS = {
    "make demo": "parjob demo --output parjob-demo",
    "--detector PekingU/rtdetr_v2_r18vd": "--detector demo",
    "--backbone ViT-B-16 --pretrained openai": "--backbone small.json --pretrained small.pt",
    "--workers 8": "--epochs 1",
    "ray down cluster.yaml": "ray down --help",
}
JOBS = ("DEMO", "TRACK", "RUN", "INFER", "TRAIN", "EVALUATE", "DOCTOR")
FIRST = {  # what makes the output that a command reads, where README's own command for it is one of ELSEWHERE
    "parjob plan": "parjob infer --manifest m.parquet --weights w.safetensors --limit 3 --output sample",
}


def write_workspace(folder: Path) -> None:
    """What the commands find: a video and its tracks, lists of boxes, two data sets, a CLIP, a released checkpoint."""
    write_clips(folder)
    (folder / "a.mp4").rename(folder / "cam1.mp4")
    tracks = [f"{frame},{person},{10 + frame},8,48,80,1,-1,-1,-1" for person in (1, 2, 3) for frame in range(1, 21)]
    (folder / "cam1.txt").write_text("\n".join(tracks) + "\n")
    box = {"tracklet_id": ["1"], "video_uri": ["cam1.mp4"], "frame_indices": [[3]], "boxes": [[[4.0, 8.0, 52.0, 88.0]]]}
    pq.write_table(pa.table(box), folder / "lists.parquet")
    write_small_clip(folder)
    clip = rule.by_rule("clip", rule.small_clip_shapes())
    write_clip(folder / "ViT-B-16.pt", clip)
    write_checkpoint(folder / "vtfpar_mars.pth", rule.by_rule("par", rule.small_par_shapes(width=144)), clip)
    mars = {f"bbox_{s}/{p:04}": f"{p:04}C1T0001F{{:03}}.jpg" for p in range(1, 13) for s in [split_of(p)]}
    write_crops(folder / "MARS", mars)
    write_crops(folder / "DUKE", {f"train/{p:04}/0001": f"{p:04}_C1_F{{:04}}.jpg" for p in range(1, 4)})
    write_annotations(folder / "mars_attributes.csv", "mars", [f"{p:04}C1T0001" for p in range(1, 13)])
    write_annotations(folder / "duke_attributes.csv", "duke", [f"{p:04}C1T0001" for p in range(1, 4)])


def split_of(person: int) -> str:
    return "test" if person % 4 == 0 else "train"


def write_crops(root: Path, folders: dict[str, str]) -> None:
    rng = np.random.default_rng(3)
    for name, pattern in folders.items():
        (root / name).mkdir(parents=True)
        for frame in range(1, 4):
            picture = rng.integers(0, 256, (64, 32, 3), np.uint8)
            Image.fromarray(picture).save(root / name / pattern.format(frame))


def write_annotations(path: Path, schema: str, names: list[str]) -> None:
    """In the encoded form: a name, then 0 or 1 for each class in the schema's order."""
    known, rng = load_schema(schema), np.random.default_rng(4)
    lines = [",".join(["name", *known.score_fields])]
    for name in names:
        values: list[int] = []
        for group in known.groups:
            chosen = int(rng.integers(len(group.classes) + (group.kind == "binary")))
            values += [int(i == chosen) for i in range(len(group.classes))]
        lines.append(",".join([name, *map(str, values)]))
    path.write_text("\n".join(lines) + "\n")


def elsewhere(command: str) -> str | None:
    return next((test for start, test in ELSEWHERE.items() if command.startswith(start)), None)


def with_stand_ins(command: str) -> str:
    for written, stand_in in STAND_INS.items():
        command = command.replace(written, stand_in)
    return command


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_and_query_runs(tmp_path: Path, s3: Callable[[], str]) -> None:
    s3()
    bucket = fsspec.filesystem("s3")
    if not bucket.exists("s3://bucket"):
        bucket.mkdir("s3://bucket")
    bucket.pipe("s3://bucket/archive/cam1.mp4", b"footage")
    write_workspace(tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    environment = os.environ | {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment |= {f"PARJOB_{name}_NO_RAY": "1" for name in JOBS}

    def run(*words: str) -> str:
        ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    done: set[str] = set()  # a guide explains the README's commands again
    for block in FOLLOWED:
        if block.language == "toml":
            (tmp_path / "own.toml").write_text(block.code)
        if block.language == "python":
            assert run("python", "-c", block.code).strip()
        for command in block.code.splitlines() if block.language == "sh" else []:
            if elsewhere(command) or command in done:
                continue
            done.add(command)
            for before in [line for start, line in FIRST.items() if command.startswith(start)]:
                run("bash", "-c", before)
            run("bash", "-c", with_stand_ins(command))

    tree = next(block.code for block in README if "run.json" in block.code and not block.language)
    for line in tree.splitlines():
        assert list(tmp_path.glob(line.split()[0])), f"README: {line} is not there"
    assert list((tmp_path / "guesses" / "attributes").glob("*.parquet"))
    assert "_PARJOB_COMPLETE" in (tmp_path / ".bashrc").read_text()


def test_stand_ins_stand_for_something() -> None:
    """Each is used, `make demo` ends with its own, and the tests elsewhere run what is left to them."""
    code = "\n".join(block.code for block in FOLLOWED)
    assert all(written in code for written in [*STAND_INS, *FIRST, *ELSEWHERE])
    assert "$(BIN)/parjob demo --output parjob-demo" in (ROOT / "Makefile").read_text(encoding="utf-8")
    for start, test in ELSEWHERE.items():
        assert f'"{start.split()[1]}"' in (ROOT / test).read_text(encoding="utf-8"), f"{test} does not run {start}"


def test_commands_are_in_blocks_that_the_tests_run() -> None:
    """A command in a block without a language would be shown and never run."""
    for block in [*FOLLOWED, *(block for page in PAGES for block in blocks(page))]:
        if block.language not in ("sh", "python", "toml"):
            first = [shlex.split(line)[0] for line in block.code.splitlines() if line.strip()]
            assert not {"parjob", "ray", "make", "pip", "python"} & set(first), block.name


def test_numbers_of_the_performance_table_are_those_of_the_benchmarks() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    results = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    rows = [line for line in readme.partition("## Performance")[2].partition("\n## ")[0].splitlines() if "|" in line]
    assert len(rows) > 6
    for row in rows[2:]:
        cells = row.strip("| ").split(" | ")
        for number in re.findall(r"\d+\.\d+|\d+(?= exact)", cells[2]):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", results), f"{number} is not in RESULTS.md"
    for number in re.findall(r"\*\*(\d+\.\d+) times|(\d+\.\d+) times", readme.partition("## ")[0]):
        assert "".join(number) in results


def test_links_lead_somewhere() -> None:
    for document in ("README.md", "CONTRIBUTING.md", *PAGES):
        text = text_of(document)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            where = ((ROOT / document).parent / unquote(path)).resolve() if path else ROOT / document
            assert where.exists(), f"{document}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", text_of(where.relative_to(ROOT).as_posix()), re.MULTILINE)
                anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
                assert anchor in anchors, f"{document}: {target}"
