"""``parjob doctor``: what is installed and what works here, to put into a bug report."""

from __future__ import annotations

import json
import os
import platform
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from par_model.cli import options
from par_model.cli.command import Command
from par_model.errors import ParError
from par_model.scratch import scratch_folder
from par_model.wording import one_line, typed_line

if TYPE_CHECKING:
    from par_model.storage import FileInfo

_FRAMES = (2, 5, 9)
_LEVELS = [20 * i + 10 for i in range(12)]  # brightness of each frame of the clip that decoders are tried on
_TOLERANCE = 4
_ZONE_FOLDERS = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo", "/etc/zoneinfo")


@dataclass(frozen=True)
class Finding:
    """What one check found. ok: None where there is nothing to be right or wrong, such as a GPU that is not there."""

    check: str
    ok: bool | None
    says: str


@click.command(cls=Command)
@click.option(
    "--s3", metavar="URI", help="An s3:// folder or file to read a byte of, with the credentials that a job would use."
)
@click.option(
    "--output",
    metavar="URI",
    help="A folder to write a small file to, and remove it, as every worker of a job does.",
)
@options.ray
@options.json_output
def doctor(s3: str | None, output: str | None, address: str | None, no_ray: bool, as_json: bool) -> int:
    """Say what is installed and what works here: versions, GPUs, decoders, S3 access, Ray.

    Each decoder reads frames out of a small clip, and Ray is started or joined. Put the output into a bug report; it
    has no credentials in it.

    \b
    Exit codes: 0 all that was tried works; 1 something does not.
    \b
    Example:
      parjob doctor --s3 s3://bucket/archive
    """
    from par_model.runs.record import versions

    found = {"python": platform.python_version(), "platform": platform.platform()} | versions()
    if not as_json:
        for name, version in found.items():
            click.echo(f"{'':8}{name:16} {version}")
    checks: dict[str, Callable[[], tuple[bool | None, str]]] = {
        "libraries": _libraries,
        "tracking": lambda: _extra("track", "parjob track", "trackers", "openvino", "transformers"),
        "iceberg": lambda: _extra("iceberg", "parjob table register --iceberg", "pyiceberg"),
        "delta": lambda: _extra("delta", "parjob table register --delta", "deltalake"),
        "time zones": _time_zones,
        "uv": lambda: _uv(address),
        "gpu": _gpu,
        "decoder pyav": lambda: _decoder("pyav"),
        "decoder decord": lambda: _decoder("decord"),
        "s3": lambda: _s3(s3),
        "output": lambda: _output(output),
        "ray": lambda: _ray(address, no_ray),
    }
    findings = []
    for name, check in checks.items():
        findings.append(_look(name, check))
        if not as_json:
            click.echo(_line(findings[-1]))
    well = all(finding.ok is not False for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": well, "versions": found, "checks": [asdict(finding) for finding in findings]}))
    return 0 if well else 1


def _look(name: str, check: Callable[[], tuple[bool | None, str]]) -> Finding:
    try:
        ok, says = check()
    except ParError as error:
        ok, says = False, str(error)
    except Exception as error:  # noqa: BLE001  # whatever is broken here, the other checks are still wanted
        ok, says = False, typed_line(error)
    return Finding(name, ok, one_line(says))


def _line(finding: Finding) -> str:
    mark = {True: "ok", False: "FAILED", None: "-"}[finding.ok]
    return f"{mark:8}{finding.check:16} {finding.says}"


def _libraries() -> tuple[bool | None, str]:
    from par_model.cli.requirements import requirements, unmet

    asked = requirements()
    if not asked:
        return None, "this package runs without being installed, so the versions that it needs are not known"
    wrong = unmet(asked)
    if not wrong:
        return True, f"all {len(asked)} have the versions that this package needs"
    found = ", ".join(f"{one.name} {version or 'is not installed'}" for one, version in wrong.items())
    wanted = " ".join(f"'{one.name}{one.specifier}'" for one in wrong)
    return False, f"{found}: pip install {wanted}"


def _extra(name: str, command: str, *modules: str) -> tuple[bool | None, str]:
    """Whether what a command needs beyond the package itself, an extra of it, is there, and can be loaded."""
    from par_model.cli.requirements import requirements, unmet
    from par_model.extras import install, load

    get = install(name)
    always = {one.name for one in requirements()}
    asked = [one for one in requirements([name]) if one.name not in always]
    wrong = unmet(asked)
    missing = [one.name for one, version in wrong.items() if version is None]
    if not asked:
        return None, f"not installed; `{command}` needs it: {get}"
    if missing:
        are, them = ("is", "it") if len(missing) == 1 else ("are", "them")
        return None, f"{', '.join(missing)} {are} not installed; `{command}` needs {them}: {get}"
    if wrong:
        wanted = " ".join(f"'{one.name}{one.specifier}'" for one in wrong)
        return False, f"{', '.join(f'{one.name} {version}' for one, version in wrong.items())}: pip install {wanted}"
    for module in modules:
        load(module, f"`{command}`", name)
    have, do = ("has", "loads") if len(asked) == 1 else ("have", "load")
    return True, f"{', '.join(one.name for one in asked)} {have} the versions that `{command}` needs, and {do}"


def _time_zones() -> tuple[bool | None, str]:
    """Whether this system has a time-zone database, the only one that Arrow reads; Python and pandas also take the
    library tzdata."""
    import zoneinfo

    if any((Path(folder) / "UTC").is_file() for folder in _ZONE_FOLDERS):
        return True, "the system has a database of them"
    unread = "" if "UTC" in zoneinfo.available_timezones() else ", and pandas does not read them"
    return None, (
        f"this system has no database of them: pyarrow neither rounds nor prints times with a zone, UTC too{unread}; "
        "install the system's package tzdata"
    )


def _uv(address: str | None) -> tuple[bool | None, str]:
    where = address or os.environ.get("RAY_ADDRESS")
    if "UV_RUN_RECURSION_DEPTH" not in os.environ:
        return None, "this was not started by `uv run`"
    if where and os.environ.get("RAY_ENABLE_UV_RUN_RUNTIME_ENV") != "0":
        return None, (
            f"started by `uv run`: Ray sends this folder to {where} and starts its workers there by `uv run`; "
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV=0 uses what is installed there"
        )
    return True, "started by `uv run`: workers use this environment, and nothing is copied"


def _gpu() -> tuple[bool | None, str]:
    import torch

    if not torch.cuda.is_available():
        return None, f"torch sees none: the model runs on CPUs, of which there are {os.cpu_count()}"
    torch.ones(1, device="cuda").sum().item()
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return True, f"{', '.join(names)}; CUDA {torch.version.cuda}"


def _decoder(name: Literal["pyav", "decord"]) -> tuple[bool | None, str]:
    """Read some frames of a clip whose brightness is their number, as a job would: in a process of its own."""
    from importlib.util import find_spec

    import numpy as np

    from par_model.sampling import Sampling
    from par_model.types import Failure, Tracklet
    from par_model.video.options import DecodeOptions
    from par_model.video.stage import DecodeStage

    if name == "decord" and find_spec("decord") is None:
        return None, "not installed: it has wheels for x86-64 only, and nothing needs it"
    with scratch_folder("doctor") as folder:
        clip = _write_clip(Path(folder) / "clip.mp4")
        stage = DecodeStage(None, Sampling("uniform", len(_FRAMES)), DecodeOptions(decoder=name))
        try:
            (result,) = stage([Tracklet(0, "clip", video_uri=clip, frame_indices=np.array(_FRAMES, np.int32))])
        finally:
            stage.close()
    if isinstance(result, Failure):
        return False, f"{result.code}: {result.message}"
    levels = [round(float(image.mean())) for image in result.images]
    wanted = [_LEVELS[frame] for frame in _FRAMES]
    if any(abs(level - want) > _TOLERANCE for level, want in zip(levels, wanted, strict=True)):
        return False, f"frames {_FRAMES} of a clip are as bright as {levels}, not {wanted}"
    return True, f"frames {_FRAMES} of a clip are right"


def _write_clip(path: Path) -> str:
    import numpy as np

    from par_model.video.writer import ClipWriter

    with ClipWriter(path, width=64, height=64, fps=25) as clip:
        for level in _LEVELS:
            clip.write(np.full((64, 64, 3), level, np.uint8))
    return str(path)


def _s3(uri: str | None) -> tuple[bool | None, str]:
    from par_model import storage

    if uri is None:
        return None, "not tried: --s3 URI looks at one"
    file = _some_file(uri)
    if file is None and storage.exists(uri):
        return True, f"{uri} can be listed; no file is there to read a byte of"
    if file is None:
        return False, f"{uri}: no file is there, so nothing could be read"
    if file.size:
        with storage.guard(file.uri, "read"), storage.open_reader(file.uri, block_size=1) as opened:
            opened.read(1)
        return True, f"{file.uri} can be read"
    return True, f"{uri} is there, and empty"


def _output(uri: str | None) -> tuple[bool | None, str]:
    from par_model import storage

    if uri is None:
        return None, "not tried: --output URI writes to one"
    file = storage.join(storage.absolute(uri), f"_doctor-{uuid.uuid4().hex}")
    storage.write_bytes(file, b"parjob doctor")
    read = storage.read_bytes(file)
    storage.remove(file)
    if read != b"parjob doctor":
        return False, f"{uri} gives back other bytes than were written"
    return True, f"{uri} can be written, read and removed from here; on S3 every worker of a job needs that right"


def _some_file(uri: str) -> FileInfo | None:
    """A file that holds something: the one at ``uri``, or one below it, of the first that a listing has. None if there
    is none. Raises PlaceError."""
    from par_model import storage

    if (found := storage.file_info(uri)) is not None and found.size:
        return found
    with storage.guard(uri, "list"):
        fs, path = storage.filesystem(uri)
        if not hasattr(fs, "call_s3"):
            return next((file for file in storage.list_files(uri) if file.size), found)
        bucket, _, key = path.partition("/")
        prefix = f"{key.rstrip('/')}/" if key else ""
        listed = fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix).get("Contents", [])
    return next((storage.FileInfo(f"s3://{bucket}/{f['Key']}", f["Size"]) for f in listed if f["Size"]), found)


def _ray(address: str | None, no_ray: bool) -> tuple[bool | None, str]:
    if no_ray:
        return None, "not tried: --no-ray"
    from par_model.cluster.session import ray_session
    from par_model.cluster.sizing import Resources

    with ray_session(address) as joined:
        there = Resources.of_cluster(joined=joined)
    where = f"joined {address or os.environ.get('RAY_ADDRESS')}" if joined else "a local one starts"
    return True, f"{where}: {there.live_cpus:g} CPUs, {there.live_gpus:g} GPUs"
