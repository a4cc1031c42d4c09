"""The nearest rows of every row, exactly, without a matrix of all pairs (ALGORITHMS 5.7)."""

import torch
from torch import Tensor

from querist.kernels.distances import squared_distance_blocks

_CELLS = 2**22  # of a block, 16 MiB in single precision: what follows the product still finds it in the cache


def nearest_neighbours(rows: Tensor, k: int, cells: int = _CELLS) -> tuple[Tensor, Tensor]:
    """The k other rows nearest to each row, by squared Euclidean distance.

    One matrix product a block of rows, then a partial sort of each row: O(n² d) time, and memory for one block beside
    the result. Rows do not count as their own neighbours. Equal distances go to the lowest row: where the partial sort
    met any, which is rare, that row alone is sorted whole.

    Args:
        rows: (n, d) floating point, finite; whiten them first for Mahalanobis distances.
        k: neighbours of each row, 0 <= k < n.
        cells: about so many numbers in a block; does not change who is whose neighbour but for rounding.

    Returns:
        Squared distances (n, k), rising along each row, and the neighbours (n, k) int64.

    Raises:
        ValueError: a shape that does not fit, k out of range, or a value that is not finite.
    """
    if rows.ndim != 2 or not rows.is_floating_point() or not 0 <= k < max(1, len(rows)):
        raise ValueError(f"rows {tuple(rows.shape)} must be (n, d) floating point, and k {k} in 0..n-1")
    if not bool(torch.isfinite(rows).all()):
        raise ValueError("rows hold values that are not finite")
    distances = rows.new_empty((len(rows), k))
    indices = torch.empty((len(rows), k), dtype=torch.int64, device=rows.device)
    if not k:
        return distances, indices
    for where, squared in squared_distance_blocks(rows, rows, cells):
        itself = torch.arange(where.start, where.stop, device=rows.device)
        squared[torch.arange(len(squared), device=rows.device), itself] = torch.inf
        distances[where], indices[where] = _smallest(squared, k)
    return distances, indices


def _smallest(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest of each row in rising order, equal ones by place: (b, n) -> (b, k), (b, k)."""
    more = min(k + 1, values.shape[1])  # one beyond the end tells whether the end itself was a tie
    found, places = values.topk(more, dim=1, largest=False)
    tied = (found[:, 1:] == found[:, :-1]).any(dim=1).nonzero()[:, 0]
    if len(tied):
        ordered, order = values[tied].sort(dim=1, stable=True)
        found[tied], places[tied] = ordered[:, :more], order[:, :more]
    return found[:, :k], places[:, :k]
