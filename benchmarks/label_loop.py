"""How much a few hundred labels help on cameras that the shipped weights do not know, and whether choosing them helps.

    python -m benchmarks.label_loop [--work DIR] [--sizes N,...] [--policies NAME,...] [--seeds N] [--epochs N]

Renders another street: other cameras and people, in the light of sodium lamps, and with an attribute of which the
shipped weights know nothing. Part of its people are the pool, the others the test. For each policy, size and seed,
`parjob label choose` takes tracklets of the pool, which are labelled as they were drawn where a third of their frames
shows it; `weights init --from demo` and `train` make weights of them, and the test is scored. A cell that is done is
not done again: broken off, or asked for more, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.demo_weights import SHOWN, parjob
from benchmarks.results import table, write_section
from par_model.attributes import AttributeSchema, load_schema
from par_model.demo.config import StreetConfig
from par_model.demo.street import render_street
from par_model.model.shipped import DEMO

STREET = StreetConfig(
    seed=3003,
    first_camera=140,
    cameras=20,
    seconds=120,
    fps=1,
    min_boxes=3,
    people_per_minute=30,
    splits=(0.7, 0.0, 0.3),
    tint=(1.25, 0.95, 0.55),
    vest_share=0.25,
)
VEST = """
[[groups]]
name = "vest"
kind = "binary"
text = "a pedestrian in a warning vest"
negative_text = "a pedestrian without a warning vest"
"""
SIZES, POLICIES, SEEDS = (100, 300, 600, 1000), ("mixed", "uncertain", "diverse", "stratified", "random"), 3
# Of few labels all is learned, the image tower too: it is small, and has seen no such light.
TRAINING = ("--tune", "full", "--schedule", "step", "--frames", 3, "--cache-frames", 6, "--val-fraction", 0.1)
EPOCHS = 20
LIMIT = 600  # processor seconds that one training may take, half of what two cores have in ten minutes
_T95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # Student's t for a 95 % interval, by how many there are


class Cell(NamedTuple):
    """Labels of ``size`` tracklets, chosen by ``policy``."""

    policy: str
    size: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.policy}-{self.size}-{self.seed}"


class Archive(NamedTuple):
    """The street. pool: without labels. truth: of the pool. test, shared: of the test, by the own schema and by the
    shipped weights'. guesses: the table of the shipped weights over the pool."""

    schema: Path
    pool: Path
    truth: Path
    test: Path
    shared: Path
    guesses: Path


def prepare(work: Path) -> Archive:
    """What all cells share, made once."""
    street = load_schema("street")
    own = AttributeSchema.parse(street.to_toml().replace('name = "street"', 'name = "own"', 1) + VEST, "own")
    found = Archive(
        *(
            work / name
            for name in ("own.toml", "pool.parquet", "truth.parquet", "test.parquet", "shared.parquet", "guesses")
        )
    )
    found.schema.write_text(own.to_toml())
    if not found.shared.exists():
        manifest = render_street(STREET, work / "street", schema=own, workers=os.cpu_count() or 1)
        rows = only_visible(pq.read_table(manifest))
        pool, test = (rows.filter(pc.equal(rows["split"], split)) for split in ("train", "test"))
        pq.write_table(pool.drop_columns(["labels", "visible"]).replace_schema_metadata(None), found.pool)
        pq.write_table(pool, found.truth)
        pq.write_table(test, found.test)
        known = pa.array([row[: street.num_classes] for row in test["labels"].to_pylist()], pa.list_(pa.int8()))
        test = test.set_column(test.schema.get_field_index("labels"), "labels", known)
        pq.write_table(test.replace_schema_metadata({"par.schema": street.to_toml()}), found.shared)
    parjob("infer", "--no-ray", "--embedding", "--manifest", found.pool, "--weights", DEMO, "--output", found.guesses)
    return found


def only_visible(rows: pa.Table) -> pa.Table:
    """The same rows, in which what less than SHOWN of a tracklet's frames show is not annotated."""
    shown = np.array(rows["visible"].to_pylist()) >= SHOWN * np.array([len(f) for f in rows["frame_indices"]])[:, None]
    labels = np.where(shown, np.array(rows["labels"].to_pylist()), -1)
    at = rows.schema.get_field_index("labels")
    return rows.set_column(at, rows.schema.field(at), pa.array(labels.tolist(), rows.schema.field(at).type))


def score(weights: str | Path, labelled: Path, folder: Path) -> dict[str, Any]:
    """metrics.json of weights on a labelled test."""
    parjob("infer", "--no-ray", "--manifest", labelled, "--weights", weights, "--output", folder / "tested")
    parjob("evaluate", "--manifest", labelled, "--predictions", folder / "tested", "--output", folder / "scores")
    found: dict[str, Any] = json.loads((folder / "scores" / "metrics.json").read_text())
    return found


