"""What a block of a graph's input costs Ray Data, however little lies in it: why units travel many to a block.

The graph has the shape of inference: numbers come in, one actor maps them, another maps what comes out, and the driver
takes the results. Nobody does any work, so all that is measured is Ray's own.

    python -m benchmarks.scale_blocks
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from typing import Any

import pyarrow as pa

from benchmarks import stand_ins
from benchmarks.results import peak_mib, table, write_section
from par_model.cluster.session import ray_session

_SIZES = (256, 2048, 4096)
_EXPLAINED = """Ray {ray}. Blocks of one number each go through two maps, each by one actor on one machine, and back to
the driver, which is the process that began. The last row is the difference between the largest graph and the smallest,
for each block that the largest has more. Load average over the last 15 minutes: {load:.0f}; what is above the number of
cores is other work, and makes times longer."""


def measure(blocks: int, pipe: Any) -> None:
    """In a process of its own, so that its peak memory is its own."""
    import ray
    import ray.data

    with ray_session(None):
        pool = ray.data.ActorPoolStrategy(size=1)
        wall, cpu = time.perf_counter(), time.process_time()
        graph = ray.data.from_arrow_refs([ray.put(pa.table({"unit": [number]})) for number in range(blocks)])
        for _ in range(2):
            graph = graph.map_batches(
                stand_ins.PassOn, compute=pool, num_cpus=1, batch_size=None, batch_format="pyarrow"
            )
        rows = sum(len(taken) for taken in graph.iter_batches(batch_size=None, batch_format="pyarrow"))
        found = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak_mib": peak_mib()}
    assert rows == blocks, (rows, blocks)
    pipe.send(found | {"blocks": blocks, "ray": ray.__version__})


def main() -> None:
    results = []
    context = multiprocessing.get_context("spawn")
    for blocks in _SIZES:
        ours, theirs = context.Pipe()
        process = context.Process(target=measure, args=(blocks, theirs))
        process.start()
        theirs.close()  # so that the end of a process that failed is seen
        results.append(ours.recv())
        process.join()
        print(json.dumps(results[-1]), flush=True)
    first, last = results[0], results[-1]
    more = last["blocks"] - first["blocks"]
    wall, cpu, kib = ((last[key] - first[key]) / more for key in ("wall", "cpu", "peak_mib"))
    header = ["blocks", "wall time", "driver's CPU time", "driver's peak memory"]
    body = [
        [f"{r['blocks']:,}", f"{r['wall']:.1f} s", f"{r['cpu']:.1f} s", f"{r['peak_mib']:.0f} MiB"] for r in results
    ]
    body.append(["each block", f"{1e3 * wall:.1f} ms", f"{1e3 * cpu:.1f} ms", f"{2**10 * kib:.0f} KiB"])
    text = f"{_EXPLAINED.format(ray=first['ray'], load=os.getloadavg()[2])}\n\n{table(header, body)}"
    print(text)
    write_section("Scale of Ray's blocks", text)


if __name__ == "__main__":
    main()
