"""What makes two runs different, and the refusal to mix them in one output."""

from __future__ import annotations

import json
from typing import Any

from par_model.errors import OutputError

Fingerprint = dict[str, Any]

_DIGESTS = ("manifest", "weights", "labels")  # that they differ says enough


def differing(recorded: Fingerprint, wanted: Fingerprint) -> list[str]:
    """Names of what a run wants otherwise than the recorded one did. wanted: before it went through JSON, or after."""
    told: Fingerprint = json.loads(json.dumps(wanted))
    return [name for name, value in told.items() if value != recorded.get(name)]


def refuse_differing(
    output: str, recorded: Fingerprint, wanted: Fingerprint, *, advice: str = "give another --output"
) -> None:
    """Raise OutputError, naming what differs, unless both are the same run."""
    names = differing(recorded, wanted)
    if names:
        said = ", ".join(
            name if name in _DIGESTS else f"{name} ({recorded.get(name)!r} there, {wanted[name]!r} now)"
            for name in names
        )
        raise OutputError(f"{output} holds results of another run; it differs in {said}: {advice}")
