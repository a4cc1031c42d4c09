"""A Gaussian process over feature vectors: how much less is unknown of some rows once others are."""

import torch
from torch import Tensor

from querist.kernels.distances import squared_distance_blocks


def usual_distance(rows: Tensor, looked_at: Tensor, neighbours: int = 10) -> float:
    """The median distance of some rows to their n-th nearest other row, or to the farthest where there are fewer.

    Args:
        rows: (n, d) floating point.
        looked_at: which of them, int64, at least one.
        neighbours: which neighbour.

    Returns:
        0.0 for a row that is alone, or where rows lie on top of each other.

    Raises:
        ValueError: fewer than one neighbour, or shapes that do not fit.
    """
    if neighbours < 1:
        raise ValueError(f"neighbours must be positive, got {neighbours}")
    nth = min(neighbours + 1, len(rows))  # each row is its own nearest
    found = [
        squared.kthvalue(nth, dim=1).values
        for _, squared in squared_distance_blocks(rows[looked_at], rows)
    ]  # fmt: skip
    return float(torch.cat(found).sqrt().median())


class Posterior:
    """Covariances under a squared exponential kernel of variance 1, once some rows are known up to noise.

    Args:
        candidates: (n, d) floating point.
        references: (r, d), whose variance counts.
        known: (m, d), m may be 0.
        bandwidth: of the kernel ``exp(-|x - y|² / 2 bandwidth²)``.
        noise: variance of what is told about a row.

    Memory is that of (m + r + picks) n numbers.

    Raises:
        ValueError: a bandwidth or noise that is not positive.
    """

    def __init__(self, candidates: Tensor, references: Tensor, known: Tensor, bandwidth: float, noise: float) -> None:
        if not (bandwidth > 0 and noise > 0):
            raise ValueError(f"bandwidth {bandwidth} and noise {noise} must be positive")
        self._rows, self._bandwidth, self._noise = candidates, bandwidth, noise
        self.covariance = self._kernel(references, candidates)
        """(r, n) of references and candidates."""
        self.variance = torch.ones_like(candidates[:, 0])
        """(n,) of candidates."""
        self._explained: list[Tensor] = []  # (., n) what the known rows tell, and after them every pick
        if len(known):
            factor = torch.linalg.cholesky(self._kernel(known, known) + noise * torch.eye(len(known)).to(known))
            explained = self._solved(factor, known, candidates)
            self.covariance -= self._solved(factor, known, references).T @ explained
            self.variance -= explained.square().sum(dim=0)
            self._explained.append(explained)

    def falls(self) -> Tensor:
        """(n,) by how much the mean variance of the references would fall if a candidate were known as well."""
        return self.covariance.square().mean(dim=0) / (self.variance.clamp_min(0) + self._noise)

    def learn(self, pick: int) -> None:
        """A candidate is known as well."""
        row = self._kernel(self._rows[pick : pick + 1], self._rows)
        for told in self._explained:
            row -= told[:, pick] @ told
        row = row[0] / (row[0][pick].clamp_min(0) + self._noise).sqrt()
        seen = self.covariance[:, pick] / (self.variance[pick].clamp_min(0) + self._noise).sqrt()
        self.covariance -= seen[:, None] * row
        self.variance -= row.square()
        self._explained.append(row[None])

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        found = a.new_empty(len(a), len(b))
        for where, squared in squared_distance_blocks(a, b) if len(a) else ():
            found[where] = squared.mul_(-0.5 / self._bandwidth**2).exp_()
        return found

    def _solved(self, factor: Tensor, known: Tensor, rows: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(factor, self._kernel(known, rows), upper=False)


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
