"""Where the stages of a job run: what ``LocalRunner`` and Ray's runner have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import pyarrow as pa

from par_model.inference.keep import Elsewhere, Workshop
from par_model.inference.options import StageSettings
from par_model.inference.planned import Units
from par_model.model.device import RealDevice
from par_model.runs.spread import Item, Result


class Runner(Protocol):
    """Where the stages run. ``outcomes`` yields every row of every unit once, or raises NodesLostError: then it may be
    called again with the units that are missing. ``spread`` gives what ``work`` makes of each item, in no order, maybe
    in other processes; ``workshop``, if there is one, writes parts in them; ``shares`` says whether they see a place as
    this process does."""

    @property
    def decode_workers(self) -> int: ...

    def device(self) -> RealDevice: ...

    def outcomes(self, units: Units, settings: StageSettings) -> Iterator[pa.Table | Elsewhere]: ...

    def spread(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]: ...

    def workshop(self) -> Workshop | None: ...

    def shares(self, uri: str) -> bool: ...
