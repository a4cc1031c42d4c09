"""Squared distances between two sets of rows, a block at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

_CELLS = 2**24  # of a block; 64 MiB in single precision


def squared_distance_blocks(rows: Tensor, columns: Tensor, cells: int = _CELLS) -> Iterator[tuple[slice, Tensor]]:
    """The matrix ``|x_i - y_j|²``, in blocks of whole rows, so that it never exists in one piece.

    One matrix product a block: ``|x|² - 2 x·y + |y|²``, measured from the mean of the columns, which keeps the digits
    of sets that lie far from the origin. What rounding leaves below zero is clamped.

    Args:
        rows: (n, d) floating point.
        columns: (m, d) of the same type, m > 0; copied once.
        cells: about so many numbers in a block.

    Yields:
        (which rows, their distances (b, m)); the caller may overwrite them.

    Raises:
        ValueError: shapes that do not fit, no columns, or fewer than one cell.
    """
    if rows.ndim != 2 or columns.ndim != 2 or rows.shape[1] != columns.shape[1] or not len(columns):
        raise ValueError(
            f"rows {tuple(rows.shape)} and columns {tuple(columns.shape)} must be (n, d) and (m, d), m > 0"
        )
    if cells < 1:
        raise ValueError(f"cells must be positive, got {cells}")
    mean = columns.mean(dim=0)
    shifted = columns - mean
    norms = torch.einsum("md,md->m", shifted, shifted)
    step = max(1, cells // len(columns))
    for start in range(0, len(rows), step):
        block = rows[start : start + step] - mean
        own = torch.einsum("nd,nd->n", block, block)
        distances = torch.addmm(norms, block, shifted.T, alpha=-2).add_(own[:, None]).clamp_min_(0)
        yield slice(start, start + len(block)), distances


def nearest_squared(rows: Tensor, columns: Tensor, cells: int = _CELLS) -> tuple[Tensor, Tensor]:
    """For each row the squared distance (n,) to the closest column, and which one (n,) int64; ties to the lowest.

    Arguments and errors are those of :func:`squared_distance_blocks`.
    """
    distance = rows.new_empty(len(rows))
    index = torch.empty(len(rows), dtype=torch.int64, device=rows.device)
    for where, block in squared_distance_blocks(rows, columns, cells):
        torch.min(block, dim=1, out=(distance[where], index[where]))
    return distance, index
