"""Loaded by every Python process of a job under test, Ray's and the decoding ones too: what breaks on purpose.

crash:///path    a video whose reading ends the process that reads it
hang:///path     a video whose reading never returns
slow:///path     a local video that takes half a second to open, or FAULT_SLOW_SECONDS
FAULT_KILL_AT_PART=N        SIGKILL to the process that writes part N, when it is written but not yet in its place;
                            with FAULT_PART_MARK=MARK once, since it leaves MARK
FAULT_STOP_AT_PART=N        the same with SIGSTOP
FAULT_KILL_AT_PLAN=NAME     as FAULT_KILL_AT_PART, at the first file of OUT/_plan whose name begins so
FAULT_KILL_AT_FOUND=N       as FAULT_KILL_AT_PART, at file N of what a tracking job has found
FAULT_DISK_FULL_AT_PART=N   no space left when part N is written
FAULT_KILL_AT_FILE=MARK     SIGKILL to the process that writes the table's file 1, locally or on S3, when it is written
                            but not yet in its place; once, since it leaves MARK
"""

import errno
import os
import signal
import time

_replace = os.replace


def _is_first_time(mark):  # type: ignore[no-untyped-def]
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _may_end_at_file(path):  # type: ignore[no-untyped-def]
    mark = os.environ.get("FAULT_KILL_AT_FILE")
    if mark and "/attributes/" in path and os.path.basename(path) == "part-00001.parquet" and _is_first_time(mark):
        os.kill(os.getpid(), signal.SIGKILL)


def _faulty_replace(source, target, **kwargs):  # type: ignore[no-untyped-def]
    name = os.path.basename(target)
    _may_end_at_file(target)
    plan = os.environ.get("FAULT_KILL_AT_PLAN", "no file of this name")
    mark = os.environ.get("FAULT_PART_MARK")
    part = f"part-{int(os.environ.get('FAULT_KILL_AT_PART', '0')):06d}-"
    found = f"found-{int(os.environ.get('FAULT_KILL_AT_FOUND', '0')):06d}-"
    if name.startswith((part, found, plan)) and (mark is None or _is_first_time(mark)):
        with open(source, "r+b") as file:
            file.truncate(os.path.getsize(source) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith(f"part-{int(os.environ.get('FAULT_STOP_AT_PART', '0')):06d}-"):
        os.kill(os.getpid(), signal.SIGSTOP)
    if name.startswith(f"part-{int(os.environ.get('FAULT_DISK_FULL_AT_PART', '0')):06d}-"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), target)
    _replace(source, target, **kwargs)


os.replace = _faulty_replace


def _register() -> None:
    import fsspec
    from fsspec.implementations.local import LocalFileSystem

    class Crash(LocalFileSystem):
        protocol = "crash"

        def info(self, path, **kwargs):  # type: ignore[no-untyped-def]
            os.kill(os.getpid(), signal.SIGSEGV)

        cat_file = open = info

    class Hang(LocalFileSystem):
        protocol = "hang"

        def info(self, path, **kwargs):  # type: ignore[no-untyped-def]
            time.sleep(600)

        cat_file = open = info

    class Slow(LocalFileSystem):
        protocol = "slow"

        def _open(self, path, *args, **kwargs):  # type: ignore[no-untyped-def]
            time.sleep(float(os.environ.get("FAULT_SLOW_SECONDS", "0.5")))
            return super()._open(path, *args, **kwargs)

        @classmethod
        def _strip_protocol(cls, path):  # type: ignore[no-untyped-def]
            return super()._strip_protocol(path.removeprefix("slow://"))

    for faulty in (Crash, Hang, Slow):
        fsspec.register_implementation(faulty.protocol, faulty)


def _register_s3() -> None:
    import s3fs.core

    commit = s3fs.core.S3File.commit

    def faulty_commit(self):  # type: ignore[no-untyped-def]
        _may_end_at_file(self.path)
        return commit(self)

    s3fs.core.S3File.commit = faulty_commit


if "FAULTS" in os.environ:
    _register()
if "FAULT_KILL_AT_FILE" in os.environ:
    _register_s3()
