"""Detectors in a file: an OpenVINO IR, or ONNX, which OpenVINO reads itself.

Colours, scaling and resizing become part of the network, so that it takes pictures as they are decoded. What OpenVINO
does unasked is set: float32 where the processor would offer bfloat16, one stream, a number of threads.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from par_model import storage
from par_model.errors import UsageError, WeightsError
from par_model.extras import load
from par_model.model.device import Device
from par_model.tracking.detections import Detections
from par_model.tracking.detector import BATCH, Scale
from par_model.tracking.network_answer import NetworkAnswer, NetworkOutput, answer_of
from par_model.tracking.person_class import person_class_of
from par_model.wording import lines_of

_ZOO = " (in the Open Model Zoo 1, as in person-detection-retail-0013, or 0, as in person-detection-0200)"
_SIZES = "orig_target_sizes"  # the second input of RT-DETR and D-FINE as their authors export them


class Colours(NamedTuple):
    """is_bgr: blue comes first. mean, scale: subtracted from each channel, and what is left divided by, of 0 to 255."""

    is_bgr: bool
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()


_STYLES = {
    "bgr255": Colours(is_bgr=True),
    "rgb255": Colours(is_bgr=False),
    "rgb01": Colours(is_bgr=False, scale=(255.0,)),
    "imagenet": Colours(is_bgr=False, mean=(123.675, 116.28, 103.53), scale=(58.395, 57.12, 57.375)),
}


class OpenVinoDetector:
    """See ``Detector`` and ``load_detector``."""

    batch_size = BATCH
    scale: Scale | None = None  # a part of the network

    def __init__(
        self,
        location: str,
        *,
        person_class: str | None = None,
        input_style: str | None = None,
        device: Device = "auto",
        threads: int | None = None,
    ) -> None:
        if device == "cuda":
            raise UsageError(f"--device cuda: {location} runs by OpenVINO, on CPUs; leave out --device")
        openvino = load("openvino", f"the detector {location}")
        self._location = location
        core = openvino.Core()
        model, self._sha256 = _read(core, location)
        self._answer: NetworkAnswer = answer_of([_output(port) for port in model.outputs], location)
        self._person = self._person_class(_told(model, "labels"), person_class)
        colours = _colours(model, input_style, self._answer, location)
        picture = _picture_input(model, location)
        self._sizes = len(model.inputs) == 2
        self._height, self._width = _fix_size(model, picture, location)
        model = _with_preprocessing(openvino, model, picture, colours)
        settings: dict[str, Any] = {
            **{"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"},
            **({"INFERENCE_NUM_THREADS": threads} if threads is not None else {}),
        }
        try:
            self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        except RuntimeError as error:
            raise WeightsError(f"{location}: OpenVINO cannot run it: {_reason(error)}") from error
        self._picture = picture
        self._style = colours

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "openvino",
            "sha256": self._sha256,
            "person_class": self._person,
            "input": {"bgr": self._style.is_bgr, "mean": list(self._style.mean), "scale": list(self._style.scale)},
            "precision": "float32",
            "batch_size": self.batch_size,
        }

    def detect(self, pictures: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None = None) -> list[Detections]:
        return [self._detect_one(picture, size or (picture.shape[1], picture.shape[0])) for picture in pictures]

    def _detect_one(self, picture: NDArray[np.uint8], size: tuple[int, int]) -> Detections:
        width, height = size
        fed: dict[int, Any] = {self._picture: np.ascontiguousarray(picture)[None]}
        if self._sizes:
            fed[1 - self._picture] = np.array([[self._width, self._height]], np.int64)
        found = self._request.infer(fed)
        outputs = [np.array(found[port]) for port in self._request.model_outputs]
        try:
            boxes, scores, classes = self._answer.read(outputs, height=self._height, width=self._width)
            if classes is not None:
                boxes, scores = boxes[classes == self._person], scores[classes == self._person]
            return Detections.in_picture(boxes * (width, height, width, height), scores, height=height, width=width)
        except ValueError as error:
            raise ValueError(f"{self._location}: {error}") from error

    def _person_class(self, told: str | None, wanted: str | None) -> int | None:
        """None where there is one class only, which needs no number."""
        if self._answer.has_classes:
            return person_class_of(dict(enumerate((told or "").split())), wanted, self._location, example=_ZOO)
        if wanted is not None:
            raise WeightsError(f"{self._location}: gives no classes, so leave out --person-class")
        return None


def _read(core: Any, location: str) -> tuple[Any, str]:
    """The model, and the sha256 of its file or files. Raises WeightsError, PlaceError."""
    content = storage.read_bytes(location)
    digest = hashlib.sha256(content)
    weights = b""
    if location.lower().endswith(".xml"):
        beside = f"{location[: -len('.xml')]}.bin"
        if not storage.exists(beside):
            raise WeightsError(f"{location}: its weights are not beside it: {beside} is missing")
        weights = storage.read_bytes(beside)
        digest.update(weights)
    try:
        model = core.read_model(content, weights) if weights else core.read_model(io.BytesIO(content))
    except RuntimeError as error:
        raise WeightsError(f"{location}: OpenVINO cannot read it: {_reason(error)}") from error
    return model, digest.hexdigest()


def _output(port: Any) -> NetworkOutput:
    shape = tuple(side.get_length() if side.is_static else None for side in port.get_partial_shape())
    return NetworkOutput(next(iter(sorted(port.get_names())), ""), shape, not port.get_element_type().is_real())


def _picture_input(model: Any, location: str) -> int:
    """The position of the input that takes the picture. Raises WeightsError for inputs that nothing here can fill."""
    four = [at for at, port in enumerate(model.inputs) if port.get_partial_shape().rank.get_length() == 4]
    others = [port for at, port in enumerate(model.inputs) if at not in four]
    if len(four) == 1 and all(_SIZES in port.get_names() for port in others) and len(others) <= 1:
        return four[0]
    names = ", ".join("/".join(sorted(port.get_names())) or "an unnamed one" for port in model.inputs)
    raise WeightsError(f"{location}: its inputs are {names}: expected one picture, and at most {_SIZES} beside it")


def _fix_size(model: Any, picture: int, location: str) -> tuple[int, int]:
    """Make the batch one picture, and give the height and width that the network takes. Raises WeightsError."""
    shape = model.inputs[picture].get_partial_shape()
    sides = [side.get_length() if side.is_static else None for side in shape]
    if sides[1] != 3 or sides[2] is None or sides[3] is None:
        raise WeightsError(
            f"{location}: its picture is {shape}, expected [1, 3, height, width] with both fixed: export it for "
            "one size"
        )
    if sides[0] != 1:
        fixed = {at: port.get_partial_shape() for at, port in enumerate(model.inputs)}
        for at in fixed:
            fixed[at][0] = 1
        try:
            model.reshape(fixed)
        except RuntimeError as error:
            raise WeightsError(f"{location}: cannot take one picture at a time: {_reason(error)}") from error
    return sides[2], sides[3]


def _told(model: Any, key: str) -> str | None:
    """What the file says of itself under ``model_info``, where exporters of OpenVINO's Model API put it: a node of an
    IR, a line of an ONNX file's metadata."""
    for path in (["model_info", key], ["framework", f"model_info {key}"]):
        if model.has_rt_info(path):
            return str(model.get_rt_info(path).value)
    return None


