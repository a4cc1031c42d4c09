"""From the bytes of a file to an image or a mask of train ids, with errors that name the file."""

import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from querist.errors import QueristError
from querist.tasks.segmentation.classes import ClassMap

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, Image.DecompressionBombError)
"""What Pillow raises for files that are not images, are cut short or corrupt."""

_DEEP_MODES = ("I", "F")
"""First letter of Pillow's modes with more than eight bits a channel."""


def decode_image(path: Path, data: bytes, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Decodes an image and resizes it to exactly height x width with an antialiased filter.

    Returns:
        uint8 (height, width, 3) in RGB, and the size (width, height) that the file has.

    Raises:
        QueristError: if the file is not an 8-bit image or is damaged.
    """
    image = _open(path, data)
    if image.mode.startswith(_DEEP_MODES):
        raise QueristError(f"{path} is an image of mode {image.mode}", "an 8-bit image is expected: convert it")
    size = image.size
    rgb = image.convert("RGB")
    if size != (width, height):
        # A box reduction by whole factors first keeps large images fast; the bilinear filter then covers what
        # is left.
        rgb = rgb.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(rgb), size


def decode_mask(
    path: Path, data: bytes, image: Path, size: tuple[int, int], height: int, width: int, classes: ClassMap
) -> np.ndarray:
    """Decodes a mask, maps its raw ids to train ids and takes the nearest pixel for each of height x width.

    Args:
        path: the mask's file, for messages.
        data: its bytes.
        image: the image's file, for messages.
        size: (width, height) that the mask must have: the image's.
        height: rows of the result.
        width: columns of the result.
        classes: the class map.

    Returns:
        uint8 (height, width) of train ids and `classes.void`.

    Raises:
        QueristError: if the file is damaged, is not 8-bit class ids, differs in size from the image, or holds
            an id that the class map does not know (anywhere, also between the pixels that are taken).
    """
    mask = _open(path, data)
    if mask.mode not in ("L", "P"):
        raise QueristError(
            f"{path} is a mask of mode {mask.mode}; 8-bit class ids are expected",
            "save the class id of each pixel in a single-channel 8-bit PNG (grey or palette), not its colour",
        )
    if mask.size != size:
        raise QueristError(
            f"{path} has {mask.width}x{mask.height} pixels but its image {image} has {size[0]}x{size[1]}",
            "an image and its mask must have the same size",
        )
    table = classes.table()
    raw = np.array(mask.histogram())
    unknown = np.flatnonzero((raw > 0) & (table < 0)).tolist()
    if unknown:
        known = np.flatnonzero(table >= 0).tolist()
        raise QueristError(
            f"{path} holds ids of no class: {_ranges(unknown)}",
            f"the class map knows the ids {_ranges(known)}",
        )
    if size != (width, height):
        mask = mask.resize((width, height), Image.Resampling.NEAREST)
    return table.astype(np.uint8)[np.asarray(mask)]


def _open(path: Path, data: bytes) -> Image.Image:
    try:
        image = Image.open(BytesIO(data))
        image.load()
    except _BROKEN as error:
        reason = "it is not an image" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise QueristError(f"{path} cannot be decoded: {reason}", "replace or remove the file") from error
    return image


def _ranges(ids: list[int]) -> str:
    """Sorted ids as `0-3, 7`."""
    parts: list[list[int]] = []
    for value in ids:
        if parts and value == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], value]
        else:
            parts.append([value])
    return ", ".join("-".join(map(str, part)) for part in parts)
