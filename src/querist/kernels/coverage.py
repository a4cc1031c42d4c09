"""Covering rows by balls around some of them (Yehuda, Dekel, Hacohen and Weinshall 2022, ProbCover).

The authors build the graph of all pairs closer than a radius. Its edges can be as many as n²/2 and nothing bounds them,
so here only the number of edges that matter is kept for each row, and a row's edges are computed again when the row is
covered, which happens once. Picks are the same; memory does not depend on the radius.
"""

import torch
from torch import Tensor

from querist.kernels.distances import nearest_squared, squared_distance_blocks


def purity_radius(features: Tensor, labels: Tensor, share: float = 0.95, rows: Tensor | None = None) -> float:
    """The largest radius at which balls around rows are pure often enough.

    A ball (all rows closer than the radius to its centre) is pure when all its rows bear its centre's label: when the
    radius does not exceed the distance from the centre to the nearest row of another label. So the largest radius at
    which a share of the balls is pure is an order statistic of these distances: no search over radii is needed.

    Args:
        features: (n, d) floating point, n > 0.
        labels: (n,) int64, such as the clusters of k-means.
        share: of the balls that shall be pure, in (0, 1].
        rows: centres to look at (int64), for large n; None: all. With m centres drawn at random the purity at the
            radius errs by at most √(ln(2/0.05)/2m) with a probability of 95 % (ALGORITHMS T5).

    Returns:
        The radius; infinite where all rows bear one label.

    Raises:
        ValueError: share out of range, or no rows.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}")
    centres = torch.arange(len(features), device=features.device) if rows is None else rows
    if not len(centres):
        raise ValueError("there are no rows to draw balls around")
    gaps = features.new_empty(len(centres))
    for where, squared in squared_distance_blocks(features[centres], features):
        squared.masked_fill_(labels[centres[where]][:, None] == labels, torch.inf)
        gaps[where] = squared.amin(dim=1)
    impure = int((1 - share) * len(centres) + 1e-9)  # so many balls may be impure
    return float(gaps.sort().values[impure].sqrt())


def covered_by(features: Tensor, centres: Tensor, radius: float) -> Tensor:
    """Which rows (n,) bool lie closer than the radius to one of the centres (m, d); none where there are no centres."""
    if not len(centres):
        return torch.zeros(len(features), dtype=torch.bool, device=features.device)
    return nearest_squared(features, centres)[0] < radius**2


def greedy_coverage(features: Tensor, radius: float, k: int, covered: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Picks k rows, each covering the most rows that no pick before it covers.

    Greedy is within 1 - 1/e of the best coverage (Nemhauser, Wolsey and Fisher 1978). A row covers itself and all rows
    closer than the radius. Equal counts, none included, go to the lowest row.

    Time: one pass over all pairs, and one over the pairs of every row that becomes covered; memory beside one copy of
    the features: a block of distances and vectors of n.

    Args:
        features: (n, d) floating point.
        radius: not negative; may be infinite.
        k: how many rows, 0 <= k <= n.
        covered: (n,) bool, rows that count as covered from the start; None: none.

    Returns:
        indices (k,) int64, all different, in the order of picking; and how many rows each newly covered (k,) int64.

    Raises:
        ValueError: k or radius out of range, or a shape that does not fit.
    """
    if features.ndim != 2 or not 0 <= k <= len(features) or not radius >= 0:
        raise ValueError(f"k {k} must lie in 0..{len(features)} and the radius {radius} not be negative")
    if covered is not None and covered.shape != features.shape[:1]:
        raise ValueError(f"covered must be ({len(features)},), got {tuple(covered.shape)}")
    bare = torch.ones(len(features), dtype=torch.bool, device=features.device) if covered is None else ~covered
    gain = _count_near(features, features, bare, radius)
    taken = torch.zeros_like(bare)
    indices, gains = torch.empty(k, dtype=torch.int64), torch.empty(k, dtype=torch.int64)
    for number in range(k):
        pick = int(gain.masked_fill(taken, -1).argmax())
        taken[pick] = True
        near = _near(features[pick : pick + 1], features, radius)[0]
        near[pick] = True
        fresh = near & bare
        bare &= ~fresh
        indices[number], gains[number] = pick, int(fresh.sum())
        gain -= _count_near(features, features[fresh], None, radius)
    return indices, gains


def _count_near(features: Tensor, others: Tensor, bare: Tensor | None, radius: float) -> Tensor:
    """For each row how many of the others (those still bare) it covers: (n,) int64."""
    if bare is not None:
        others = others[bare]
    counts = torch.zeros(len(features), dtype=torch.int64, device=features.device)
    if len(others):
        # The rows that are covered lie along the rows of the blocks: few of them, all features along the columns.
        for _, squared in squared_distance_blocks(others, features):
            counts += (squared < radius**2).sum(dim=0)
    return counts


def _near(rows: Tensor, features: Tensor, radius: float) -> Tensor:
    return torch.cat([squared < radius**2 for _, squared in squared_distance_blocks(rows, features)])