def _colours(model: Any, wanted: str | None, answer: NetworkAnswer, location: str) -> Colours:
    """As the user says, as the file says, or as SSD detectors of the Open Model Zoo want it.
    Raises UsageError if nothing says it."""
    if wanted is not None:
        return _STYLES[wanted]
    reverses = _told(model, "reverse_input_channels")
    if reverses is not None:
        # The Model API is given BGR.
        mean, scale = (tuple(map(float, (_told(model, f"{name}_values") or "").split())) for name in ("mean", "scale"))
        return Colours(reverses.strip().lower() in ("false", "no", "0"), mean, scale)
    if answer.is_ssd:
        return _STYLES["bgr255"]
    raise UsageError(
        f"{location} does not say how it wants its picture: give --detector-input, one of {', '.join(_STYLES)}; as it "
        "was trained (torchvision's, RT-DETR and D-FINE: rgb01)"
    )


def _with_preprocessing(openvino: Any, model: Any, picture: int, colours: Colours) -> Any:
    """The network with colours, scaling and bilinear resizing before it."""
    prepared = openvino.preprocess.PrePostProcessor(model)
    taken = prepared.input(picture)
    formats = openvino.preprocess.ColorFormat
    taken.tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC")).set_spatial_dynamic_shape()
    taken.tensor().set_color_format(formats.RGB)
    taken.model().set_layout(openvino.Layout("NCHW"))
    steps = taken.preprocess().convert_element_type(openvino.Type.f32)
    if colours.is_bgr:
        steps.convert_color(formats.BGR)
    steps.resize(openvino.preprocess.ResizeAlgorithm.RESIZE_LINEAR)
    if colours.mean:
        steps.mean(list(colours.mean))
    if colours.scale:
        steps.scale(list(colours.scale))
    return prepared.build()


def _reason(error: Exception) -> str:
    """OpenVINO's errors begin with where in its sources they were raised."""
    return lines_of(error)[-1]
