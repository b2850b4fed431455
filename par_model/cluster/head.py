"""The head of a cluster: whether it answers before a job joins, and noticing that it is gone while one runs.

Ray itself waits ten minutes for an address at which nothing answers, deaf to Ctrl-C, and ends a process whose head has
been gone for a minute without a word that its log level lets through.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import ray

from par_model.cluster.ray_internals import create_gcs_channel, gcs_service_pb2, gcs_service_pb2_grpc, services
from par_model.errors import ClusterError
from par_model.wording import one_line

_log = logging.getLogger(__name__)
_ADVICE = "check the address (HOST:PORT, the port 6379 unless `ray start --head` said another), or use --no-ray"
_ANSWER_SECONDS = 20.0  # for the first answer, of a head that may be far or busy
_LOOK_SECONDS, _LOOK_ANSWER_SECONDS = 3.0, 5.0
# Ray ends the process after this variable's seconds without a head: what is done has to be kept before that.
_RAY_GIVES_UP, _RAY_GIVES_UP_SECONDS = "RAY_gcs_rpc_server_reconnect_timeout_s", 60.0
_LEAVING_SECONDS = 25.0


def head_address(given: str) -> str:
    """HOST:PORT of the head that ``given``, one of Ray's forms of an address, names. Raises ClusterError."""
    scheme, separator, _ = given.partition("://")
    if scheme == "ray" and separator:
        raise ClusterError(
            f"cannot join Ray at {given}: that is the port of Ray Client, which carries no such job; start it on a "
            f"machine of the cluster with HOST:6379, or by `ray job submit`"
        )
    if separator:
        raise ClusterError(
            f"cannot join Ray at {given}: that is for `ray job submit`, which starts a job on the cluster; a job "
            f"itself takes HOST:6379, or 'auto' on a machine of the cluster"
        )
    try:
        address = str(services.canonicalize_bootstrap_address(given, None))
    except (ConnectionError, ValueError, OSError) as error:
        raise ClusterError(f"cannot join Ray at {given}: {one_line(error)}; {_ADVICE}") from error
    if not address.rpartition(":")[2].isdigit():
        raise ClusterError(f"cannot join Ray at {given}: it has no number as its port; {_ADVICE}")
    return address


def check_head(address: str, given: str) -> None:
    """Raises ClusterError where no head of this Ray's version answers, within half a minute. given: as the user wrote
    it."""
    try:
        theirs = _ask(address, _ANSWER_SECONDS)
    except grpc.RpcError as error:
        why = _why(error)
        if why is None:
            return  # it is a head, and ray.init says what it wants
        raise ClusterError(f"cannot join Ray at {given}: {why}; {_ADVICE}") from error
    if theirs and theirs != ray.__version__:
        raise ClusterError(
            f"cannot join Ray at {given}: its head has Ray {theirs}, this machine {ray.__version__}: install the "
            f"same version on both"
        )


@contextmanager
def watched(address: str) -> Iterator[Watch]:
    """Within, a head that stops answering ends what runs with a ClusterError, in time to keep what is done.

    Only in the main thread, since that is the one that can be interrupted.
    """
    watch = Watch(address)
    if threading.current_thread() is threading.main_thread():
        watch.start()
    try:
        yield watch
    except KeyboardInterrupt:
        if not watch.lost:
            raise
        raise gone(address) from None
    except (ClusterError, ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
        # What the loss of the head broke may be seen before the loss itself.
        watch.lost = watch.lost or not _answers(address)
        if not watch.lost:
            raise
        raise gone(address) from error
    finally:
        watch.stop()


def gone(address: str) -> ClusterError:
    """The line for a head that is gone."""
    return ClusterError(
        f"the Ray cluster at {address} is gone: its head does not answer any more; what was done is kept: once the "
        f"cluster is back, or on another, the same command goes on from there"
    )


class Watch(threading.Thread):
    """Asks the head now and then. lost: it has not answered for so long that Ray will soon give up."""

    def __init__(self, address: str) -> None:
        super().__init__(name="parjob-head", daemon=True)
        self._address = address
        self._stopped = threading.Event()
        gives_up = float(os.environ.get(_RAY_GIVES_UP) or _RAY_GIVES_UP_SECONDS)
        self._patience = max(gives_up / 3, gives_up - _LEAVING_SECONDS - 15)
        self.lost = False

    def run(self) -> None:
        heard = time.monotonic()
        while not self._stopped.wait(_LOOK_SECONDS):
            if _answers(self._address):
                heard = time.monotonic()
            elif time.monotonic() - heard > self._patience:
                break
        if self._stopped.is_set():
            return
        self.lost = True
        main = threading.main_thread().ident
        if main is not None:
            signal.pthread_kill(main, signal.SIGINT)
        if not self._stopped.wait(_LEAVING_SECONDS):
            # Ray's own calls do not return: say it before Ray ends the process.
            _log.critical(gone(self._address))
            os._exit(ClusterError.exit_code)

    def stop(self) -> None:
        self._stopped.set()


def _answers(address: str) -> bool:
    try:
        _ask(address, _LOOK_ANSWER_SECONDS)
    except grpc.RpcError as error:
        return _why(error) is None
    return True


def _ask(address: str, seconds: float) -> str:
    """The version of Ray that the head there has. Raises grpc.RpcError."""
    # Generated code, which has no types.
    messages: Any = gcs_service_pb2
    services_of_head: Any = gcs_service_pb2_grpc
    channel = create_gcs_channel(address)
    try:
        head = services_of_head.NodeInfoGcsServiceStub(channel)
        return str(head.CheckAlive.future(messages.CheckAliveRequest(), timeout=seconds).result().ray_version)
    finally:
        channel.close()


def _why(error: Any) -> str | None:
    """Why there was no answer; None where there was one, of a head that refused."""
    code = error.code()
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"nothing answered within {_ANSWER_SECONDS:g} s"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return "what answers there is no head of Ray"
    if code is not grpc.StatusCode.UNAVAILABLE:
        return None
    details = one_line(str(error.details()))
    if "refused" in details:
        return "nothing listens there"
    if "lookup failed" in details or "DNS" in details:
        return "there is no such host"
    if "Failed to connect" in details or "timed out" in details:
        return f"it cannot be reached ({details.rpartition(': ')[2]})"
    return "what answers there is no head of Ray"
