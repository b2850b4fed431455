"""Choosing tracklets to label: policies take turns, nobody is chosen more often than asked for, reasons are kept.

The chosen manifest has the rows and columns of the one that was chosen from, and three more:

    chosen_rank   int32, from 1 in the order of choosing
    chosen_by     uncertain, diverse, stratified or random
    chosen_why    what that policy saw, for a person to read
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from par_model import storage
from par_model.errors import ManifestError, OutputError, UsageError
from par_model.labelling import orders
from par_model.labelling.covered import more_covered, read_covered
from par_model.labelling.options import ChooseOptions
from par_model.labelling.orders import Pick
from par_model.labelling.pool import Pool, read_embeddings, read_pool
from par_model.manifest.read import Manifest
from par_model.manifest.refuse import refuse_ambiguous
from par_model.manifest.rewrite import refuse_own_place, whole_batches, write_whole
from par_model.manifest.schema import ROW
from par_model.table.read import refuse_among_files

RANK = pa.field("chosen_rank", pa.int32())
BY = pa.field("chosen_by", pa.string())
WHY = pa.field("chosen_why", pa.string())
_FIELDS = (RANK, BY, WHY)
# Mostly the uncertain, which help most; the others for what the table is sure of and wrong.
_MIXED = ("uncertain", "uncertain", "diverse", "uncertain", "uncertain", "stratified")
_POLICIES = ("uncertain", "diverse", "stratified", "random")  # which of them it is, is part of each one's seed
_BY_SIGHT = ("mixed", "uncertain")  # that ask how much of a tracklet is seen
# Comparing takes time by the square: of larger pools a random part is compared.
_MOST_COMPARED = 20_000


@dataclass(frozen=True)
class Choice:
    """A tracklet that is chosen: its position in the pool, the policy, and its reason."""

    at: int
    by: str
    why: str


@dataclass(frozen=True)
class Chosen:
    """What was written. by: policy -> tracklets. people: None where no chosen row names one. left_out: why others were
    not looked at -> how many. pool: tracklets that were."""

    output: str
    count: int
    by: dict[str, int]
    people: int | None
    cameras: int
    pool: int
    left_out: dict[str, int]


def run_choose(options: ChooseOptions) -> Chosen:
    """Choose, and write the chosen manifest. Raises ParError."""
    manifest = Manifest.open(options.manifest)
    refuse_ambiguous(manifest, None)
    refuse_own_place(manifest, options.output)
    if storage.canonical(options.output) == storage.canonical(options.manifest):
        raise UsageError(f"--output {options.output} is the manifest itself: what is not chosen would be lost")
    if options.predictions is not None:
        refuse_among_files(options.output, options.predictions)
        if storage.canonical(options.output) == storage.join(storage.canonical(options.predictions), "run.json"):
            raise UsageError(f"--output {options.output} is the table's record, which would be lost")
    pool = read_pool(manifest, predictions=options.predictions, split=options.split)
    if options.by in _BY_SIGHT:
        pool = replace(pool, covered=read_covered(manifest, pool.rows).tolist())
    chosen = choose(pool, options)
    if not chosen:
        raise ManifestError(
            f"manifest {options.manifest}: everybody in it has {options.per_person} labelled tracklets or more: raise "
            "--per-person"
        )
    _write(manifest, options.output, pool, chosen)
    people = {pool.people[choice.at] for choice in chosen} - {None}
    return Chosen(
        output=options.output,
        count=len(chosen),
        by=dict(Counter(choice.by for choice in chosen)),
        people=len(people) or None,
        cameras=len({pool.cameras[choice.at] for choice in chosen} - {None}),
        pool=len(pool),
        left_out={why: count for why, count in pool.left_out.items() if count},
    )


def choose(pool: Pool, options: ChooseOptions) -> list[Choice]:
    """Up to ``count`` tracklets, the policies in turn; fewer where people run out. The same for the same seed."""
    allowed = _Allowance(pool.people, options.per_person, pool.labelled)
    wanted = _MIXED if options.by == "mixed" else (options.by,)
    turns = {name: deque(_orders(name, pool, options, allowed)) for name in dict.fromkeys(wanted)}
    chosen: list[Choice] = []
    rounds = deque(wanted)
    while rounds and len(chosen) < options.count:
        name = rounds.popleft()
        pick = _pick(turns[name], allowed)
        if pick is not None:
            chosen.append(Choice(pick[0], name, pick[1]))
            rounds.append(name)
    return chosen


def _pick(turns: deque[Iterator[Pick]], allowed: _Allowance) -> Pick | None:
    """The first that may be chosen of the order whose turn it is; None where none has any left."""
    while turns:
        order = turns.popleft()
        pick = next((pick for pick in order if allowed.take(pick[0])), None)
        if pick is not None:
            turns.append(order)
            return pick
    return None


class _Allowance:
    """Who may still be chosen: no tracklet twice, and of one person ``per_person`` at most, labelled ones counted."""

    def __init__(self, people: Sequence[str | None], per_person: int, of_person: Counter[str]) -> None:
        self._people = people
        self._per_person = per_person
        self._of_person = Counter(of_person)
        self._taken: set[int] = set()

    def take(self, at: int) -> bool:
        """Whether a tracklet may be chosen; then it is."""
        person = self._people[at]
        if at in self._taken or (person is not None and self._of_person[person] >= self._per_person):
            return False
        self._taken.add(at)
        if person is not None:
            self._of_person[person] += 1
        return True

    def thinned(self, order: Sequence[int]) -> list[int]:
        """Of these, before any is taken: the first that may be chosen together."""
        trial = _Allowance(self._people, self._per_person, self._of_person)
        return [at for at in order if trial.take(at)]


def _orders(name: str, pool: Pool, options: ChooseOptions, allowed: _Allowance) -> list[Iterator[Pick]]:
    rng = np.random.default_rng([options.seed, _POLICIES.index(name)])
    if name == "uncertain" and pool.said is not None:
        if options.by == name and not pool.said.told:
            raise OutputError(
                f"{options.predictions} answers no attribute, since its weights were never trained for any: choose "
                "--by diverse"
            )
        shares = [0.0] * len(pool) if pool.covered is None else pool.covered
        return orders.uncertain(pool.said, more_covered(shares, pool.cameras), rng)
    if name == "diverse" and options.predictions is not None:
        # Thinned before it is compared, so that each that is drawn is another person.
        part = sorted(allowed.thinned(rng.permutation(len(pool)).tolist())[:_MOST_COMPARED])
        if not part:
            return []
        embeddings = read_embeddings(options.predictions, [pool.ids[at] for at in part])
        return [orders.diverse(embeddings, part, options.count, options.seed)]
    return orders.stratified(pool, rng) if name == "stratified" else [orders.by_lot(pool, rng)]


def _write(manifest: Manifest, output: str, pool: Pool, chosen: Sequence[Choice]) -> None:
    rank_of = {pool.rows[choice.at]: i for i, choice in enumerate(chosen)}
    names = [name for name in manifest.column_names if name not in {field.name for field in _FIELDS}]
    rows = pa.Table.from_batches(whole_batches(manifest, names, rows=pa.array(sorted(rank_of), pa.int64())))
    ranks = [rank_of[row] for row in rows[ROW].to_pylist()]
    columns = ([rank + 1 for rank in ranks], [chosen[rank].by for rank in ranks], [chosen[rank].why for rank in ranks])
    for field, values in zip(_FIELDS, columns, strict=True):
        rows = rows.append_column(field, pa.array(values, field.type))
    schema = pa.schema([*(manifest.schema.field(name) for name in names), *_FIELDS])
    write_whole(output, schema, [rows], manifest.label_schema)
