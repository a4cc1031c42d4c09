"""Pictures of chosen regions: the images they lie in, dimmed but for the regions."""

import io

import numpy as np
from PIL import Image, ImageDraw

from querist.core.pool import ColumnarPool
from querist.nn.decode import image_size
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.grid import Grid

_ACROSS = 3
_WIDTH = 200
_GAP = 4


def region_picture(data: SegmentationData, grid: Grid, pool: ColumnarPool, units: np.ndarray, most: int = 6) -> bytes:
    """A JPEG sheet of at most ``most`` images, those with most of the regions first.

    Args:
        data: gives the images; ``grid`` and ``pool`` say where a region lies.
        units: (n,) the regions.
    """
    sources, parts = pool.sources(units)[:, 0], pool.part(units)
    names, counts = np.unique(sources, return_counts=True)
    shown = names[np.argsort(-counts, kind="stable")][:most]
    height = round(_WIDTH * data.size[0] / data.size[1])
    rows = -(-len(shown) // _ACROSS)
    sheet = Image.new("RGB", (_ACROSS * (_WIDTH + _GAP) - _GAP, rows * (height + _GAP) - _GAP), (128, 128, 128))
    for place, source in enumerate(shown):
        tile = _tile(data.image(source), grid, parts[sources == source]).resize((_WIDTH, height), Image.Resampling.BOX)
        sheet.paste(tile, ((place % _ACROSS) * (_WIDTH + _GAP), (place // _ACROSS) * (height + _GAP)))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=78)
    return buffer.getvalue()


def region_place(data: SegmentationData, grid: Grid, source: int, part: int) -> tuple[str, list[int]]:
    """The image of a region and its box in the file's own pixels, however the image was resized for the model."""
    left, top, width, height = grid.box(part)
    if data.files is None:
        return data.names[source], [left, top, width, height]
    wide, high = image_size(data.files[source])
    across, down = wide / data.size[1], high / data.size[0]
    x0, y0, x1, y1 = left * across, top * down, (left + width) * across, (top + height) * down
    return str(data.files[source]), [round(x0), round(y0), round(x1) - round(x0), round(y1) - round(y0)]


def _tile(image: np.ndarray, grid: Grid, parts: np.ndarray) -> Image.Image:
    """One image: grey and dim outside the regions, a bright outline around each."""
    grey = image.mean(axis=2, keepdims=True).astype(np.float32)
    dimmed = np.repeat(0.45 * grey + 30, 3, axis=2).astype(np.uint8)
    for part in parts:
        window = grid.window(int(part))
        dimmed[window] = image[window]
    scale = max(1, round(2 * _WIDTH / image.shape[1]))
    tile = Image.fromarray(dimmed).resize((image.shape[1] * scale, image.shape[0] * scale), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(tile)
    for part in parts:
        left, top, width, height = (scale * side for side in grid.box(int(part)))
        pen.rectangle((left, top, left + width - 1, top + height - 1), outline=(255, 196, 0), width=max(2, scale))
    return tile
