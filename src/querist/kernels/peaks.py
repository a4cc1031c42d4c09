"""How many places a heat map thinks a joint could be: the entropy over its peaks (ALGORITHMS 2.6)."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def multi_peak_entropy(heat_maps: Tensor, peaks: int = 5, distance: int = 5) -> Tensor:
    """The sum over joints of the entropy of a softmax over the values of a heat map's highest peaks.

    Liu and Ferrari 2017 (Active learning for human pose estimation). A peak is no lower than anything within
    ``distance`` rows and columns of it, higher than the map's lowest value, and not that close to a higher one; of a
    plateau the first place counts.

    Args:
        heat_maps: (n, J, H, W) floating point, finite, on the scale on which the softmax is to be taken.
        peaks: at most so many of each map, the highest.
        distance: see above.

    Returns:
        (n,) in nats, in [0, J ln peaks]. A map with one peak counts 0. A flat map, which has none, knows nothing of its
        joint and counts ln ``peaks``.

    Raises:
        ValueError: a shape or number that does not fit, or a value that is not finite.
    """
    if heat_maps.ndim != 4 or not heat_maps.is_floating_point() or peaks < 1 or distance < 1 or not heat_maps.numel():
        raise ValueError(f"heat maps {tuple(heat_maps.shape)} must be (n, J, H, W), {peaks} peaks {distance} apart")
    if not bool(torch.isfinite(heat_maps).all()):
        raise ValueError("heat maps hold values that are not finite")
    n, J, H, W = heat_maps.shape
    maps = heat_maps.reshape(n * J, 1, H, W)
    highest = functional.max_pool2d(maps, 2 * distance + 1, stride=1, padding=distance)
    lowest = maps.flatten(1).amin(dim=1)[:, None]
    left = torch.where(maps == highest, maps, -torch.inf).flatten(1)
    left = torch.where(left > lowest, left, -torch.inf)
    row, column = torch.arange(H * W) // W, torch.arange(H * W) % W
    values = []
    for _ in range(peaks):
        value, place = left.max(dim=1)
        values.append(value)
        near = (row - place[:, None] // W).abs().le(distance) & (column - place[:, None] % W).abs().le(distance)
        left = left.masked_fill(near, -torch.inf)
    found = torch.stack(values, dim=1)
    flat = found[:, 0] == -torch.inf
    chances = torch.where(flat[:, None], 0.0, found).softmax(dim=1)
    entropy = torch.where(flat, math.log(peaks), torch.special.entr(chances).sum(dim=1))
    return entropy.view(n, J).sum(dim=1)
