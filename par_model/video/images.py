"""Still images: JPEG by simplejpeg, everything else by Pillow, always as displayed and in 8-bit RGB."""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from par_model import storage
from par_model.errors import FailureCode, TrackletError
from par_model.wording import one_line

_MAX_PIXELS = 1 << 28  # a person's crop is far smaller; what claims more is a decompression bomb
_REQUESTS = 16  # in flight at a time
_EXIF_MARK = b"Exif\0\0"


def read_images(uris: Sequence[str]) -> list[bytes | storage.PlaceError]:
    """The bytes of several image files in order, remote ones all at once; for each that cannot be read, why."""
    distinct = list(dict.fromkeys(uris))
    remote = [uri for uri in distinct if not storage.is_local(uri)]
    contents = {uri: _read_local(uri) for uri in distinct if storage.is_local(uri)}
    with ThreadPoolExecutor(_REQUESTS) as pool:
        contents.update(zip(remote, pool.map(_read_remote, remote), strict=True))
    return [contents[uri] for uri in uris]


def image_error(error: storage.PlaceError) -> TrackletError:
    """What a storage error means for a tracklet of still images."""
    codes = {
        storage.Reason.NOT_FOUND: FailureCode.IMAGE_NOT_FOUND,
        storage.Reason.ARCHIVED: FailureCode.IMAGE_ARCHIVED,
        storage.Reason.IS_A_FOLDER: FailureCode.IMAGE_UNREADABLE,
        storage.Reason.ACCESS_DENIED: FailureCode.IMAGE_UNREADABLE,
    }
    return TrackletError(codes.get(error.reason, FailureCode.STORAGE_ERROR), str(error))


def _read_local(uri: str) -> bytes | storage.PlaceError:
    try:
        with storage.guard(uri, "read"):
            mode = os.stat(storage.local_path(uri)).st_mode
            if not stat.S_ISREG(mode):  # a pipe may never answer
                return storage.PlaceError(f"cannot read {uri}: it is no regular file", storage.Reason.IS_A_FOLDER)
        return storage.read_bytes(uri)
    except storage.PlaceError as error:
        return error


def _read_remote(uri: str) -> bytes | storage.PlaceError:
    try:
        return storage.read_bytes(uri)
    except storage.PlaceError as error:
        return error


def decode_image(data: bytes, name: str) -> NDArray[np.uint8]:
    """Decode an image file's bytes into RGB uint8 [H, W, 3], with its EXIF orientation applied.

    Grey becomes three equal channels, CMYK is converted, 16-bit grey is scaled down to 8 bits, transparency is laid
    over black. Raises TrackletError (image-unreadable) for what is not an image, or is cut off.
    """
    if data[:2] == b"\xff\xd8" and _EXIF_MARK not in data[: 1 << 16]:
        pixels = _plain_jpeg(data)
        if pixels is not None:
            return pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise ValueError(f"{image.width}x{image.height} pixels are more than {_MAX_PIXELS}")
                return np.array(_to_rgb(ImageOps.exif_transpose(image)))
    except Exception as error:  # Pillow's plugins raise whatever the parsing of a bad file meets
        line = one_line(error)
        if isinstance(error, UnidentifiedImageError):
            line = "it is not an image of a known kind"  # Pillow names the buffer, by its address
        raise TrackletError(FailureCode.IMAGE_UNREADABLE, f"cannot read {name}: {line}") from error


def _plain_jpeg(data: bytes) -> NDArray[np.uint8] | None:
    """A grey or YCbCr JPEG, or None where Pillow should look at it."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
        if colorspace not in ("YCbCr", "Gray") or height * width > _MAX_PIXELS:
            return None
        return np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB"))
    except ValueError:
        return None


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        values = np.asarray(image).astype(np.float64)
        if image.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError(f"its pixels (mode {image.mode}) are neither 8-bit nor 16-bit; convert it to 8-bit RGB")
        return Image.fromarray((values / 257).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image.convert("RGB")
