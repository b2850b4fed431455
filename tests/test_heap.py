"""A process keeps what it frees."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Four of 12 MiB at once are more than the C library keeps by itself, which is two.
_PROGRAM = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from par_model.heap import keep_freed_memory

def touched():
    pictures = [np.ones(12 << 20, np.uint8) for _ in range(4)]
    del pictures

def faults(kept):
    if kept:
        keep_freed_memory()
    touched(), touched()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        touched()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

kept = sys.argv[1] == "kept"
if sys.argv[2] == "main":
    print(faults(kept))
else:
    print(ThreadPoolExecutor(1).submit(faults, kept).result())
"""


@pytest.mark.parametrize("thread", ["main", "other"])
def test_freed_memory_is_not_cleared_again_by_the_kernel(thread: str) -> None:
    """Threads other than the first, such as those of Ray's actors, have heaps of their own."""

    def faults(kept: str) -> int:
        command = [sys.executable, "-c", _PROGRAM, kept, thread]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    given_back, kept = faults("given back"), faults("kept")
    if platform.libc_ver()[0] == "glibc":  # elsewhere nothing is changed
        assert given_back > 1_000
        assert kept < 500
