"""A crash, a hang or runaway memory costs one video alone.

The faults are real: the child process loads a file system whose ``info`` crashes, hangs or allocates without end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from par_model.errors import FailureCode
from par_model.sampling import Sampling
from par_model.types import Crops, Failure, Preprocess, Tracklet
from par_model.video.options import DecodeOptions
from par_model.video.process import parent as isolation
from par_model.video.stage import DecodeStage
from tests.video.frame_numbers import HEIGHT, WIDTH, read, write_clip

WHOLE = Preprocess(height=HEIGHT, width=WIDTH)
FAULTS = """
    import os, signal, time
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Crash(MemoryFileSystem):
        protocol = "crash"
        def info(self, path, *args, **kwargs):
            os.kill(os.getpid(), signal.SIGSEGV)
        cat_file = info

    class Hang(MemoryFileSystem):
        protocol = "hang"
        def info(self, path, *args, **kwargs):
            time.sleep(600)

    class Greed(MemoryFileSystem):
        protocol = "greed"
        def info(self, path, *args, **kwargs):
            hoard = []
            while True:
                hoard.append(bytearray(16 << 20))

    class Bug(MemoryFileSystem):
        protocol = "bug"
        def info(self, path, *args, **kwargs):
            raise LookupError("unforeseen")

    for fault in (Crash, Hang, Greed, Bug):
        fsspec.register_implementation(fault.protocol, fault)
"""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 60))


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Child processes that start during the test know the faulty file systems."""
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(FAULTS))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    isolation.close_processes()
    yield
    isolation.close_processes()


def tracklet(row: int, uri: str, frames: range = range(10)) -> Tracklet:
    return Tracklet(row, f"t{row}", video_uri=uri, frame_indices=np.asarray(frames, np.int32))


def child_pids() -> list[int]:
    return [process._process.pid for process in isolation._idle]


@pytest.mark.parametrize(
    ("scheme", "code", "message"),
    [
        ("crash", FailureCode.VIDEO_CRASHED, "the decoding process was ended by signal SIGSEGV"),
        ("hang", FailureCode.VIDEO_TIMEOUT, "reading did not finish within 2 s (--video-timeout)"),
        ("greed", FailureCode.VIDEO_CRASHED, "the decoding process needed more than 512 MiB of memory"),
        ("bug", FailureCode.VIDEO_CRASHED, "the decoding process failed with LookupError: unforeseen"),
    ],
)
@pytest.mark.usefixtures("faults")
def test_a_fault_costs_its_video_alone(scheme: str, code: FailureCode, message: str, clip: str) -> None:
    # What does not hang is given time, for a busy machine takes seconds to fill the memory.
    seconds = 2 if scheme == "hang" else 20
    stage = DecodeStage(WHOLE, Sampling(), DecodeOptions(video_timeout=seconds, memory_bytes=512 << 20))
    bad = f"{scheme}://videos/a.mp4"
    wanted = [tracklet(0, clip), tracklet(1, bad), tracklet(2, bad), tracklet(3, clip, range(40, 60))]
    started = time.monotonic()
    results = list(stage(wanted))
    assert time.monotonic() - started < 30
    assert [r.row for r in results] == [0, 1, 2, 3]
    for good in (results[0], results[3]):
        assert isinstance(good, Crops)
        assert [read(p) for p in good.pixels] == good.sampled_frames.tolist()
    for failed in results[1:3]:
        assert isinstance(failed, Failure)
        assert (failed.code, failed.message) == (code, f"cannot read {bad}: {message}")


@pytest.mark.usefixtures("faults")
def test_stills_that_crash_the_decoder_are_unreadable_images(clip: str) -> None:
    wanted = [Tracklet(0, "stills", image_uris=("crash://a.jpg",)), tracklet(1, clip)]
    stills, video = DecodeStage(WHOLE, Sampling())(wanted)
    assert isinstance(stills, Failure)
    assert stills.code is FailureCode.IMAGE_UNREADABLE
    assert isinstance(video, Crops)


def test_long_videos_have_more_time() -> None:
    options = DecodeOptions(video_timeout=10)
    short, long = (tracklet(0, "a.mp4", range(k, k + 1)) for k in (49_999, 200_000))
    stills = Tracklet(0, "s", image_uris=("a.jpg",))
    deadlines = [isolation.DecodeTask([t], None, Sampling(), options).deadline for t in (stills, short, long)]
    assert deadlines == [10, 10, 40]


