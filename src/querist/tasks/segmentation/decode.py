"""From the bytes of a file to a mask of train ids, with errors that name the file."""

from pathlib import Path

import numpy as np
from PIL import Image

from querist.errors import QueristError
from querist.nn.decode import open_image
from querist.tasks.segmentation.classes import ClassMap


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
    mask = open_image(path, data)
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


def _ranges(ids: list[int]) -> str:
    """Sorted ids as `0-3, 7`."""
    parts: list[list[int]] = []
    for value in ids:
        if parts and value == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], value]
        else:
            parts.append([value])
    return ", ".join("-".join(map(str, part)) for part in parts)
