"""The weights file: one self-contained ``.safetensors``, local or at any fsspec URI.

``__metadata__["par"]`` is one JSON text: ``config`` (RecogniserConfig), ``schema`` (TOML text), ``thresholds`` and
``trained`` (one for each class), ``preprocess`` (Preprocess), ``training`` (how it came to be). The tensors are the
recogniser's, the whole image tower and the cached text features among them; names that start with ``unused.`` are
carried from an imported checkpoint and never loaded. Nothing is unpickled.

This module imports torch only to load or save tensors, so that the command line can read headers quickly.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from par_model import storage
from par_model.attributes import AttributeSchema
from par_model.documents import read_document
from par_model.errors import ParError, UsageError, WeightsError
from par_model.model.config import RecogniserConfig
from par_model.types import Preprocess
from par_model.wording import one_line, typed_line

if TYPE_CHECKING:
    from torch import Tensor

    from par_model.model.recogniser import Recogniser

UNUSED = "unused."
_ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
_HEADER_LIMIT = 100_000_000  # the format's own limit on its header, in bytes
_CHUNK = 1 << 22


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says of itself.

    thresholds: a binary class is true above its threshold. trained: False for a class that had no labels.
    shapes: every tensor's name and shape.
    """

    uri: str
    config: RecogniserConfig
    schema: AttributeSchema
    thresholds: tuple[float, ...]
    trained: tuple[bool, ...]
    preprocess: Preprocess
    training: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    sha256: str
    num_bytes: int

    @property
    def untrained(self) -> tuple[str, ...]:
        """Score fields of the classes that had no labels."""
        return tuple(name for name, known in zip(self.schema.score_fields, self.trained, strict=True) if not known)

    def check_zero_shot(self) -> None:
        """Raises UsageError, saying why, if ``ZeroShot`` cannot answer for every group from this file."""
        if not self.config.zero_shot:
            raise UsageError(
                f"--zero-shot, but the image tower of {self.uri} is not known to be a contrastively pre-trained "
                "CLIP's: make weights with `parjob weights init --pretrained`"
            )
        lacking = [g.name for g in self.schema.groups if g.kind == "binary" and g.classes[0].negative_text is None]
        if lacking:
            raise UsageError(
                f"--zero-shot, but binary groups of schema {self.schema.name} have no negative_text to compare with: "
                f"{', '.join(lacking)}: give them one and make the weights again"
            )

    @property
    def model_id(self) -> str:
        """First 12 hex digits of the file's sha256."""
        return self.sha256[:12]


def read_header(uri: str) -> WeightsHeader:
    """Read and check a weights file without loading its tensors.

    Raises WeightsError if there is no such file, or if it is a pickle, truncated, not safetensors, or not ours.
    """
    digest, size, start = hashlib.sha256(), 0, bytearray()
    with _readable(uri), storage.open_reader(uri) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if len(start) < _header_end(start):
                start += chunk
    return _parse(uri, bytes(start), size, digest.hexdigest())


def load_weights(uri: str) -> tuple[Recogniser, WeightsHeader]:
    """The recogniser in evaluation mode, on the CPU, and the file's header. Strict: every tensor must fit.

    Raises WeightsError, as ``read_header``, or if tensors are missing, unknown or of another shape.
    """
    import safetensors.torch
    import torch

    from par_model.model.recogniser import Recogniser

    with _readable(uri):
        data = storage.read_bytes(uri)
    header = _parse(uri, data, len(data), hashlib.sha256(data).hexdigest())
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # the library's error class is not public in all versions
        raise WeightsError(f"weights {uri}: not valid safetensors: {error}") from error
    with torch.device("meta"):
        recogniser = Recogniser(header.config)
    used = {name: tensor for name, tensor in tensors.items() if not name.startswith(UNUSED)}
    try:
        recogniser.load_state_dict(used, strict=True, assign=True)
    except RuntimeError as error:
        raise WeightsError(f"weights {uri}: tensors do not fit the file's own configuration: {error}") from error
    return recogniser.eval(), header


def save_weights(
    uri: str,
    recogniser: Recogniser,
    *,
    schema: AttributeSchema,
    preprocess: Preprocess,
    thresholds: Sequence[float] | None = None,
    trained: Sequence[bool] | None = None,
    training: Mapping[str, Any] | None = None,
    unused: Mapping[str, Tensor] | None = None,
    before: storage.Before | None = None,
) -> None:
    """Write one file, which appears complete or not at all. Default: thresholds 0.5, every class trained.

    before: as of ``storage.atomic_writer``. The same recogniser gives the same bytes. Raises WeightsError if parts do
    not fit each other, StorageError if the place cannot be written.
    """
    import safetensors.torch
    import torch

    classes = recogniser.config.num_classes
    if schema.num_classes != classes:
        raise WeightsError(f"schema {schema.name} has {schema.num_classes} classes, the recogniser {classes}")
    par = {
        "config": recogniser.config.to_dict(),
        "schema": schema.to_toml(),
        "thresholds": [0.5] * classes if thresholds is None else [float(value) for value in thresholds],
        "trained": [True] * classes if trained is None else [bool(value) for value in trained],
        "preprocess": preprocess.to_dict(),
        "training": dict(training or {}),
    }
    try:
        _header(uri, par, {}, "", 0)
    except (KeyError, TypeError, ValueError, ParError) as error:
        raise WeightsError(f"weights {uri}: not written, for it could not be read again: {_reason(error)}") from error
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in recogniser.state_dict().items()}
    # Cloned, for those of a checkpoint may share memory, which the format does not have.
    carried = {f"{UNUSED}{name}": tensor.detach().cpu() for name, tensor in (unused or {}).items()}
    tensors |= {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in carried.items()}
    # One metadata key only: the library writes several in any order, and the bytes would differ from run to run.
    storage.write_bytes(uri, safetensors.torch.save(tensors, metadata={"par": json.dumps(par)}), before)


