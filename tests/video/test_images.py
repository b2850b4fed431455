"""Still images."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from par_model import storage
from par_model.errors import FailureCode, TrackletError
from par_model.video.images import decode_image, image_error, read_images


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, format, **options)
    return data.getvalue()


def smooth() -> Image.Image:
    rows, columns = np.meshgrid(np.arange(48), np.arange(32), indexing="ij")
    return Image.fromarray(np.stack([rows * 5, columns * 7, rows + columns], axis=2).astype(np.uint8))


def test_a_jpeg_has_the_pixels_that_pillow_gives() -> None:
    data = encoded(smooth(), "JPEG", quality=90)
    assert np.array_equal(decode_image(data, "a.jpg"), np.asarray(Image.open(io.BytesIO(data))))


def test_a_png_is_exact() -> None:
    assert np.array_equal(decode_image(encoded(smooth(), "PNG"), "a.png"), np.asarray(smooth()))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90,
    }[orientation]
    decoded = decode_image(encoded(smooth(), format, exif=exif), "a")
    assert np.abs(decoded.astype(int) - turned(np.asarray(smooth())).astype(int)).mean() < 6


@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_grey_becomes_three_equal_channels(format: str) -> None:
    grey = smooth().convert("L")
    decoded = decode_image(encoded(grey, format), "grey")
    assert decoded.shape == (48, 32, 3)
    assert np.ptp(decoded, axis=2).max() == 0
    assert np.abs(decoded[:, :, 0].astype(int) - np.asarray(grey)).mean() < 3


def test_cmyk_is_converted() -> None:
    decoded = decode_image(encoded(smooth().convert("CMYK"), "JPEG", quality=95), "cmyk")
    assert np.abs(decoded.astype(int) - np.asarray(smooth()).astype(int)).mean() < 8


def test_16_bit_grey_is_scaled_to_8_bits() -> None:
    values = np.linspace(0, 65535, 48 * 32).reshape(48, 32).astype(np.uint16)
    decoded = decode_image(encoded(Image.fromarray(values), "PNG"), "16 bit")
    assert np.array_equal(decoded[:, :, 0], np.rint(values / 257).astype(np.uint8))


def test_floating_point_pixels_are_refused() -> None:
    data = encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(TrackletError, match="mode F") as caught:
        decode_image(data, "float.tif")
    assert caught.value.code is FailureCode.IMAGE_UNREADABLE


def test_transparency_lies_over_black() -> None:
    decoded = decode_image(encoded(Image.new("RGBA", (4, 4), (200, 100, 50, 0)), "PNG"), "clear.png")
    assert (decoded == 0).all()


@pytest.mark.parametrize("name", ["empty", "text", "cut jpeg", "cut png", "jpeg head only"])
def test_what_is_no_whole_image_is_unreadable(name: str) -> None:
    jpeg, png = encoded(smooth(), "JPEG"), encoded(smooth(), "PNG")
    data = {
        "empty": b"",
        "text": b"hello" * 50,
        "cut jpeg": jpeg[: len(jpeg) // 2],
        "cut png": png[: len(png) // 2],
        "jpeg head only": jpeg[:20],
    }[name]
    with pytest.raises(TrackletError, match=r"cannot read x\.jpg: ") as caught:
        decode_image(data, "x.jpg")
    assert caught.value.code is FailureCode.IMAGE_UNREADABLE
    assert "\n" not in caught.value.message


def test_a_decompression_bomb_is_refused() -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    with pytest.raises(TrackletError) as caught:
        decode_image(bomb, "bomb.png")
    assert caught.value.code is FailureCode.IMAGE_UNREADABLE


@pytest.mark.parametrize("remote", [False, True])
def test_several_images_are_read_in_order_and_each_fails_alone(remote: bool, tmp_path: Path) -> None:
    root = f"memory://stills-{tmp_path.name}" if remote else str(tmp_path)
    for name in "abc":
        storage.write_bytes(f"{root}/{name}.jpg", name.encode())
    found = read_images([f"{root}/{name}.jpg" for name in ("c", "nope", "a", "c")])
    assert [found[0], found[2], found[3]] == [b"c", b"a", b"c"]
    assert isinstance(found[1], storage.PlaceError)
    assert image_error(found[1]).code is FailureCode.IMAGE_NOT_FOUND


def test_a_folder_and_a_pipe_are_unreadable_and_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for error in read_images([str(tmp_path / "pipe.jpg"), str(tmp_path)]):
        assert isinstance(error, storage.PlaceError)
        assert image_error(error).code is FailureCode.IMAGE_UNREADABLE
