"""Pictures of poses: images with the skeleton drawn over them."""

import io

import numpy as np
from PIL import Image, ImageDraw

from querist.tasks.pose.data import PoseData

_WIDTH, _ACROSS, _GAP = 200, 6, 4
_GREEN, _THICK = (22, 163, 74), 3


def pose_picture(data: PoseData, sources: np.ndarray, most: int = 24) -> bytes:
    """A JPEG sheet of at most ``most`` images, the first.

    Args:
        data: gives images, joints and skeleton; depth is drawn in grey, near is bright. Unknown joints are left out.
        sources: (n,).
    """
    tiles = [_tile(data, int(source)) for source in sources[:most]]
    side = _WIDTH if tiles else 1
    across, down = min(_ACROSS, max(1, len(tiles))), max(1, -(-len(tiles) // _ACROSS))
    sheet = Image.new("RGB", (across * (side + _GAP) - _GAP, down * (side + _GAP) - _GAP), (255, 255, 255))
    for place, tile in enumerate(tiles):
        sheet.paste(tile, ((place % _ACROSS) * (side + _GAP), (place // _ACROSS) * (side + _GAP)))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _tile(data: PoseData, source: int) -> Image.Image:
    image = data.image(source)
    if data.is_depth:
        image = np.repeat(np.rint((1 - image) * 127.5).astype(np.uint8), 3, axis=2)
    tile = Image.fromarray(image).resize((_WIDTH, _WIDTH), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(tile)
    spots = _pixels(data, data.joints[source])
    for parent, child in data.skeleton.bones:
        if np.isfinite(spots[[parent, child]]).all():
            pen.line([*spots[parent].tolist(), *spots[child].tolist()], fill=_GREEN, width=_THICK)
    for x, y in spots[np.isfinite(spots).all(axis=1)].tolist():
        pen.ellipse((x - _THICK, y - _THICK, x + _THICK, y + _THICK), fill=_GREEN)
    return tile


def _pixels(data: PoseData, joints: np.ndarray) -> np.ndarray:
    """Joints (J, D) of the frame in pixels of a tile, (J, 2)."""
    plane = np.asarray(joints, dtype=np.float64)[:, :2]
    return (plane + 1) * (_WIDTH / 2) - 0.5 if data.is_depth else (plane + 0.5) * (_WIDTH / data.size) - 0.5
