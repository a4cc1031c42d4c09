"""Mahalanobis distance by whitening once: afterwards Euclidean distances are it (ALGORITHMS 5.3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

_ROWS = 4096  # are brought to double precision at a time


@dataclass(frozen=True, eq=False)
class Whitening:
    """A linear map after which ``|u - v|²`` is the squared Mahalanobis distance.

    Args:
        mean: (d,) float64, what the covariance was taken around.
        factor: (d, d) float64, the inverse of the covariance's Cholesky factor, transposed.
    """

    mean: Tensor
    factor: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        """Whitened rows, (n, d) -> (n, d) of the same type."""
        return (rows - self.mean.to(rows)) @ self.factor.to(rows)


def fit_whitening(rows: Tensor, shrinkage: float = 0.1) -> Whitening:
    """The whitening of a set of rows by its shrunk covariance, ``(1-ρ) Σ + ρ tr(Σ)/d I`` (divided by n, not n - 1).

    The covariance is summed up and factored in double precision: what is small along some direction would otherwise
    drown in the rounding of what is large along another.

    Args:
        rows: (n, d) floating point, n > 0.
        shrinkage: ρ in [0, 1]. 0 is the covariance itself; 1 leaves Euclidean distances, but for a factor.

    Returns:
        The map. Rows that are all equal give the identity: they have no scale.

    Raises:
        ValueError: no rows, values that are not finite, ρ out of range, or a singular covariance that is not shrunk.
    """
    if rows.ndim != 2 or not len(rows) or not 0 <= shrinkage <= 1:
        raise ValueError(f"rows {tuple(rows.shape)} must be (n, d), n > 0, and the shrinkage {shrinkage} in [0, 1]")
    width = rows.shape[1]
    mean = sum((part.double().sum(dim=0) for part in rows.split(_ROWS)), rows.new_zeros(width).double()) / len(rows)
    covariance = rows.new_zeros((width, width)).double()
    for part in rows.split(_ROWS):
        centred = part.double() - mean
        covariance.addmm_(centred.T, centred)
    covariance /= len(rows)
    if not bool(torch.isfinite(covariance).all()):
        raise ValueError("rows hold values that are not finite, or too large to be squared")
    identity = torch.eye(width, dtype=covariance.dtype, device=covariance.device)
    spread = float(covariance.trace()) / max(1, width)
    if spread <= 1e-14 * float(mean.square().mean() + 1e-300):  # nothing but round-off
        return Whitening(mean, identity)
    shrunk = (1 - shrinkage) * covariance + shrinkage * spread * identity
    lower, failed = torch.linalg.cholesky_ex(shrunk)
    if int(failed):
        raise ValueError(f"the covariance is singular with a shrinkage of {shrinkage}; shrink it more")
    return Whitening(mean, torch.linalg.solve_triangular(lower, identity, upper=False).T.contiguous())


def mean_squared_distance(rows: Tensor) -> float:
    """The mean of ``|x_i - x_j|²`` over all pairs i != j, in O(n d): twice the total variance, divided by n - 1.

    Args:
        rows: (n, d).

    Returns:
        The mean; 0 for fewer than two rows.
    """
    if len(rows) < 2:
        return 0.0
    exact = rows.double()
    return 2.0 * float((exact - exact.mean(dim=0)).square().sum()) / (len(rows) - 1)
