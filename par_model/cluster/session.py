"""Starting a local Ray, or joining the one that ``--address`` or RAY_ADDRESS names."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import IO, Any

from par_model.errors import ClusterError
from par_model.wording import one_line

# Read when ray is imported. Ray's token authentication writes a token into the home folder, and its usage statistics
# go over the network: a private, local Ray needs neither. Variables that are set already stay as they are.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    # The C++ core logs errors that it then deals with itself; what matters comes as an exception.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@contextmanager
def ray_session(address: str | None) -> Iterator[bool]:
    """A connection to Ray, ended at exit. What Ray prints goes to stderr. Yields whether other machines may be in it.

    Raises ClusterError, also where nodes of a cluster have other versions than this process.
    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address == "local":
        address = None
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address is None:
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        # Else, under `uv run`, Ray copies the whole working folder, and its workers lack what was installed by pip.
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    with _descriptor_to(1, sys.stderr):
        import ray

        from par_model.cluster.head import check_head, head_address, watched

        if ray.is_initialized():  # the caller's own session, as in a notebook: use it, leave it
            yield sum(node["Alive"] for node in ray.nodes()) > 1  # type: ignore[no-untyped-call]
            return
        options: dict[str, Any] = {"address": "local"}
        if address is None:
            # One core for decoding and one for the model at least: with fewer the graph could not start.
            options |= {"num_cpus": max(2, os.cpu_count() or 1), "include_dashboard": False}
        else:
            options["address"] = head_address(address)
            check_head(options["address"], address)
        try:
            # While it starts, Ray's C++ core says how it was configured; a failure comes as an exception.
            with open(os.devnull, "w") as nowhere, _descriptor_to(2, nowhere):
                ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
            where = f"Ray at {address}" if address else "a local Ray"
            raise ClusterError(
                f"cannot {'join' if address else 'start'} {where}: {one_line(error, 300)}; check the address, or use "
                "--no-ray"
            ) from error
        # Ray Data logs whole tracebacks of what it then raises.
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        watch = None
        try:
            with watched(ray.get_runtime_context().gcs_address) as watch, redirect_stdout(_FirstLines()):
                if address is not None:
                    from par_model.cluster.versions import refuse_other_nodes

                    refuse_other_nodes()
                yield address is not None
        finally:
            if (
                watch is None or not watch.lost
            ):  # else it would wait for the head; at the end of the process it is called
                ray.shutdown()


class _FirstLines(io.TextIOBase):
    """Ray prints what its daemons report (a worker out of memory, a task tried again), with the traceback of the
    worker; the first line of each report is enough beside the exception that follows."""

    def write(self, text: str) -> int:
        lines = text.partition("Error: Traceback")[0].strip().splitlines()
        if lines:
            sys.stderr.write(f"{lines[0][:300]}\n")
        return len(text)


@contextmanager
def _descriptor_to(descriptor: int, target: IO[str]) -> Iterator[None]:
    """Send a file descriptor elsewhere: Ray's own processes and its C++ core write to 1 and 2 past Python's streams,
    and results of commands must stay alone on 1."""
    sys.stdout.flush()
    try:
        kept, other = os.dup(descriptor), target.fileno()
    except (OSError, ValueError):  # no real files, as under a test runner's capture
        yield
        return
    os.dup2(other, descriptor)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, descriptor)
        os.close(kept)
