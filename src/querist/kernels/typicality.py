"""Typicality: how densely a point's neighbours lie around it (Hacohen, Dekel and Weinshall 2022, their equation 1)."""

import torch
from torch import Tensor

from querist.kernels.distances import squared_distance_blocks

_SHORTEST = 1e-12  # of a mean distance, so that points on top of each other have a finite typicality


def typicality(features: Tensor, neighbours: int = 20) -> Tensor:
    """The inverse of the mean distance to the nearest other rows.

    Args:
        features: (n, d) floating point, n > 0.
        neighbours: so many of the nearest other rows, or all where there are fewer.

    Returns:
        (n,), larger is more typical; 0 for a row that is alone, at most 1e12.

    Raises:
        ValueError: no rows, another shape, or fewer than one neighbour.
    """
    if neighbours < 1:
        raise ValueError(f"neighbours must be positive, got {neighbours}")
    if len(features) == 1:
        return torch.zeros_like(features[:, 0])
    found = features.new_empty(len(features))
    count = min(neighbours, len(features) - 1)
    for where, squared in squared_distance_blocks(features, features):
        own = torch.arange(where.start, where.stop, device=features.device)
        squared[torch.arange(len(own), device=features.device), own] = torch.inf
        nearest = squared.topk(count, dim=1, largest=False, sorted=False).values
        found[where] = nearest.sqrt_().mean(dim=1).clamp_min_(_SHORTEST).reciprocal_()
    return found