def run(cell: Cell, archive: Archive, work: Path, epochs: int) -> dict[str, Any]:
    """The numbers of a cell: shared (macro F1 over the classes that the shipped weights know), new (that of the new
    attribute), labelled (tracklets), seconds (of training, the processor's)."""
    kept = work / "cells" / f"{cell.name}.json"
    if kept.exists():
        return json.loads(kept.read_text())  # type: ignore[no-any-return]
    folder = work / "cells" / cell.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    chosen, labelled, start = folder / "chosen.parquet", folder / "labelled.parquet", folder / "start.safetensors"
    asked = ("--by", cell.policy, "--count", cell.size, "--seed", cell.seed)
    parjob("label", "choose", "--manifest", archive.pool, "--predictions", archive.guesses, "--output", chosen, *asked)
    truth, ids = pq.read_table(archive.truth), pq.read_table(chosen, columns=["tracklet_id"])["tracklet_id"]
    pq.write_table(truth.filter(pc.is_in(truth["tracklet_id"], ids.combine_chunks())), labelled)
    parjob("weights", "init", "--from", DEMO, "--schema", archive.schema, "--output", start, "--seed", cell.seed)
    began = _used()
    asked = ("--epochs", epochs, "--seed", cell.seed, *TRAINING)
    parjob("train", "--no-ray", "--manifest", labelled, "--weights", start, "--output", folder / "run", *asked)
    seconds = _used() - began
    if seconds > LIMIT:
        raise SystemExit(f"{cell.name}: training took {seconds:.0f} s, more than {LIMIT}: give fewer --epochs")
    # By a tenth of 100 or 300 labels, the best epoch is a matter of luck; the last has the lowest rate behind it.
    metrics = score(folder / "run" / "last.safetensors", archive.test, folder)
    shared = [metrics["classes"][name]["f1"] for name in load_schema("street").score_fields]
    found = {
        "shared": statistics.fmean(f1 for f1 in shared if f1 is not None),
        "new": metrics["classes"]["vest"]["f1"],
        "labelled": len(ids),
        "seconds": seconds,
    }
    shutil.rmtree(folder)
    kept.write_text(json.dumps(found))
    return found


def _used() -> float:
    """Processor seconds of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def interval(values: Sequence[float]) -> str:
    """The mean, and half the width of Student's 95 % interval of it where there are several."""
    mean = statistics.fmean(values)
    if len(values) not in _T95:
        return f"{mean:.3f}"
    return f"{mean:.3f} ± {_T95[len(values)] * statistics.stdev(values) / len(values) ** 0.5:.3f}"


def rows(found: dict[Cell, dict[str, Any]]) -> list[list[str]]:
    """A row for each policy and size."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for cell, numbers in found.items():
        groups.setdefault((cell.policy, cell.size), []).append(numbers)
    return [
        [
            policy,
            str(size),
            str(len(of)),
            *(interval([numbers[name] for numbers in of]) for name in ("shared", "new")),
            f"{max(numbers['seconds'] for numbers in of):.0f}",
        ]
        for (policy, size), of in groups.items()
    ]


_EXPLAINED = """Another street than the shipped weights know: seed {seed}, cameras {first} to {last}, its light times
{tint}. {pool} tracklets to choose from, {test} of other people of the same cameras to test on. shared: macro F1 over
the {classes} classes that the shipped weights know, over what a third of a tracklet's frames shows; vest: F1 of
the attribute that they do not know, whose best constant answer has {constant:.3f}. Each is the mean over runs with
other seeds, ± half of Student's 95 % interval. Trained by `weights init --from demo` and
`train {training} --epochs {epochs}`, the weights of the last epoch, with other work on the machine."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--work", type=Path, default=Path("parjob-demo") / "label-loop")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="how many labels")
    parser.add_argument("--policies", default=",".join(POLICIES), help="values of label choose --by")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of each cell")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of each training")
    options = parser.parse_args()
    work: Path = options.work.absolute()
    (work / "cells").mkdir(parents=True, exist_ok=True)
    archive = prepare(work)
    shipped = work / "cells" / "shipped"
    before = score(DEMO, archive.shared, shipped)
    sizes, policies = [int(size) for size in options.sizes.split(",")], options.policies.split(",")
    cells = [Cell(p, size, seed) for seed in range(options.seeds) for size in sizes for p in policies]
    done = {cell: run(cell, archive, work, options.epochs) for cell in cells}
    found = {cell: done[cell] for cell in sorted(done, key=lambda c: (policies.index(c.policy), c.size, c.seed))}
    truth = np.array(pq.read_table(archive.test, columns=["labels"])["labels"].to_pylist())[:, -1]
    share = float((truth[truth >= 0] == 1).mean())
    explained = _EXPLAINED.format(
        seed=STREET.seed,
        first=STREET.first_camera + 1,
        last=STREET.first_camera + STREET.cameras,
        tint="/".join(map(str, STREET.tint)),
        pool=pq.read_metadata(archive.pool).num_rows,
        test=len(truth),
        classes=load_schema("street").num_classes,
        constant=2 * share / (1 + share),
        training=" ".join(map(str, TRAINING)),
        epochs=options.epochs,
    )
    shipped_row = ["the shipped weights", "0", "-", f"{before['means']['macro_f1']:.3f}", "-", "-"]
    header = ["chosen", "labels", "runs", "shared", "vest", "training, processor s at most"]
    text = f"{explained}\n\n{table(header, [shipped_row, *rows(found)])}"
    print(text)
    write_section("Label loop", text)


if __name__ == "__main__":
    main()
