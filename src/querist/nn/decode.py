"""From the bytes of a file to an image, with errors that name the file."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from querist.errors import QueristError

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)
"""What Pillow raises for files that are not images, are cut short or corrupt."""

_DEEP_MODES = ("I", "F")
"""First letter of Pillow's modes with more than eight bits a channel."""


_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)
"""The entry of EXIF that says how to turn an image, and its values that change width for height."""


def decode_image(path: Path, data: bytes, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Decodes an image and resizes it to exactly height x width with an antialiased filter.

    Returns:
        uint8 (height, width, 3) in RGB, and the size (width, height) that the file has.

    Raises:
        QueristError: if the file is not an 8-bit image or is damaged.
    """
    image = open_image(path, data)
    if image.mode.startswith(_DEEP_MODES):
        raise QueristError(f"{path} is an image of mode {image.mode}", "an 8-bit image is expected: convert it")
    size = image.size
    rgb = image.convert("RGB")
    if size != (width, height):
        # A box reduction by whole factors first keeps large images fast; the bilinear filter then covers what
        # is left.
        rgb = rgb.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(rgb), size


def open_image(path: Path, data: bytes) -> Image.Image:
    """Decodes an image, turned as viewers show it (EXIF); `path` is for the message.

    Raises:
        QueristError: if the file is not an image or is damaged.
    """
    try:
        image = Image.open(BytesIO(data))
        image.load()
    except _BROKEN as error:
        reason = "it is not an image" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise QueristError(f"{path} cannot be decoded: {reason}", "replace or remove the file") from error
    if _orientation(image) != 1:
        ImageOps.exif_transpose(image, in_place=True)
    return image


def _orientation(image: Image.Image) -> int:
    """1 is upright; so is what says nonsense."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except _BROKEN:
        return 1
    return found if found in range(1, 9) else 1


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file as viewers show it, from its head alone.

    Raises:
        QueristError: if it cannot be read or is no image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            return (height, width) if _orientation(image) in _LYING else (width, height)
    except _BROKEN as error:
        reason = "it is not an image" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise QueristError(f"{path} cannot be decoded: {reason}", "replace or remove the file") from error