@contextmanager
def _readable(uri: str) -> Iterator[None]:
    try:
        with storage.guard(uri, "read"):
            yield
    except storage.PlaceError as error:
        if error.reason is storage.Reason.NOT_FOUND:
            raise WeightsError(f"weights {uri}: no such file: `parjob weights init` makes one") from error
        if error.reason is storage.Reason.IS_A_FOLDER:
            raise WeightsError(f"weights {uri}: is a folder: name one .safetensors file") from error
        raise


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError | ParError) and str(error):
        return one_line(error)
    return typed_line(error)


def _header_end(start: bytes | bytearray) -> int:
    """Bytes needed before the JSON header is complete; at most the format's limit."""
    return 8 if len(start) < 8 else 8 + min(struct.unpack("<Q", start[:8])[0], _HEADER_LIMIT)


def _parse(uri: str, start: bytes, size: int, sha256: str) -> WeightsHeader:
    tensors = _parse_safetensors(uri, start, size)
    metadata = tensors.pop("__metadata__", None)
    text = metadata.get("par") if isinstance(metadata, dict) else None
    if text is None:
        raise WeightsError(
            f"weights {uri}: safetensors without 'par' metadata, so not a weights file of parjob: "
            "make one with `parjob weights init --pretrained` or `weights import-openpar`"
        )
    try:
        shapes = {name: tuple(tensor["shape"]) for name, tensor in tensors.items()}
        return _header(uri, json.loads(text), shapes, sha256, size)
    except (KeyError, TypeError, ValueError, RecursionError, ParError) as error:
        raise WeightsError(f"weights {uri}: damaged metadata: {_reason(error)}") from error


def _header(uri: str, par: Any, shapes: dict[str, tuple[int, ...]], sha256: str, size: int) -> WeightsHeader:
    """Raises ValueError or a ParError where ``par`` is not what a weights file says of itself."""
    told = read_document(_Par, par)
    header = WeightsHeader(
        uri=uri,
        config=RecogniserConfig.from_dict(told.config),
        schema=AttributeSchema.parse(told.schema, f"inside {uri}"),
        thresholds=told.thresholds,
        trained=told.trained,
        preprocess=told.preprocess,
        training=told.training,
        shapes=shapes,
        sha256=sha256,
        num_bytes=size,
    )
    _check_agreement(header)
    return header


@dataclass(frozen=True)
class _Par:
    """``__metadata__["par"]``."""

    config: dict[str, Any]
    schema: str
    thresholds: tuple[float, ...]
    trained: tuple[bool, ...]
    preprocess: Preprocess
    training: dict[str, Any]

    def __post_init__(self) -> None:
        for value in self.thresholds:
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"thresholds must be numbers from 0 to 1, got {value}")


def _check_agreement(header: WeightsHeader) -> None:
    """Raises ValueError."""
    config, preprocess = header.config, header.preprocess
    lengths = {config.num_classes, header.schema.num_classes, len(header.thresholds), len(header.trained)}
    if len(lengths) > 1:
        raise ValueError("configuration, schema, thresholds and trained disagree")
    wanted = (config.backbone.image_height, config.backbone.image_width)
    if (preprocess.height, preprocess.width) != wanted:
        raise ValueError(
            f"preprocess gives {preprocess.height}x{preprocess.width} pixels, "
            f"but the backbone takes {wanted[0]}x{wanted[1]}"
        )
    if not all(math.isfinite(value) for value in (*preprocess.mean, *preprocess.std)):
        raise ValueError(f"mean {preprocess.mean} and std {preprocess.std} must be finite")


def _parse_safetensors(uri: str, start: bytes, size: int) -> dict[str, Any]:
    if start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") or start[:4] == b"PK\x03\x04":
        raise WeightsError(
            f"weights {uri}: a pickle (a PyTorch checkpoint), which is never opened here: "
            "convert a released checkpoint with `parjob weights import-openpar`"
        )
    if size < 8:
        raise WeightsError(f"weights {uri}: not safetensors: {size} bytes, too few for a header")
    (length,) = struct.unpack("<Q", start[:8])
    if length > _HEADER_LIMIT or start[8:9] not in (b"{", b""):
        raise WeightsError(f"weights {uri}: not a safetensors file")
    if size < 8 + length:
        raise WeightsError(f"weights {uri}: truncated: {size} bytes, but its header alone has {8 + length}")
    try:
        tensors: dict[str, Any] = json.loads(start[8 : 8 + length])
        ends = [8 + length]
        for name, tensor in tensors.items():
            if name == "__metadata__":
                continue
            begin, end = tensor["data_offsets"]
            if end - begin != prod(tensor["shape"]) * _ITEM_BYTES[tensor["dtype"]]:
                raise ValueError(f"tensor {name} has {end - begin} bytes for shape {tensor['shape']}")
            ends.append(8 + length + end)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"weights {uri}: not a safetensors file: {_reason(error)}") from error
    if size < max(ends):
        raise WeightsError(f"weights {uri}: truncated: {size} of {max(ends)} bytes are there: copy it again")
    if size > max(ends):
        raise WeightsError(f"weights {uri}: {size - max(ends)} bytes too long to be one safetensors file")
    return tensors
