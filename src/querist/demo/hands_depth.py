"""What a depth sensor makes of what is there: noise, ragged edges, holes."""

import math

import numpy as np

_STEEP_MM = 12.0
"""Where the depth changes by more from pixel to pixel, a sensor often measures nothing."""


def sense(depth: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """What a structured-light sensor measures: noise, ragged edges, holes, whole millimetres.

    Args:
        depth: (H, W) float32 of :func:`~querist.demo.capsules.cast`.
        stream: draws the noise.

    Returns:
        (H, W) uint16 mm, 0 where nothing is measured.
    """
    height, width = depth.shape
    # Near edges a pixel sees its neighbour's surface: one in eight looks a pixel aside, each way.
    chance = stream.integers(0, 256, (2, height, width), dtype=np.uint8)
    shift = (chance < 16).astype(np.int32) - (chance >= 240)
    rows = np.clip(np.arange(height, dtype=np.int32)[:, None] + shift[0], 0, height - 1)
    columns = np.clip(np.arange(width, dtype=np.int32) + shift[1], 0, width - 1)
    seen = depth.ravel()[rows * width + columns]
    there = np.isfinite(seen)
    clean = np.where(there, seen, np.float32(0))
    noise = stream.standard_normal((height, width), dtype=np.float32)
    noise *= np.float32(0.6) + np.float32(3.2e-6) * clean * clean  # mm; 1.1 at 400, 1.8 at 600
    steep = np.zeros((height, width), dtype=bool)
    for one, two in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        step = np.abs(clean[one] - clean[two]) > _STEEP_MM
        steep[one] |= step
        steep[two] |= step
    lost = stream.integers(0, 256, (height, width), dtype=np.uint8) < np.where(steep, 100, 1)
    lost |= _blobs(there, stream)
    return np.where(there & ~lost, np.clip(clean + noise + np.float32(0.5), 1, 65535), 0).astype(np.uint16)


def _blobs(there: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """A few round holes where there is something."""
    lost = np.zeros_like(there)
    spots = np.argwhere(there[::4, ::4]) * 4
    for _ in range(int(stream.poisson(1.2)) if len(spots) else 0):
        row, column = spots[int(stream.integers(len(spots)))].tolist()
        radius = float(stream.uniform(1.5, 5))
        reach = math.ceil(radius)
        rows, columns = np.ogrid[-reach : reach + 1, -reach : reach + 1]
        hole = rows**2 + (columns * stream.uniform(0.6, 1.7)) ** 2 <= radius**2
        top, left = max(row - reach, 0), max(column - reach, 0)
        window = lost[top : row + reach + 1, left : column + reach + 1]
        window |= hole[top - row + reach :, left - column + reach :][: window.shape[0], : window.shape[1]]
    return lost
