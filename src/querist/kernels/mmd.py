"""The squared maximum mean discrepancy between two sets, exactly (Gretton et al. 2012; Gong et al. 2022, Eq. 1).

The biased V-statistic, diagonal included and no root taken: ``mean k(L, L) + mean k(U, U) - 2 mean k(L, U)`` with the
Gaussian kernel ``k(x, y) = exp(-|x - y|² / (2 σ²))``. It is zero for equal sets and never negative. For large sets see
:mod:`querist.kernels.random_features`.
"""

import torch
from torch import Tensor

from querist.kernels.distances import squared_distance_blocks


def median_bandwidth(rows: Tensor) -> float:
    """σ² by the median heuristic: the median of the squared distances between different rows.

    Args:
        rows: (n, d) floating point, finite, n >= 2; all pairs are looked at, so give it a few hundred.

    Returns:
        Positive; 1 where the median is zero, as with rows that are mostly equal: there is no scale to be had.

    Raises:
        ValueError: fewer than two rows, or a value that is not finite.
    """
    if rows.ndim != 2 or len(rows) < 2 or not bool(torch.isfinite(rows).all()):
        raise ValueError(f"rows must be (n, d), n >= 2, and finite, got {tuple(rows.shape)}")
    exact = rows.double()
    squared = torch.cat([d for _, d in squared_distance_blocks(exact, exact)])
    median = float(squared[tuple(torch.triu_indices(len(rows), len(rows), offset=1))].median())
    return median if median > 0 else 1.0


def discrepancy(labelled: Tensor, unlabelled: Tensor, bandwidth: float) -> float:
    """The V-statistic of two sets, block by block: O((n + m)² d) time and memory for one block.

    Args:
        labelled: (n, d), n >= 1; ``unlabelled`` (m, d), m >= 1; floating point, finite.
        bandwidth: σ² > 0.

    Returns:
        In [0, 2]. What rounding leaves below zero is clamped.

    Raises:
        ValueError: an empty set, shapes that do not fit, or a bandwidth that is not positive.
    """
    _check(labelled, unlabelled, bandwidth)
    L, U = labelled.double(), unlabelled.double()
    return max(0.0, _mean(L, L, bandwidth) + _mean(U, U, bandwidth) - 2 * _mean(L, U, bandwidth))


def _mean(rows: Tensor, columns: Tensor, bandwidth: float) -> float:
    """The mean of the kernel over all pairs."""
    blocks = squared_distance_blocks(rows, columns)
    return sum(float(_kernel(block, bandwidth).sum()) for _, block in blocks) / (len(rows) * len(columns))


def _kernel(squared: Tensor, bandwidth: float) -> Tensor:
    return squared.mul_(-0.5 / bandwidth).exp_()


def _check(labelled: Tensor, unlabelled: Tensor, bandwidth: float) -> None:
    shapes = tuple(labelled.shape), tuple(unlabelled.shape)
    if not (len(shapes[0]) == len(shapes[1]) == 2 and shapes[0][1] == shapes[1][1] and shapes[0][0] and shapes[1][0]):
        raise ValueError(f"labelled and unlabelled must be (n, d) and (m, d), neither empty, got {shapes}")
    if not bandwidth > 0:
        raise ValueError(f"the bandwidth must be positive, got {bandwidth}")


class MovingDiscrepancy:
    """The same statistic while rows move from the unlabelled to the labelled set: O(n d) a row instead of O(n² d).

    Exact as long as the features stay what they are, that is between two updates of the model (ALGORITHMS 7, T2). The
    teams of querist are told of a model that learns after every step, and estimate the statistic anew. This is for
    studies of choices by a model that stands still. It
    keeps the three sums over pairs and, for each row x, its sums r_L(x) and r_U(x) over either set. When x moves,

        S_LL += 2 r_L(x) + k(x, x),  S_UU -= 2 r_U(x) - k(x, x),  S_LU += r_U(x) - k(x, x) - r_L(x),

    and then every row's sums take up the move.

    Args:
        rows: (n, d) floating point, of both sets; kept in double precision.
        labelled: (n,) bool, which of them are labelled; neither set may be empty.
        bandwidth: σ² > 0.

    Raises:
        ValueError: an empty set, shapes that do not fit, or a bandwidth that is not positive.
    """

    def __init__(self, rows: Tensor, labelled: Tensor, bandwidth: float) -> None:
        if labelled.shape != rows.shape[:1] or labelled.dtype != torch.bool:
            raise ValueError(f"labelled must be ({len(rows)},) bool, got {tuple(labelled.shape)} of {labelled.dtype}")
        _check(rows[labelled], rows[~labelled], bandwidth)
        self._rows, self._bandwidth = rows.double(), bandwidth
        self.labelled = labelled.clone()
        """(n,) bool; changed by :meth:`move` alone."""
        self._to_labelled = self._sums(self._rows[labelled])
        self._to_unlabelled = self._sums(self._rows[~labelled])
        self._LL = float(self._to_labelled[labelled].sum())
        self._UU = float(self._to_unlabelled[~labelled].sum())
        self._LU = float(self._to_unlabelled[labelled].sum())

    def _sums(self, columns: Tensor) -> Tensor:
        blocks = squared_distance_blocks(self._rows, columns)
        return torch.cat([_kernel(block, self._bandwidth).sum(dim=1) for _, block in blocks])

    @property
    def value(self) -> float:
        """The statistic as the sets are now.

        Raises:
            ValueError: every row has moved, so that one set is empty.
        """
        n = int(self.labelled.sum())
        m = len(self.labelled) - n
        if not m:
            raise ValueError("every row is labelled: there is nothing left to compare with")
        return max(0.0, self._LL / n**2 + self._UU / m**2 - 2 * self._LU / (n * m))

    def move(self, row: int) -> None:
        """An unlabelled row becomes labelled.

        Raises:
            ValueError: it is labelled already, or there is no such row.
        """
        if not 0 <= row < len(self._rows) or bool(self.labelled[row]):
            raise ValueError(f"row {row} is no unlabelled one of {len(self._rows)}")
        kernel = self._sums(self._rows[row : row + 1])
        itself, r_L, r_U = float(kernel[row]), float(self._to_labelled[row]), float(self._to_unlabelled[row])
        self._LL += 2 * r_L + itself
        self._UU += itself - 2 * r_U
        self._LU += r_U - itself - r_L
        self._to_labelled += kernel
        self._to_unlabelled -= kernel
        self.labelled[row] = True
