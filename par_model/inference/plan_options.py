"""What ``plan`` can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

from par_model.choices import DECODE_BUDGET, Policy
from par_model.manifest.options import manifest_option
from par_model.options import check_options, option

EFFICIENCY = 0.85
NODES = 8
_MOST_OF_A_NODE = 10**6


@dataclass(frozen=True)
class Nodes:
    """What a node of either kind has, and what its hour costs, in any currency. Raises UsageError."""

    gpus: int = option(1, "Number of GPUs that a GPU node has.", metavar="N", at_least=1, at_most=_MOST_OF_A_NODE)
    gpu_node_cpus: int = option(
        16, "Number of CPUs that a GPU node has.", metavar="N", at_least=0, at_most=_MOST_OF_A_NODE
    )
    cpu_node_cpus: int = option(
        16, "Number of CPUs that a CPU node has.", metavar="N", at_least=1, at_most=_MOST_OF_A_NODE
    )
    gpu_node_price: float | None = option(
        None,
        "Price of a GPU node's hour, in any currency.",
        name="--gpu-price",
        metavar="PRICE",
        at_least=0,
        below=float("inf"),
    )
    cpu_node_price: float | None = option(
        None,
        "Price of a CPU node's hour.",
        name="--cpu-price",
        metavar="PRICE",
        at_least=0,
        below=float("inf"),
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class PlanOptions:
    """Which sample tells how long things take, and what is planned. ``forecast`` and ``run_sample`` check the numbers.

    Raises UsageError.
    """

    manifest: str = manifest_option()
    run: str | None = option(None, "Output folder of a finished `parjob infer` over a sample.", metavar="OUT")
    sample: int | None = option(
        None,
        "Recognise the first N tracklets now, on this machine, and time that, instead of --run.",
        metavar="N",
    )
    weights: str | None = option(None, "Weights file for --sample (.safetensors), or 'demo'.", metavar="URI")
    sampling: Policy | None = option(
        None,
        "How the job samples; --sample does so. With --run of a job that sampled uniformly, what cheap costs is "
        "estimated.",
        otherwise="as --run did, else uniform",
    )
    decode_budget: float | None = option(
        None,
        "What --sampling cheap may spend.",
        metavar="SHARE",
        otherwise=f"{DECODE_BUDGET}, or as --run did",
    )
    tracklets: tuple[int, ...] = option(
        (),
        "Plan for so many tracklets (may be given several times).",
        metavar="N",
        otherwise="what the manifest has, and 10^4 to 10^9",
    )
    nodes: int | None = option(
        None,
        "Number of GPU nodes, or of CPU nodes where there is no GPU.",
        metavar="N",
        otherwise=str(NODES),
    )
    hours: float | None = option(
        None,
        "Plan as many nodes as it takes to be done in so many hours, instead of --nodes.",
        metavar="HOURS",
    )
    efficiency: float = option(
        EFFICIENCY, "Share of the slower stage's rate that a whole job reaches.", metavar="SHARE"
    )

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def real_nodes(self) -> int | None:
        """How many nodes there are; None where the hours say so."""
        return NODES if self.nodes is None and self.hours is None else self.nodes
