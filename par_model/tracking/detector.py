"""What every detector is, and which one a location names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from par_model.errors import UsageError, WeightsError
from par_model.model.device import Device
from par_model.tracking.detections import Detections

DEMO = "demo"
InputStyle = Literal["bgr255", "rgb255", "rgb01", "imagenet"]
"""How a network file wants its picture: colours in which order, from 0 to 255, from 0 to 1, or normalised by the mean
and standard deviation of ImageNet."""


Scale = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Makes a picture, uint8 [H, W, 3], the one that a network takes, RGB too. A function that travels by pickle."""


class Detector(Protocol):
    """Finds persons in pictures."""

    scale: Scale | None
    """How pictures may be made smaller before they are given to ``detect``, by whoever decodes them, since small ones
    are cheap to send. It finds the very same in both. None where pictures are given as they are."""

    batch_size: int
    """How many pictures to give at a time. It hangs on nothing but the detector, since on a GPU what is in a batch may
    change the last bits of an answer."""

    def detect(self, pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None = None) -> list[Detections]:
        """The persons of each picture, uint8 [H, W, 3], RGB; pictures of one call have one size.

        size: width and height that they had before ``scale``, which boxes refer to; their own unless said.

        Raises ValueError where the network's answer is no boxes and scores.
        """

    def describe(self) -> Mapping[str, Any]:
        """What decides its answers, for the record: kind, sha256 of its files, class, precision, batch size."""


BATCH = 8  # of every detector; processors take one picture after the other all the same


def describe_detector(
    location: str, *, person_class: str | None = None, input_style: InputStyle | None = None
) -> dict[str, Any]:
    """What ``describe`` says of a detector, asked without a GPU. Raises as ``load_detector`` does."""
    return dict(load_detector(location, person_class=person_class, input_style=input_style, device="cpu").describe())


def load_detector(
    location: str,
    *,
    person_class: str | None = None,
    input_style: InputStyle | None = None,
    device: Device = "auto",
    threads: int | None = None,
) -> Detector:
    """The detector that a location names, loaded here, so call this where it will run.

    location: ``demo``, the small one that ships and knows the rendered street alone; the URI of an OpenVINO IR (.xml,
        with its .bin beside it) or an ONNX file; a folder of ``transformers`` object detection, or its name on the hub.
    person_class: name or number of the class that is a person, where the file does not say it, or says another.
    input_style: how a network file wants its picture, where the file does not say it.
    device: where a network of torch runs; OpenVINO runs on the CPU.
    threads: of the network on the CPU; None leaves them to the library.

    Raises WeightsError if the detector cannot be used; UsageError if its library is missing, or if an option does not
    go with it.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads {threads}: give at least 1")
    lowered = location.lower()
    if location == DEMO:
        from par_model.tracking.street_detector import StreetDetector

        return StreetDetector(person_class=person_class, input_style=input_style, device=device, threads=threads)
    if lowered.endswith((".xml", ".onnx")):
        from par_model.tracking.openvino_detector import OpenVinoDetector

        return OpenVinoDetector(
            location, person_class=person_class, input_style=input_style, device=device, threads=threads
        )
    if lowered.endswith((".bin", ".pt", ".pth", ".engine", ".tflite", ".safetensors")):
        raise WeightsError(
            f"{location}: not a detector as it stands: give an OpenVINO .xml or an .onnx file, or the folder that "
            "transformers saved"
        )
    from par_model.tracking.transformers_detector import TransformersDetector

    return TransformersDetector(
        location, person_class=person_class, input_style=input_style, device=device, threads=threads
    )
