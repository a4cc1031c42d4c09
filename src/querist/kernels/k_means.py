"""k-means: Lloyd's iterations from a k-means++ seeding, without a distance matrix."""

import torch
from torch import Tensor

from querist.kernels.distances import nearest_squared
from querist.kernels.gradient_embedding import factorised_kmeans_plus_plus


def k_means(
    features: Tensor,
    k: int,
    generator: torch.Generator,
    iterations: int = 25,
    per_centre: int = 256,
    initial: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Clusters rows around k centres.

    The centres are moved at most ``iterations`` times (Lloyd 1982), and no more once no row changes its cluster. A
    centre that loses all its rows moves to the row farthest from its own centre, so clusters stay filled where there
    are enough different rows. With very many rows the centres are found on a random part of them, and every row is
    then given to the nearest one.

    Memory beside the features: one copy of the rows that the centres are found on, and a block of distances.

    Args:
        features: (n, d) floating point, finite.
        k: clusters, 1 <= k <= n.
        generator: draws the seeding and the part, on the CPU.
        iterations: how often the centres move at most; 0 leaves the seeding.
        per_centre: the centres are found on at most ``k * per_centre`` rows.
        initial: (k, d) centres to begin with, in place of the seeding.

    Returns:
        the cluster of each row (n,) int64, the nearest centre's (ties to the lowest); and the centres (k, d).

    Raises:
        ValueError: a number out of range, a shape that does not fit, or a value that is not finite.
    """
    _check(features, k, iterations, per_centre, initial)
    part = features
    if len(features) > k * per_centre:
        rows = torch.randperm(len(features), generator=generator)[: k * per_centre].sort().values
        part = features[rows.to(features.device)]
    centres = _seeding(part, k, generator) if initial is None else initial.to(features).clone()
    before: Tensor | None = None
    for _ in range(iterations):
        distance, cluster = nearest_squared(part, centres)
        if before is not None and torch.equal(cluster, before):
            break
        before = cluster
        _move(part, distance, cluster, centres)
    return nearest_squared(features, centres)[1], centres


def _seeding(part: Tensor, k: int, generator: torch.Generator) -> Tensor:
    centred = part - part.mean(dim=0)  # distances by inner products keep their digits near the origin
    first = int(torch.randint(len(part), (), generator=generator))
    plain = torch.ones_like(centred[:, :1])
    picks = factorised_kmeans_plus_plus(plain, centred, k, generator, first=first)
    return part[picks.to(part.device)]


def _move(part: Tensor, distance: Tensor, cluster: Tensor, centres: Tensor) -> None:
    """Every centre to the mean of its rows; those without any to the rows farthest from theirs."""
    size = torch.bincount(cluster, minlength=len(centres))
    sums = torch.zeros_like(centres).index_add_(0, cluster, part)
    filled = size > 0
    centres[filled] = sums[filled] / size[filled, None]
    empty = int((~filled).sum())
    if empty:
        centres[~filled] = part[distance.topk(empty).indices]


def _check(features: Tensor, k: int, iterations: int, per_centre: int, initial: Tensor | None) -> None:
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(f"features must be (n, d) floating point, got {tuple(features.shape)}")
    if not 1 <= k <= len(features):
        raise ValueError(f"k must lie in 1..{len(features)}, got {k}")
    if iterations < 0 or per_centre < 1:
        raise ValueError(f"iterations {iterations} must not be negative and per_centre {per_centre} be positive")
    if initial is not None and initial.shape != (k, features.shape[1]):
        raise ValueError(f"initial centres must be {(k, features.shape[1])}, got {tuple(initial.shape)}")
    if not bool(torch.isfinite(features).all()):
        raise ValueError("features hold values that are not finite")
