"""What was raised in a worker, read out of what Ray makes of it: where causes hang, and how Ray words its texts.

None of it is documented, so all of it is here, and another Ray is met in one file. Seen with Ray 2.60.
"""

from __future__ import annotations

from typing import Any

from par_model.errors import ClusterError, ParError, StorageError, UsageError, WeightsError
from par_model.wording import lines_of

_ADVICE = "To change retry attempts"  # how a line begins that tells of Ray's own settings


def par_error(error: BaseException) -> ParError:
    """What a worker raised on purpose, or one line about what happened to it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ParError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    # What stopped an actor from starting, or was raised again after Ray Data's own retries, comes as text alone.
    lines = [line for line in lines_of(error) if not line.startswith(_ADVICE)]
    for kind in (UsageError, WeightsError, StorageError, ClusterError):
        prefix = f"{kind.__module__}.{kind.__name__}: "
        for line in reversed(lines):
            if line.startswith(prefix):
                return kind(line.removeprefix(prefix))
    last = lines[-1] if lines else type(error).__name__
    return ClusterError(f"a worker failed for good: {last}; the same command again goes on from here")


def causes_of_failed_training(error: Any) -> list[BaseException]:
    """What the workers of Ray Train raised, or its controller. error: a ``ray.train.TrainingFailedError``."""
    failures = getattr(error, "worker_failures", None) or {0: getattr(error, "controller_failure", error)}
    return [getattr(failure, "_base_exc", failure) for failure in failures.values()]
