"""Memory that a process has freed, and whether it keeps it for itself."""

from __future__ import annotations

import ctypes

# Of mallopt(3) of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 256 << 20
_LARGE_BYTES = 32 << 20  # the most that every version takes


def keep_freed_memory() -> None:
    """Have this process keep 256 MiB of memory that is freed, for the next who asks for some; 64 MiB of what threads
    other than the first have freed, which share further heaps. The kernel gets it back otherwise, and clears it, page
    by page, when it is asked for again: the small detector met 1,200 such pages in each picture, a fifth of its time.
    It is for all that a process does: so for those that do one thing over and over. Without the GNU C library nothing
    happens."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    # Each by itself would end what the library does on its own, and with one alone most pages go back still.
    set_option(_MMAP_THRESHOLD, _LARGE_BYTES)
    set_option(_TRIM_THRESHOLD, _KEPT_BYTES)
