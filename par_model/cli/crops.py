"""``parjob crops``: what the model would see, as PNG files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from par_model import storage
from par_model.cli import options
from par_model.cli.command import Command
from par_model.errors import FailureCode, ManifestError
from par_model.inference.options import InferOptions
from par_model.options import check_values, taken
from par_model.video.options import DecodeOptions
from par_model.wording import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from par_model.manifest.read import Manifest
    from par_model.manifest.selection import Selection
    from par_model.types import Failure, RawCrops
    from par_model.video.stage import DecodeStage

_INDEX = "crops.csv"
_MAX_FOLDER_BYTES = 150
_DEFAULT_FRAMES = 6
_UNIT_TRACKLETS = 64
_UNKEPT = re.compile(r"[^A-Za-z0-9_.-]")
_OUR_FILE = re.compile(r"[0-9]+\.png")


def folder_name(tracklet_id: str) -> str:
    """The folder of a tracklet's crops: different for different ids, safe on every file system and object store.

    Percent-encoded but for ``A-Za-z0-9_-`` and inner dots; what is longer than 150 bytes is cut there and ends with
    ``~`` and 12 hex digits of the id's sha256.
    """
    name = _UNKEPT.sub(lambda found: quote(found[0], safe="").replace("~", "%7E"), tracklet_id)
    if name.startswith("."):
        name = "%2E" + name[1:]
    if name.endswith("."):
        name = name[:-1] + "%2E"
    if len(name) <= _MAX_FOLDER_BYTES:
        return name
    return f"{name[:_MAX_FOLDER_BYTES]}~{hashlib.sha256(tracklet_id.encode()).hexdigest()[:12]}"


@click.command(cls=Command)
@options.manifest
@click.option("--output", required=True, metavar="DIR", help="Folder to write the crops into, local or s3://.")
@click.option("--weights", metavar="URI", help="Weights file, which says how many frames its network sees.")
@options.selection
@options.sampling
@options.decoding
@options.failures
@options.json_output
def crops(output: str, weights: str | None, as_json: bool, **asked: Any) -> int:
    """Write what the model would see, as PNG files: DIR/<id>/<frame>.png, cut but not resized.

    DIR/crops.csv maps tracklet ids to folders, sampled frames and errors. Without --weights, --frames is 6.

    \b
    Exit codes: 0 done; 1 could not; 2 wrong usage; 3 done, but more than --max-failure-rate failed; 130 interrupted.
    \b
    Example:
      parjob crops --manifest tracklets.parquet --output crops
    """
    from par_model.manifest.selection import Selection
    from par_model.progress import Progress

    uri, split, decode = asked.pop("manifest"), asked["split"], taken(DecodeOptions, asked)
    check_values(InferOptions, asked)
    stage = _stage(weights, decode, asked)
    manifest = _open(uri)
    selection = Selection(split, asked["limit"])
    count = selection.count(manifest)
    if count == 0:
        raise ManifestError(f"{uri} has no tracklet of split {split!r}: nothing to do")
    folder = CropsFolder(storage.absolute(output))
    progress = Progress(count, "tracklets")
    try:
        for result in _results(manifest, selection, stage):
            folder.write(result)
            progress.advance(1)
    finally:
        progress.close()
        stage.close()
    folder.write_index()
    click.echo(folder.summary(as_json=as_json))
    return 3 if folder.failed > asked["max_failure_rate"] * count else 0


def _stage(weights: str | None, decode: DecodeOptions, asked: dict[str, Any]) -> DecodeStage[RawCrops]:
    from par_model.sampling import Sampling
    from par_model.video.stage import DecodeStage

    frames = asked["frames"]
    if frames is None and weights is not None:
        from par_model.model.shipped import weights_uri
        from par_model.model.weights import read_header

        frames = read_header(weights_uri(weights)).config.frames
    sampling = Sampling(asked["sampling"], frames or _DEFAULT_FRAMES, asked["seed"], asked["decode_budget"])
    return DecodeStage(None, sampling, decode)


def _open(uri: str) -> Manifest:
    from par_model.manifest.read import Manifest
    from par_model.manifest.refuse import refuse_ambiguous

    manifest = Manifest.open(uri)
    refuse_ambiguous(manifest, None)
    return manifest


def _results(manifest: Manifest, selection: Selection, stage: DecodeStage[RawCrops]) -> Iterator[RawCrops | Failure]:
    """Read the selected tracklets video by video."""
    from par_model.inference.units import UnitSize, plan_units
    from par_model.manifest.tracklets import tracklets

    size = UnitSize(most=_UNIT_TRACKLETS, enough=_UNIT_TRACKLETS)
    for unit in plan_units(manifest, selection, stage.sampling.frames, size):
        yield from stage(t for batch in unit.to_batches() for t in tracklets(batch))


@dataclass
class CropsFolder:
    """The output: one folder of PNG files for each tracklet, and the index, written last."""

    uri: str
    failed: int = 0
    crops: int = 0
    _rows: list[tuple[int, str, str, str, str, str]] = field(default_factory=list)

    def write(self, result: RawCrops | Failure) -> None:
        """Write one tracklet's crops, and remove those of other frames that an earlier run wrote for it."""
        from par_model.types import Failure

        name = folder_name(result.tracklet_id)
        if name == _INDEX and not isinstance(result, Failure):
            why = f"the tracklet's folder would have the name of the index, {_INDEX}: rename the tracklet"
            result = Failure(result.row, result.tracklet_id, result.num_frames, FailureCode.INVALID_TRACKLET, why)
        written: dict[str, NDArray[np.uint8]] = {}
        if isinstance(result, Failure):
            self.failed += 1
            row = (result.row, result.tracklet_id, "", "", str(result.code), result.message)
        else:
            frames = result.sampled_frames.tolist()
            written = {f"{frame}.png": image for frame, image in zip(frames, result.images, strict=True)}
            row = (result.row, result.tracklet_id, name, " ".join(map(str, frames)), "", "")
        place = storage.join(self.uri, name)
        for old in storage.list_files(place) if self._existed and name != _INDEX else ():
            if _OUR_FILE.fullmatch(storage.name(old.uri)) and storage.name(old.uri) not in written:
                storage.remove(old.uri)
        for file_name, image in written.items():
            storage.write_bytes(storage.join(place, file_name), _png(image))
        self.crops += len(written)
        self._rows.append(row)

    def write_index(self) -> None:
        """Write crops.csv: one line for each tracklet, in manifest order."""
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(["tracklet_id", "folder", "frames", "error", "message"])
        table.writerows(row[1:] for row in sorted(self._rows))
        storage.write_bytes(storage.join(self.uri, _INDEX), text.getvalue().encode())

    def summary(self, *, as_json: bool) -> str:
        """What was written, in one line."""
        count = len(self._rows)
        if as_json:
            return json.dumps({"tracklets": count, "failed": self.failed, "crops": self.crops})
        done = f"{counted(self.crops, 'crop')} of {counted(count - self.failed, 'tracklet')}"
        return f"{self.uri}: {done}; {self.failed} failed (see {_INDEX})"

    @cached_property
    def _existed(self) -> bool:
        """Whether there was anything here before."""
        return storage.exists(self.uri)


def _png(image: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG", compress_level=3)
    return data.getvalue()
