"""Progress on stderr: a bar with rate and time left on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from tqdm import tqdm

_LINE_SECONDS = 10.0

# Is told how many there are, and gives what counts those that are done.
Start = Callable[[int], Callable[[int], None]]


class Progress:
    """Counts ``unit``s (a plural noun) up to ``total``; ``already`` of them were done by an earlier run."""

    def __init__(self, total: int, unit: str, *, already: int = 0, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total, self._already, self._done, self._unit = total, already, already, unit
        self._started = self._last_line = time.monotonic()
        self._bar = None
        if self._stream.isatty():
            # Not tqdm's own way of asking: a terminal without a size, as of `docker run -t`, would show nothing.
            columns, lines = shutil.get_terminal_size()
            self._bar = tqdm(
                total=total,
                initial=already,
                unit=f" {unit}",
                file=self._stream,
                ncols=columns,
                nrows=lines,
                mininterval=0.2,
            )

    def advance(self, count: int) -> None:
        """``count`` more are done."""
        self.reach(self._done + count)

    def reach(self, done: int, note: str = "") -> None:
        """``done`` are done in all; the note says what else there is to know."""
        self._done = done
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
        elif time.monotonic() - self._last_line >= _LINE_SECONDS:
            self._last_line = time.monotonic()
            self.say(self._line() + (f"; {note}" if note else ""))

    def say(self, line: str) -> None:
        """A line of its own, above the bar."""
        if self._bar is not None:
            self._bar.clear()
        self._stream.write(line + "\n")
        self._stream.flush()
        if self._bar is not None:
            self._bar.refresh()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.close()

    def _line(self) -> str:
        rate = (self._done - self._already) / max(1e-9, time.monotonic() - self._started)
        left = (self._total - self._done) / rate if rate else float("inf")
        return f"{self._done}/{self._total} {self._unit}, {rate:.1f} {self._unit}/s, {_clock(left)} left"


@contextmanager
def counting(unit: str) -> Iterator[Start]:
    """Shows progress in ``unit``s (a plural noun), from when their number is told to the end of the block."""
    shown: list[Progress] = []

    def start(total: int) -> Callable[[int], None]:
        shown.append(Progress(total, unit))
        return shown[-1].advance

    try:
        yield start
    finally:
        for progress in shown:
            progress.close()


def unseen(total: int) -> Callable[[int], None]:
    """A ``Start`` that shows nothing."""
    return lambda done: None


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "unknown time"
    minutes, seconds_left = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours}:{minutes_left:02d}:{seconds_left:02d}"