def test_the_child_stays_for_the_next_video(clip: str) -> None:
    isolation.close_processes()
    stage = DecodeStage(WHOLE, Sampling())
    list(stage([tracklet(0, clip)]))
    (pid,) = child_pids()
    for _ in range(3):
        list(DecodeStage(None, Sampling("all"))([tracklet(1, clip), tracklet(2, "/nope.mp4"), tracklet(3, clip)]))
    assert child_pids() == [pid]
    stage.close()
    assert child_pids() == []
    assert len(list(stage([tracklet(0, clip)]))) == 1


def test_a_child_that_died_while_idle_is_replaced_unnoticed(clip: str) -> None:
    stage = DecodeStage(WHOLE, Sampling())
    list(stage([tracklet(0, clip)]))
    for pid in child_pids():
        os.kill(pid, signal.SIGKILL)
    (result,) = stage([tracklet(0, clip)])
    assert isinstance(result, Crops)


def test_a_used_child_that_dies_does_not_count_against_the_video(clip: str) -> None:
    """What an earlier video left behind may be the cause, so the video is tried again in a process of its own."""
    isolation.close_processes()
    stage = DecodeStage(WHOLE, Sampling())
    list(stage([tracklet(0, clip)]))
    (pid,) = child_pids()
    os.kill(pid, signal.SIGSTOP)  # so that it cannot answer before it is killed
    results = stage([tracklet(0, clip)])
    threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
    (result,) = results
    assert isinstance(result, Crops)


def test_results_larger_than_the_shared_memory_arrive(clip: str) -> None:
    large = Preprocess(height=2000, width=1500)  # 9 MB a crop: 6 are more than half of the shared memory
    results = list(DecodeStage(large, Sampling())([tracklet(0, clip), tracklet(1, clip, range(20, 30))]))
    alone = list(DecodeStage(large, Sampling(), DecodeOptions(isolate=False))([tracklet(0, clip)]))
    assert [type(r) for r in results] == [Crops, Crops]
    assert np.array_equal(results[0].pixels, alone[0].pixels)  # type: ignore[union-attr]


def test_far_more_crops_than_the_shared_memory_holds_arrive_intact(clip: str) -> None:
    wanted = [tracklet(i, clip, range(i % 20, i % 20 + 30)) for i in range(300)]  # 133 MB
    results = list(DecodeStage(WHOLE, Sampling())(wanted))
    assert sorted(r.row for r in results) == list(range(300))
    for crops in results:
        assert isinstance(crops, Crops)
        assert [read(p) for p in crops.pixels] == crops.sampled_frames.tolist()


def test_a_consumer_that_stops_early_leaves_no_stale_answers(clip: str) -> None:
    stage = DecodeStage(WHOLE, Sampling())
    for _ in range(2):
        results = stage([tracklet(i, clip) for i in range(50)])
        assert isinstance(next(results), Crops)
        del results
    (result,) = stage([tracklet(77, clip, range(30, 40))])
    assert isinstance(result, Crops)
    assert result.row == 77


def test_two_stages_can_take_turns(clip: str) -> None:
    one = DecodeStage(WHOLE, Sampling())([tracklet(i, clip) for i in range(5)])
    other = DecodeStage(WHOLE, Sampling())([tracklet(10 + i, clip) for i in range(5)])
    assert [(a.row, b.row) for a, b in zip(one, other, strict=True)] == [(i, 10 + i) for i in range(5)]


def test_the_child_loads_neither_torch_nor_ray() -> None:
    heavy = "{'torch', 'ray', 'open_clip', 'duckdb', 's3fs'}"
    check = f"import sys, par_model.video.process.child; print(*{heavy} & {{*sys.modules}})"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_the_parent_does_not_load_the_decoder() -> None:
    check = "import sys, par_model.video.stage; print(*{'av', 'decord', 'PIL', 'torch'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert set(found.stdout.split()) <= {"PIL"}


def test_the_child_ends_with_its_parent_however_that_ends(clip: str) -> None:
    code = f"""
        import os, signal, numpy as np
        from par_model.sampling import Sampling
        from par_model.types import Tracklet
        from par_model.video.process import parent as isolation
        from par_model.video.stage import DecodeStage
        list(DecodeStage(None, Sampling())([Tracklet(0, "a", video_uri={clip!r}, frame_indices=np.array([1]))]))
        print(isolation._idle[0]._process.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    parent = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    pid = int(parent.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _is_running(pid):
        time.sleep(0.02)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
