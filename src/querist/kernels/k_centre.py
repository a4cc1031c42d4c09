"""Greedy k-centre (core-set) selection without a distance matrix.

Farthest-first traversal: each pick is the row farthest from all centres so far. Gonzalez (1985) shows that
its covering radius is within a factor two of the best; Sener and Savarese (2018) use it as a query strategy.
ALGORITHMS T8.
"""

import torch
from torch import Tensor

_SERIAL_ROWS = 32_000  # just below the size from which torch starts its threads for an element-wise operation
_FOLD_ROWS = 4096
_FOLD_CENTRES = 1024
_TAKEN = -1.0  # below every clamped distance, so that no row is picked twice, not even among duplicates


def k_centre_greedy(
    features: Tensor,
    k: int,
    centres: Tensor | None = None,
    first: int | None = None,
    block: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Picks k rows, each the farthest from the given centres and from the rows picked before it.

    Exact, and reads the features once per pick: with ``v = c - mean`` the squared distance of a row x to a
    new centre c is ``|x - mean|² - 2 x·v + 2 mean·v + |v|²``, one matrix-vector product beside a constant.
    Measuring from the mean instead of from zero costs nothing and keeps the digits when the features lie far
    from the origin; what rounding leaves below zero is clamped.

    The product is one call over all rows, as in a plain ``features @ v``. What follows it goes block by block while
    the block is in the cache and, on a CPU, in one thread: starting and joining threads for every small operation
    would cost more than the operations, and many times more on a machine that is busy.

    Memory beside the features: three vectors of n; no (n, n) matrix, no copy of the features.

    Args:
        features: (n, d) floating point, finite; any device. Read in place when contiguous.
        k: number of rows to pick, 0 <= k <= n.
        centres: (m, d) points that already count as centres, such as the labelled set; not returned.
        first: row to pick first. Without it, and without centres, it is the row nearest the mean.
        block: rows that are updated at a time; None chooses for the device. Does not change the result.

    Returns:
        indices (k,) int64, all different, in the order of picking; and radii (k,) of the features' type: the
        distance of each pick to the nearest centre at the moment it was picked, infinite when there was none.
        Radii never rise (the first aside, when ``first`` is given beside ``centres``). Equal distances go to
        the lowest row.

    Raises:
        ValueError: k, first or block out of range, a shape that does not fit, or a value that is not finite.
    """
    _check(features, k, centres, first, block)
    mean = features.mean(dim=0)
    squared = _squared_norms(features, mean)
    if not bool(torch.isfinite(squared).all()):
        raise ValueError("features hold values that are not finite, or too large to be squared")
    nearest, start = torch.full_like(squared, torch.inf), first
    if centres is not None and len(centres):
        _fold_centres(features, squared, mean, centres.to(features), nearest)
        if bool(nearest.isnan().any()):
            raise ValueError("centres hold values that are not finite")
    elif first is None:
        start = int(squared.argmin())
    block = block or (_SERIAL_ROWS if features.device.type == "cpu" else len(features))
    return _traverse(features, squared, mean, nearest, k, start, block)


def _check(features: Tensor, k: int, centres: Tensor | None, first: int | None, block: int | None) -> None:
    if features.ndim != 2 or not features.is_floating_point() or len(features) == 0:
        raise ValueError(f"features must be (n, d) floating point with n > 0, got {tuple(features.shape)}")
    if not 0 <= k <= len(features):
        raise ValueError(f"k must lie in 0..{len(features)}, got {k}")
    if centres is not None and (centres.ndim != 2 or centres.shape[1] != features.shape[1]):
        raise ValueError(f"centres must be (m, {features.shape[1]}), got {tuple(centres.shape)}")
    if first is not None and not 0 <= first < len(features):
        raise ValueError(f"first must lie in 0..{len(features) - 1}, got {first}")
    if block is not None and block < 1:
        raise ValueError(f"block must be positive, got {block}")


def _squared_norms(features: Tensor, mean: Tensor) -> Tensor:
    """|x - mean|² of every row, (n,); small blocks, because the difference is a copy."""
    squared = features.new_empty(len(features))
    for rows, out in zip(features.split(_FOLD_ROWS), squared.split(_FOLD_ROWS), strict=True):
        torch.sum((rows - mean).square_(), dim=1, out=out)
    return squared


def _fold_centres(features: Tensor, squared: Tensor, mean: Tensor, centres: Tensor, nearest: Tensor) -> None:
    """Lowers ``nearest`` to the squared distance of every row to the closest of the centres."""
    shifted = centres - mean
    constant = shifted.square().sum(dim=1) + 2 * (shifted @ mean)
    rows = zip(features.split(_FOLD_ROWS), squared.split(_FOLD_ROWS), nearest.split(_FOLD_ROWS), strict=True)
    for x, own, low in rows:
        for v, extra in zip(shifted.split(_FOLD_CENTRES), constant.split(_FOLD_CENTRES), strict=True):
            distance = torch.addmm(extra, x, v.T, alpha=-2).amin(dim=1).add_(own).clamp_min_(0)
            torch.minimum(low, distance, out=low)


def _traverse(
    features: Tensor, squared: Tensor, mean: Tensor, nearest: Tensor, k: int, start: int | None, block: int
) -> tuple[Tensor, Tensor]:
    """The picks, given the squared distance of every row to the centres there are; overwrites ``nearest``."""
    product = torch.empty_like(squared)
    blocks = list(zip(squared.split(block), product.split(block), nearest.split(block), strict=True))
    maxima = features.new_empty(len(blocks))
    cells = maxima.unbind()
    indices = torch.empty(k, dtype=torch.int64)
    radii = features.new_empty(k)
    for (_, _, low), cell in zip(blocks, cells, strict=True):
        torch.amax(low, dim=0, out=cell)
    for step in range(k):
        if step == 0 and start is not None:
            pick = start
        else:
            best = int(maxima.argmax())
            pick = best * block + int(blocks[best][2].argmax())
        indices[step] = pick
        radii[step] = nearest[pick]
        nearest[pick] = _TAKEN
        if step + 1 == k:
            break
        v = features[pick] - mean
        constant = float(v.square().sum() + 2 * (v @ mean))
        torch.mv(features, v, out=product)
        for (own, distance, low), cell in zip(blocks, cells, strict=True):
            torch.add(own, distance, alpha=-2, out=distance).add_(constant).clamp_min_(0)
            torch.minimum(low, distance, out=low)
            torch.amax(low, dim=0, out=cell)
    return indices.to(features.device), radii.sqrt_()
