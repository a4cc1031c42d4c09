"""Pooling pixel maps over a fixed grid of regions.

Remainder rows and columns belong to no region (ALGORITHMS 1.1).
"""

import torch
from torch import Tensor

from querist.kernels.bincount import narrowest_integer, rowwise_bincount


def region_means(maps: Tensor, height: int, width: int) -> Tensor:
    """Mean of each map over each region.

    Args:
        maps: (B, H, W) floating point.
        height: rows of a region, in pixels.
        width: columns of a region, in pixels.

    Returns:
        (B, H // height, W // width).

    Raises:
        ValueError: a region larger than the map, or smaller than a pixel.
    """
    B, R, Q = _grid(maps, height, width)
    inside = maps[:, : R * height, : Q * width]
    # Along the row first: its reads are contiguous, and what is left is a hundredth of the map.
    sums = inside.reshape(B, R, height, Q, width).sum(dim=-1).sum(dim=2)
    return sums / (height * width)


def region_class_counts(classes: Tensor, height: int, width: int, C: int) -> Tensor:
    """How many pixels of each class every region holds.

    Args:
        classes: (B, H, W) integer class ids in 0..C-1; uint8 is fastest.
        height: rows of a region, in pixels.
        width: columns of a region, in pixels.
        C: number of classes. To count void as well, pass one more class and let void be its id.

    Returns:
        (B, H // height, W // width, C) int64; the last axis sums to ``height * width``.

    Raises:
        ValueError: a class id outside 0..C-1, or a region that does not fit.
    """
    B, R, Q = _grid(classes, height, width)
    inside = classes[:, : R * height, : Q * width]
    if inside.numel():
        low, high = (int(value) for value in inside.aminmax())
        if low < 0 or high >= C:
            raise ValueError(f"classes hold ids from {low} to {high}; allowed are 0..{C - 1}")
    dtype = narrowest_integer(R * Q * C)
    row = torch.arange(R * height, device=classes.device).div(height, rounding_mode="floor")
    column = torch.arange(Q * width, device=classes.device).div(width, rounding_mode="floor")
    first_bin = ((row[:, None] * Q + column) * C).to(dtype)
    bins = (inside.to(dtype) + first_bin).flatten(1)
    return rowwise_bincount(bins, R * Q * C).view(B, R, Q, C)


def region_grids(maps: Tensor, height: int, width: int, cells: int = 8) -> Tensor:
    """Least, mean and largest value in a grid of cells on each region (RALIS's entropy features, ALGORITHMS 1.3).

    A cell has ``height // cells`` by ``width // cells`` pixels; the last rows and columns of a region that fill no cell
    are left out, as in the released code: of 90 rows of a region the last two.

    Args:
        maps: (B, H, W) floating point.
        height: rows of a region, in pixels.
        width: columns of a region, in pixels.
        cells: rows and columns of cells per region.

    Returns:
        (B, H // height, W // width, 3, cells, cells): least, mean, largest.

    Raises:
        ValueError: a region that does not fit, or that is smaller than its cells.
    """
    B, R, Q = _grid(maps, height, width)
    if cells < 1 or min(height, width) < cells:
        raise ValueError(f"regions of {height}x{width} cannot be cut into {cells}x{cells} cells")
    h, w = height // cells, width // cells
    regions = maps[:, : R * height, : Q * width].reshape(B, R, height, Q, width)[:, :, : h * cells, :, : w * cells]
    pixels = regions.reshape(B, R, cells, h, Q, cells, w)
    # Along the rows of pixels first: their reads are contiguous.
    found = [
        pixels.amin(dim=6).amin(dim=3),
        pixels.mean(dim=6).mean(dim=3),
        pixels.amax(dim=6).amax(dim=3),
    ]
    return torch.stack(found, dim=2).permute(0, 1, 4, 2, 3, 5)


def region_features(maps: Tensor, grid: tuple[int, int], extent: tuple[float, float] = (1.0, 1.0)) -> Tensor:
    """Area average of feature maps of any stride over a grid of regions.

    A cell that a region's edge cuts counts with the share of its area inside, so the stride need not divide
    the regions.

    Args:
        maps: (B, D, h, w) floating point.
        grid: rows R and columns Q of regions.
        extent: share of the map's height and width that the grid covers, from the upper left corner; below
            one where the image has remainder rows or columns (``R * region_height / image_height``).

    Returns:
        (B, R, Q, D).

    Raises:
        ValueError: an empty grid, or an extent outside (0, 1].
    """
    if min(grid) < 1 or not all(0 < share <= 1 for share in extent):
        raise ValueError(f"grid {grid} must be positive and extent {extent} in (0, 1]")
    down = _overlap(maps.shape[2], grid[0], extent[0]).to(maps)
    across = _overlap(maps.shape[3], grid[1], extent[1]).to(maps)
    return (down @ maps @ across.T).permute(0, 2, 3, 1)


def _overlap(cells: int, regions: int, extent: float) -> Tensor:
    """(regions, cells) share of each region's length that lies in each cell; rows sum to one."""
    edges = torch.arange(regions + 1, dtype=torch.float64) * (cells * extent / regions)
    cell = torch.arange(cells, dtype=torch.float64)
    low = torch.maximum(edges[:-1, None], cell)
    high = torch.minimum(edges[1:, None], cell + 1)
    return (high - low).clamp_min_(0) * (regions / (cells * extent))


def _grid(maps: Tensor, height: int, width: int) -> tuple[int, int, int]:
    if maps.ndim != 3:
        raise ValueError(f"maps must be (B, H, W), got {tuple(maps.shape)}")
    if not (1 <= height <= maps.shape[1] and 1 <= width <= maps.shape[2]):
        raise ValueError(f"regions of {height}x{width} do not fit maps of {maps.shape[1]}x{maps.shape[2]}")
    return maps.shape[0], maps.shape[1] // height, maps.shape[2] // width
