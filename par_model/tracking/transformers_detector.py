"""Object detection of ``transformers``: RT-DETR, D-FINE, DETR and their kin, in a folder or by name from the hub.

What transformers does unasked is set or refused: weights that are not in the file would be random, and half precision
that was saved would be computed in; pickled weights are not read. Pictures are given as whole numbers from 0 to 255,
since the processors divide by 255 whatever they are given.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import UsageError, WeightsError
from par_model.extras import load
from par_model.model.device import Device
from par_model.scratch import scratch_folder
from par_model.tracking.detections import FLOOR, Detections
from par_model.tracking.person_class import person_class_of
from par_model.tracking.torch_detector import TorchDetector
from par_model.wording import lines_of

_WANTED = re.compile(r"[^/]+\.(json|safetensors)")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_CONFIG, _PROCESSOR = "config.json", "preprocessor_config.json"


class TransformersDetector(TorchDetector):
    """See ``Detector`` and ``load_detector``."""

    def __init__(
        self,
        location: str,
        *,
        person_class: str | None = None,
        input_style: str | None = None,
        device: Device = "auto",
        threads: int | None = None,
    ) -> None:
        if input_style is not None:
            raise UsageError(f"--detector-input: {location} says itself how it wants its picture, so leave it out")
        transformers = load("transformers", f"the detector {location}")
        super().__init__(device, threads)
        self._location = location
        with _local_folder(location) as folder:
            self._sha256 = _digest(folder)
            self._model, self._processor = _loaded(transformers, folder, location)
        labels = {int(number): str(name) for number, name in (self._model.config.id2label or {}).items()}
        self._person = person_class_of(labels, person_class, location)
        self._model.eval().to(self.device)

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "transformers",
            "sha256": self._sha256,
            "person_class": self._person,
            "precision": "float32",
            "batch_size": self.batch_size,
        }

    def _detect(self, pictures: Sequence[NDArray[np.uint8]], height: int, width: int) -> list[Detections]:
        given = self._processor(images=list(pictures), input_data_format="channels_last", return_tensors="pt")
        outputs = self._model(**given.to(self.device))
        found = self._processor.post_process_object_detection(
            outputs, threshold=FLOOR, target_sizes=[(height, width)] * len(pictures)
        )
        return [self._persons(one, height, width) for one in found]

    def _persons(self, found: dict[str, torch.Tensor], height: int, width: int) -> Detections:
        chosen = found["labels"] == self._person
        boxes, scores = (found[name][chosen].float().cpu().numpy() for name in ("boxes", "scores"))
        try:
            return Detections.in_picture(boxes, scores, height=height, width=width)
        except ValueError as error:
            raise ValueError(f"{self._location}: {error}") from error


@contextmanager
def _local_folder(location: str) -> Iterator[Path]:
    """The files of a detector on this machine. Raises WeightsError, PlaceError."""
    if location and storage.is_local(location) and storage.is_folder(location):
        yield Path(storage.local_path(location))
    elif "://" in location:
        with scratch_folder("detector") as copy:
            for file in storage.list_files(location):
                name = storage.name(file.uri)
                if _WANTED.fullmatch(name) and _path(storage.parent(file.uri)) == _path(location):
                    Path(copy, name).write_bytes(storage.read_bytes(file.uri))
            yield Path(copy)
    elif _HUB_NAME.fullmatch(location) and not storage.exists(location):
        yield _from_hub(location)
    else:
        raise WeightsError(
            f"{location}: no such detector: give `demo`, an OpenVINO .xml or an .onnx file, a folder that transformers "
            "saved, or a name on its hub, such as PekingU/rtdetr_r50vd"
        )


def _path(uri: str) -> str:
    """As the file system writes it, which may not be as the user does."""
    return str(storage.filesystem(uri)[1]).rstrip("/")


def _from_hub(name: str) -> Path:
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=["*.json", "*.safetensors"]))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{name}: neither a folder here nor to be had from the hub: {lines_of(error)[0]}; on a machine without a "
            "network give a folder"
        ) from error


def _loaded(transformers: Any, folder: Path, location: str) -> tuple[Any, Any]:
    """The network and its processor. Raises WeightsError, also where weights would be left random."""
    for name in (_CONFIG, _PROCESSOR):
        if not (folder / name).is_file():
            raise WeightsError(
                f"{location}: {name} is missing: give the folder that save_pretrained of network and processor wrote"
            )
    transformers.utils.logging.disable_progress_bar()
    try:
        model, report = transformers.AutoModelForObjectDetection.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise WeightsError(f"{location}: transformers cannot load it: {lines_of(error)[0]}") from error
    lacking = sorted({*report["missing_keys"], *(str(key) for key in report["mismatched_keys"])})
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise WeightsError(
            f"{location}: has no weights for {lacking[0]}{more}, which would be random: it is no whole detector; "
            "take one that was trained for object detection"
        )
    if not hasattr(processor, "post_process_object_detection"):
        raise WeightsError(f"{location}: its processor, {type(processor).__name__}, is not one of object detection")
    return model, processor


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if _WANTED.fullmatch(file.name):
            with file.open("rb") as opened:
                digest.update(f"{file.name}\0{hashlib.file_digest(opened, 'sha256').hexdigest()}\0".encode())
    return digest.hexdigest()
