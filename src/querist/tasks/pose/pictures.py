"""Pictures of poses: images with the skeleton drawn over them, as it is and as the model sees it."""

import io

import numpy as np
from PIL import Image, ImageDraw

from querist.tasks.pose.data import PoseData

_WIDTH, _ACROSS, _GAP = 200, 6, 4
_TRUTH, _GUESS = (22, 163, 74), (249, 115, 22)
"""Green for what is known, orange and thinner for what the model thinks."""


def pose_picture(data: PoseData, sources: np.ndarray, truth: np.ndarray, guess: np.ndarray, most: int = 24) -> bytes:
    """A JPEG sheet of at most ``most`` images, the first.

    Args:
        data: gives images and skeleton; depth is drawn in grey, near is bright.
        sources: (n,).
        truth: (n, J, D) joints in the frame of the model, NaN where unknown; ``guess`` likewise.
    """
    tiles = [_tile(data, int(s), t, g) for s, t, g in zip(sources[:most], truth, guess, strict=False)]
    side = _WIDTH if tiles else 1
    across, down = min(_ACROSS, max(1, len(tiles))), max(1, -(-len(tiles) // _ACROSS))
    sheet = Image.new("RGB", (across * (side + _GAP) - _GAP, down * (side + _GAP) - _GAP), (255, 255, 255))
    for place, tile in enumerate(tiles):
        sheet.paste(tile, ((place % _ACROSS) * (side + _GAP), (place // _ACROSS) * (side + _GAP)))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _tile(data: PoseData, source: int, truth: np.ndarray, guess: np.ndarray) -> Image.Image:
    image = data.image(source)
    if data.is_depth:
        image = np.repeat(np.rint((1 - image) * 127.5).astype(np.uint8), 3, axis=2)
    tile = Image.fromarray(image).resize((_WIDTH, _WIDTH), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(tile)
    for joints, colour, width in ((truth, _TRUTH, 3), (guess, _GUESS, 2)):
        spots = _pixels(data, joints)
        for parent, child in data.skeleton.bones:
            if np.isfinite(spots[[parent, child]]).all():
                pen.line([*spots[parent].tolist(), *spots[child].tolist()], fill=colour, width=width)
        for x, y in spots[np.isfinite(spots).all(axis=1)].tolist():
            pen.ellipse((x - width, y - width, x + width, y + width), fill=colour)
    return tile


def _pixels(data: PoseData, joints: np.ndarray) -> np.ndarray:
    """Joints (J, D) of the frame in pixels of a tile, (J, 2)."""
    plane = np.asarray(joints, dtype=np.float64)[:, :2]
    return (plane + 1) * (_WIDTH / 2) - 0.5 if data.is_depth else (plane + 0.5) * (_WIDTH / data.size) - 0.5
