"""Pictures of crops: one alone, or pairs side by side, in a frame that tells the answer."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from querist.errors import QueristError
from querist.nn.decode import open_image
from querist.tasks.reid.data import ReidData

_HEIGHT = 192
_ACROSS = 6
_FRAME = 6
_GAP = 4
_PAPER = (255, 255, 255)
_SAME, _DIFFERENT, _OPEN = (22, 128, 61), (200, 48, 40), (128, 128, 128)
"""Green, red and grey; a different pair is also crossed by a line between its images, for those who see no colours."""


def source_picture(data: ReidData, source: int, most: int = 512) -> bytes:
    """A JPEG of one crop and of nothing else: what the file says besides (comments, places) is left behind.

    Args:
        data: gives the image, at the size of its file where that is still there.
        source: which; ``most`` pixels high or wide.
    """
    try:
        if data.paths is None:
            raise FileNotFoundError
        crop = open_image(data.paths[source], data.paths[source].read_bytes()).convert("RGB")
    except (OSError, QueristError):
        crop = Image.fromarray(data.image(source))
    crop.thumbnail((most, most), Image.Resampling.LANCZOS)
    bare = Image.new("RGB", crop.size)
    bare.paste(crop)
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def pair_picture(data: ReidData, pairs: np.ndarray, answers: Sequence[np.ndarray | None], most: int = 24) -> bytes:
    """A JPEG sheet of pairs.

    Args:
        data: gives the images.
        pairs: (n, 2) sources.
        answers: n of true (the same person: a green frame), false (a red one) or None (grey).
        most: show at most so many, the first.
    """
    tiles = [_tile(data, pair, answer) for pair, answer in zip(pairs[:most], answers[:most], strict=True)]
    width, height = tiles[0].size if tiles else (1, 1)
    across, down = min(_ACROSS, max(1, len(tiles))), max(1, -(-len(tiles) // _ACROSS))
    sheet = Image.new("RGB", (across * (width + _GAP) - _GAP, down * (height + _GAP) - _GAP), _PAPER)
    for place, tile in enumerate(tiles):
        sheet.paste(tile, ((place % _ACROSS) * (width + _GAP), (place // _ACROSS) * (height + _GAP)))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _tile(data: ReidData, pair: np.ndarray, answer: np.ndarray | None) -> Image.Image:
    width = round(_HEIGHT * data.size[1] / data.size[0])
    colour = _OPEN if answer is None else _SAME if bool(answer) else _DIFFERENT
    tile = Image.new("RGB", (2 * width + 3 * _FRAME, _HEIGHT + 2 * _FRAME), colour)
    for place, source in enumerate(pair):
        crop = Image.fromarray(data.image(int(source))).resize((width, _HEIGHT), Image.Resampling.BICUBIC)
        tile.paste(crop, (_FRAME + place * (width + _FRAME), _FRAME))
    if answer is not None and not bool(answer):
        middle = width + _FRAME + _FRAME // 2
        ImageDraw.Draw(tile).line((middle, _FRAME, middle, _FRAME + _HEIGHT), fill=_PAPER, width=2)
    return tile
