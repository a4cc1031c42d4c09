"""A Gaussian process over feature vectors: how much less is unknown, or wrong, of some rows once others are known."""

import torch
from torch import Tensor

from querist.kernels.distances import squared_distance_blocks

NOISE = 0.1
"""A usual variance of what is told about a row, that of all being 1."""

BANDWIDTH = 0.75
"""A usual bandwidth, of the median distance of two rows: by leave-one-out error on labelled hands, flat around it."""


class Process:
    """A process of variance 1 with a squared exponential kernel, told about some rows up to noise.

    Args:
        known: (m, d) floating point, m may be 0.
        bandwidth: of the kernel ``exp(-|x - y|² / 2 bandwidth²)``.
        noise: variance of what is told about a row.

    Raises:
        ValueError: a bandwidth or noise that is not positive.
    """

    def __init__(self, known: Tensor, bandwidth: float, noise: float) -> None:
        if not (bandwidth > 0 and noise > 0):
            raise ValueError(f"bandwidth {bandwidth} and noise {noise} must be positive")
        self.noise, self._known, self._bandwidth = noise, known, bandwidth
        own = self.kernel(known, known)
        own.diagonal().add_(noise)
        self._factor = torch.linalg.cholesky(own)

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        """(n, d) and (m, d) -> (n, m)."""
        found = a.new_zeros(len(a), len(b))
        if len(b):
            for where, squared in squared_distance_blocks(a, b):
                found[where] = squared.mul_(-0.5 / self._bandwidth**2).exp_()
        return found

    def explained(self, rows: Tensor) -> Tensor:
        """(m, n) whose products of columns are what the known rows take from the covariances of (n, d) rows."""
        return torch.linalg.solve_triangular(self._factor, self.kernel(self._known, rows), upper=False)

    def mean(self, rows: Tensor, told: Tensor) -> Tensor:
        """What is expected of (n, d) rows, where (m, o) was told of the known ones: (n, o); 0 where nothing is near."""
        return self.kernel(rows, self._known) @ torch.cholesky_solve(told, self._factor)


class Posterior:
    """Covariances of candidates and references, which a process that learns candidates one by one keeps up to date.

    Args:
        process: what is known at first.
        candidates: (n, d); ``references`` (r, d), those that count.

    Memory is that of (m + r + picks) n numbers, m being known at first.
    """

    def __init__(self, process: Process, candidates: Tensor, references: Tensor) -> None:
        self._process, self._rows = process, candidates
        explained = process.explained(candidates)
        self.covariance = process.kernel(references, candidates) - process.explained(references).T @ explained
        """(r, n) of references and candidates."""
        self.variance = 1 - explained.square().sum(dim=0)
        """(n,) of candidates."""
        self._explained = [explained]  # and after it what every pick tells

    @property
    def told(self) -> Tensor:
        """(n,) the variance of what would be told about a candidate."""
        return self.variance.clamp_min(0) + self._process.noise

    def falls(self) -> Tensor:
        """(n,) by how much the mean variance of the references would fall if a candidate were known as well."""
        return self.covariance.square().mean(dim=0) / self.told

    def gains(self, surprise: Tensor, errors: Tensor) -> Tensor:
        """(n,) by how much the mean squared error of the references would fall if a candidate's truth were known.

        Exact: the expectation of a reference moves by ``covariance / told`` times the candidate's surprise.

        Args:
            surprise: (n, o), truth less expectation of the candidates; NaN where nothing would be told.
            errors: (r, o), the same of the references; NaN where nothing is measured.
        """
        steps = surprise.nan_to_num(0.0) / self.told[:, None]
        along = self.covariance.T @ errors.nan_to_num(0.0)
        beyond = self.covariance.square().T @ errors.isfinite().to(errors)
        return (steps * (2 * along - steps * beyond)).sum(dim=1) / len(errors)

    def learn(self, pick: int) -> None:
        """A candidate is known as well."""
        row = self._process.kernel(self._rows[pick : pick + 1], self._rows)
        for explained in self._explained:
            row -= explained[:, pick] @ explained
        root = self.told[pick].sqrt()
        row, seen = row / root, self.covariance[:, pick] / root
        self.covariance -= seen[:, None] * row
        self.variance -= row[0].square()
        self._explained.append(row)


def greedy_variance(posterior: Posterior, k: int) -> tuple[Tensor, Tensor]:
    """Picks (k,) candidates one after another by the largest fall, each beside those before it.

    Args:
        posterior: learns the picks.
        k: at most n.

    Returns:
        (places (k,) int64, falls (k,)); of equal falls the first candidate.

    Raises:
        ValueError: more picks than candidates.
    """
    count = len(posterior.variance)
    if k > count:
        raise ValueError(f"{k} picks of {count} candidates")
    picks, falls = torch.empty(k, dtype=torch.int64), posterior.variance.new_empty(k)
    free = torch.ones(count, dtype=torch.bool)
    for turn in range(k):
        gains = torch.where(free, posterior.falls(), -torch.inf)
        pick = int(gains.argmax())
        picks[turn], falls[turn] = pick, gains[pick]
        free[pick] = False
        posterior.learn(pick)
    return picks, falls
