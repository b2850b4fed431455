"""Crops of the same tracklets by the readers that one would otherwise take, in one run.

python -m benchmarks.peers [--environment FOLDER] [--only CONTENDER ...]

Sixty overlapping tracklets of 1,500 frames of 1280x720, H.264 with B-frames, a key frame every 50; six frames of each
tracklet, fitted to 224x224. Three files: quiet pictures, noisy ones, and, in Matroska, a rate that wavers and is halved
from the middle on. Each picture shows its number, so that crops tell which frame they are of. A contender is a
process that has begun and has read a clip of two seconds; its time is processor time, of all processes that it has
started too, the least of up to three turns; memory is the most that they held together (proportional set size, looked
at 20 times a second). Readers have one thread where they can be told so. Frames are cut and fitted by the same
functions for all. Daft's key frames are cut for each tracklet in which they lie; all others give six frames a tracklet.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import venv
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import psutil

from benchmarks.frames import overlapping
from benchmarks.peer_files import render_all, right_crops
from benchmarks.peer_readers import TORCH
from benchmarks.results import table, write_section
from par_model.types import Tracklet

PINS = Path(__file__).with_name("peers.txt")
ROOT = Path(__file__).parents[1]
NAMES = {
    "ours-uniform": "par_model, uniform",
    "ours-cheap": "par_model, cheap, default budget",
    "ours-tightest": "par_model, cheap, tightest budget",
    "daft-key-time": "Daft 0.7.26, key frames, numbered by their time",
    "daft-key-index": "Daft 0.7.26, key frames, numbered by frame_index",
    "daft-all": "Daft 0.7.26, all frames",
    "ray": "Ray Data 2.60.0, read_videos",
    "torchcodec": "torchcodec 0.17.0, exact",
    "decord-grouped": "decord 0.6.0, grouped, 32 frames at a time",
    "decord-each": "decord 0.6.0, opened for each tracklet",
    "cutting": "cutting and fitting alone",
}
_TURNS, _ENOUGH = 3, 5.0  # at most; seconds after which there is no further turn
_ANSWER = 300.0  # seconds


class SkippedError(Exception):
    """A contender that cannot run here, with the reason."""


@dataclass
class Measured:
    """seconds: of processor time. mib: at most. crops: how many; right: which show the frame they are said to be of."""

    seconds: float
    mib: float
    crops: int
    right: int


def install(folder: Path) -> list[str]:
    """Make an environment of the pinned packages in a folder, unless it is there. Returns what could not be."""
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    lines = [line for line in PINS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(re.sub(r"\[.*\]", "", line) for line in lines), encoding="utf-8")
    missing = []
    for line in lines:
        done = subprocess.run(
            [*pip, "--constraint", str(constraints), line], stderr=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            missing.append(f"{line}: {(done.stderr.strip().splitlines() or ['pip failed'])[-1]}")
    return missing


class Contender:
    """A process that reads crops by one library, with all the processes that it starts."""

    def __init__(self, name: str, python: str, folder: Path) -> None:
        self._name, self._result = name, folder / f"{name}.npz"
        self._log = folder / f"{name}.log"
        spec = importlib.util.find_spec("torch")
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            TORCH: str(Path(spec.origin).parents[1]) if spec and spec.origin else "",
            "DAFT_PROGRESS_BAR": "0",
            "DO_NOT_TRACK": "1",
        }
        with self._log.open("w") as log:
            command = [python, "-c", "from benchmarks.peer_readers import main; main()", name]
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip

    def __enter__(self) -> Contender:
        self._expect("ready")
        return self

    def __exit__(self, *_: object) -> None:
        everything = self._everything()
        self._pipe(self._process.stdin).close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        for process in everything:
            if process.is_running():
                process.kill()
        self._process.wait()
        self._pipe(self._process.stdout).close()

    def read(self, video: Path, tracklets: list[dict[str, Any]]) -> Measured:
        before = self._used()
        with Peak(self._everything) as peak:
            self._say(json.dumps({"video": str(video), "tracklets": tracklets, "result": str(self._result)}))
            self._expect("done")
        used = self._used() - before
        self._say("keep")
        self._expect("kept")
        return Measured(used, peak.mib, *score(self._result, tracklets))

    def _everything(self) -> list[psutil.Process]:
        try:
            whole = psutil.Process(self._process.pid)
            return [whole, *whole.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _used(self) -> float:
        """Processor seconds so far, of processes that have ended too, as their parents count them."""
        total = 0.0
        for process in self._everything():
            try:
                total += sum(process.cpu_times()[:4])
            except psutil.NoSuchProcess:
                continue
        return total

    def _say(self, line: str) -> None:
        pipe = self._pipe(self._process.stdin)
        pipe.write(f"{line}\n")
        pipe.flush()

    def _expect(self, word: str) -> None:
        late = threading.Timer(_ANSWER, self._process.kill)
        late.start()
        answer = self._pipe(self._process.stdout).readline().strip()
        late.cancel()
        if answer != word:
            lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise SkippedError(lines[-1] if lines else f"ended, or gave no answer within {_ANSWER:g} s")

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe


class Peak:
    """Looks, while it is open, how much memory processes hold together: ``mib`` is the most that was seen."""

    def __init__(self, processes: Any) -> None:
        self._processes, self._over = processes, threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.mib = 0.0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            held = sum(_proportional_kib(process.pid) for process in self._processes())
            self.mib = max(self.mib, held / 1024)
            if self._over.wait(0.05):
                return


def _proportional_kib(pid: int) -> int:
    with suppress(OSError):  # it has ended
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("\nPss:")[1].split()[0])
    return 0


def score(result: Path, tracklets: list[dict[str, Any]]) -> tuple[int, int]:
    """Crops that were made, and those that show the frame that they are said to be of."""
    with np.load(result) as found:
        rows, frames, images = found["rows"], found["frames"], found["images"]
    right = 0
    for row, tracklet in enumerate(tracklets):
        of = rows == row
        right += right_crops(images[of], frames[of].tolist(), tracklet["box"])
    return len(rows), right


def measure(contender: Contender, warm_up: Path, video: Path, tracklets: list[dict[str, Any]]) -> Measured:
    """The least time and the most memory of some turns."""
    best = contender.read(warm_up, [{"start": 0, "length": 50, "box": tracklets[0]["box"]}])
    turns: list[Measured] = []
    while len(turns) < _TURNS and sum(turn.seconds for turn in turns) < _ENOUGH:
        turns.append(contender.read(video, tracklets))
    best = min(turns, key=lambda turn: turn.seconds)
    return Measured(best.seconds, max(turn.mib for turn in turns), best.crops, best.right)


def described(tracklet: Tracklet) -> dict[str, Any]:
    """A tracklet of neighbouring frames and a box that stays where it is, as peer_readers takes it."""
    assert tracklet.frame_indices is not None
    assert tracklet.boxes is not None
    start = int(tracklet.frame_indices[0])
    return {"start": start, "length": tracklet.num_frames, "box": tracklet.boxes[0].tolist()}


def rows_of(found: dict[str, dict[str, Measured]]) -> list[list[str]]:
    """A line a contender: of each kind of file, processor time, memory, and right crops of those that were made."""
    lines = []
    for name, kinds in found.items():
        cells = [NAMES[name]]
        for measured in kinds.values():
            is_read = name != "cutting"
            right = f"{measured.right} of {measured.crops}" if is_read else str(measured.crops)
            cells += [f"{measured.seconds:.2f} s", f"{measured.mib:.0f} MiB", right]
        lines.append(cells)
    return lines


def against(found: dict[str, dict[str, Measured]]) -> list[list[str]]:
    """What one asks of the quiet file, where all that it takes was measured."""
    quiet = {name: kinds["quiet"] for name, kinds in found.items()}
    lines = []
    if {"ours-tightest", "daft-key-time", "cutting"} <= quiet.keys():
        key, cutting = quiet["daft-key-time"], quiet["cutting"]
        same = key.seconds + cutting.seconds * (1 - key.crops / cutting.crops)
        for name in ("ours-tightest", "ours-cheap"):
            if name in quiet:
                share = quiet[name].seconds / same
                aim = "<= 0.7" if name == "ours-tightest" else ""
                what = f"{NAMES[name]}, against Daft's key frames with the cutting and fitting of as many crops"
                lines.append([what, f"{quiet[name].seconds:.2f} s", f"{same:.2f} s", f"{share:.2f} of it", aim])
    if {"ours-tightest", "decord-each"} <= quiet.keys():
        times = quiet["decord-each"].seconds / quiet["ours-tightest"].seconds
        what = f"{NAMES['ours-tightest']}, against decord opened for each tracklet"
        both = [f"{quiet[name].seconds:.2f} s" for name in ("ours-tightest", "decord-each")]
        lines.append([what, *both, f"{times:.1f} times faster", ">= 18"])
    return lines


def reading(found: dict[str, dict[str, Measured]]) -> str:
    """What the table means, where all that it takes was measured."""
    if not {"ours-tightest", "daft-key-time", "daft-key-index"} <= found.keys():
        return ""
    ours, by_time, by_index = (found[name] for name in ("ours-tightest", "daft-key-time", "daft-key-index"))
    quiet, variable = by_time["quiet"], by_time["variable rate"]
    return (
        "Daft's key frames are the one way here that decodes about as little as cheap sampling. They give "
        f"{quiet.crops} crops where six frames a tracklet are {ours['quiet'].crops}, fewer of short tracklets. "
        "Its column frame_index counts key frames alone: boxes joined by it lie on the right picture in "
        f"{by_index['quiet'].right} of {by_index['quiet'].crops} crops. By time and the rate that the file declares "
        f"{quiet.right} of {quiet.crops} are right, at a variable rate {variable.right} of {variable.crops}. The other "
        "readers decode all frames, or all from a key frame on, and hold many whole pictures while they do."
    )


def report(found: dict[str, dict[str, Measured]], skipped: list[str], sizes: dict[str, float]) -> None:
    head = ["reader"]
    for kind in sizes:
        head += [f"{kind}: time", "memory", "right crops"]
    how = (__doc__ or "").split("\n\n", 2)[2].strip()
    files = "The files: " + ", ".join(f"{kind} {size:.1f} MB" for kind, size in sizes.items()) + "."
    parts = [f"{how}\n{files}", table(head, rows_of(found))]
    parts.append(table(["on the quiet file", "par_model", "other", "result", "aim"], against(found)))
    parts.append(reading(found))
    parts += [f"Left out: {line}." for line in skipped]
    body = "\n\n".join(part for part in parts if part)
    print(body)
    write_section("Peers", body)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--environment", type=Path, help="where the peers are installed, and stay for the next run")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="CONTENDER")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        environment = (options.environment or folder / "environment").resolve()
        skipped = install(environment)
        files = render_all(folder)
        tracklets = [described(t) for t in overlapping("video")]
        found: dict[str, dict[str, Measured]] = {}
        for name in options.only:
            python = sys.executable if name.startswith("ours") else str(environment / "bin" / "python")
            try:
                with Contender(name, python, folder) as contender:
                    for kind, (warm_up, video) in files.items():
                        found.setdefault(name, {})[kind] = measure(contender, warm_up, video, tracklets)
                        print(NAMES[name], kind, found[name][kind], flush=True)
            except SkippedError as error:
                skipped.append(f"{NAMES[name]}: {error}")
                print(f"skipped {skipped[-1]}", flush=True)
        sizes = {kind: video.stat().st_size / 1e6 for kind, (_, video) in files.items()}
    report(found, skipped, sizes)


if __name__ == "__main__":
    main()
