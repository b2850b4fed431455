"""What a tracking job looks at before anything is written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from par_model import storage
from par_model.errors import OutputError
from par_model.manifest.importers.name_pattern import NamePattern
from par_model.model.device import RealDevice
from par_model.runs.differences import Fingerprint
from par_model.runs.output import Output
from par_model.tracking.detector import Detector, Scale, load_detector
from par_model.tracking.footage import Found, Naming, find_footage
from par_model.tracking.options import TrackOptions
from par_model.tracking.stages import Load, TrackSettings
from par_model.tracking.tracker import trackers_version

_IN_FOLDER = "tracklets.parquet"
SIDE = "_track"
VIDEOS = "_videos.parquet"


@dataclass(frozen=True)
class TrackFiles:
    """Where things come to lie. manifest: the file. videos: the table of videos. side: what the job itself keeps."""

    manifest: str
    videos: str
    side: str

    @classmethod
    def of(cls, output: str) -> TrackFiles:
        """For what --output says: a .parquet file, or a folder."""
        named = storage.absolute(output)
        manifest = named if named.lower().endswith(".parquet") else storage.join(named, _IN_FOLDER)
        folder = storage.parent(manifest)
        return cls(manifest, storage.join(folder, VIDEOS), storage.join(folder, SIDE))


def load_named(location: str, more: Mapping[str, Any], device: RealDevice, threads: int) -> Detector:
    """The detector that a location names; may be sent to workers with its first two arguments."""
    return load_detector(location, **more, device=device, threads=threads)


@dataclass(frozen=True)
class TrackJob:
    """What was looked at. load: makes the detector, which has pictures scaled down by ``scale``."""

    options: TrackOptions
    files: TrackFiles
    found: Found
    load: Load
    scale: Scale | None
    fingerprint: Fingerprint

    @classmethod
    def look(cls, options: TrackOptions, load: Callable[..., Detector] | None = None) -> TrackJob:
        """Find the videos and look at the detector; writes nothing.

        load: makes another detector than the named one, of a device and a number of threads. Raises ParError.
        """
        version = trackers_version()
        pattern = NamePattern(options.name_pattern) if options.name_pattern is not None else None
        naming = Naming(options.camera, options.start, pattern, options.id_prefix)
        found = find_footage(options.videos, naming)
        more = {"person_class": options.person_class, "input_style": options.detector_input}
        location = options.detector
        made = load or partial(load_named, location, more)
        detector = made("cpu", 1)
        fingerprint = {
            "videos": hashlib.sha256("\n".join(one.uri for one in found.footage).encode()).hexdigest(),
            "manifest_name": storage.name(TrackFiles.of(options.output).manifest),
            "detector": dict(detector.describe()),
            "trackers": version,
            **options.results(),
            **({} if options.join.join is None else {"join": _digest(options.join.join)}),
        }
        return cls(options, TrackFiles.of(options.output), found, made, detector.scale, fingerprint)

    @property
    def output(self) -> Output:
        """The side folder, which the job locks."""
        return Output(self.files.side)

    def settings(self) -> TrackSettings:
        """What the stages need to know."""
        options = self.options
        return TrackSettings(self.load, options.every, options.min_score, options.decode, self.scale)

    def refuse_others_files(self) -> None:
        """Raise OutputError where a manifest, or a table of videos, is there that no job of this kind began."""
        for uri in (self.files.manifest, self.files.videos):
            if storage.exists(uri):
                raise OutputError(
                    f"{uri} is there already, and the job that wrote it left no record in {self.files.side}: give "
                    "another --output, or remove it"
                )


def _digest(weights: str) -> str:
    """What tells a weights file from others."""
    from par_model.model.shipped import weights_uri
    from par_model.model.weights import read_header

    return read_header(weights_uri(weights)).sha256
