"""Counting small integers row by row."""

import torch
from torch import Tensor


def narrowest_integer(stop: int) -> torch.dtype:
    """The smallest integer type that holds 0..stop-1.

    Counting is bound by memory traffic, and bytes are an eighth of torch's default integers.
    """
    for dtype in (torch.uint8, torch.int16, torch.int32):
        if stop - 1 <= torch.iinfo(dtype).max:
            return dtype
    return torch.int64


def rowwise_bincount(ids: Tensor, bins: int) -> Tensor:
    """Counts each value of each row.

    Args:
        ids: (B, n) integers in 0..bins-1, of any integer type.
        bins: the number of different values.

    Returns:
        (B, bins) int64.
    """
    counts = torch.zeros(len(ids), bins, dtype=torch.int64, device=ids.device)
    for row, count in zip(ids, counts, strict=True):
        count.copy_(torch.bincount(row, minlength=bins))
    return counts
