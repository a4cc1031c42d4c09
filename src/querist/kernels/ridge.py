"""Ridge regression in which every output has its own samples: those of which it is known."""

import torch
from torch import Tensor


def masked_ridge(cells: Tensor, target: Tensor, counts: Tensor, penalty: float) -> Tensor:
    """``argmin_W  mean |x W - y|² + penalty |W|²`` for each output over the samples for which it counts, exactly.

    The Gram matrix of all samples is summed up once, and from it is taken what some output does not count.

    Args:
        cells: (n, c, d) features of n samples of c cells each.
        target: (n, c, o); what does not count may be anything finite.
        counts: (n, o) bool: of which samples which output is known.
        penalty: relative to one cell; positive.

    Returns:
        The weights (d, o), zero for outputs that count nowhere.

    Raises:
        ValueError: shapes that do not fit, or a penalty that is not positive.
    """
    n, c, _ = cells.shape
    if target.shape[:2] != (n, c) or counts.shape != (n, target.shape[2]) or penalty <= 0:
        raise ValueError(
            f"cells {tuple(cells.shape)}, target {tuple(target.shape)}, counts {tuple(counts.shape)}: expected "
            f"(n, c, d), (n, c, o) and (n, o); and a penalty above 0, not {penalty}"
        )
    flat = cells.flatten(0, 1)
    known = torch.where(counts[:, None], target, 0.0).flatten(0, 1)
    whole, towards = flat.T @ flat, flat.T @ known
    weights = torch.zeros_like(towards)
    patterns, which = counts.T.unique(dim=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        outputs = which == number
        missing = cells[~pattern].flatten(0, 1)
        gram = (whole - missing.T @ missing) / max(1, int(pattern.sum()) * c)
        gram.diagonal().add_(penalty)
        if bool(pattern.any()):
            factor = torch.linalg.cholesky(gram)
            weights[:, outputs] = torch.cholesky_solve(towards[:, outputs] / (int(pattern.sum()) * c), factor)
    return weights
