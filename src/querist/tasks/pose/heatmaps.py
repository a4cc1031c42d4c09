"""Heat maps of joints: from maps to places and from places to maps.

Places are x (across) and y (down) on -1..1 over the map from edge to edge: maps of any size and the image agree.
"""

from typing import Literal

import torch
from torch import Tensor

Reading = Literal["mean", "peak", "peak_mean"]
"""How a place is read off a map: see :func:`read_places`."""


_NEAR = 2
"""Cells around the highest one over which ``peak_mean`` takes the mean."""


def centres(count: int, like: Tensor) -> Tensor:
    """The middles of ``count`` cells over -1..1, (count,) of the kind of ``like``."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) * (2 / count) - 1


def soft_argmax(chances: Tensor) -> Tensor:
    """The mean place under a map of chances; gradients flow (Sun et al. 2018, "Integral human pose regression").

    Args:
        chances: (..., h, w), which sum to 1 over the last two dimensions.

    Returns:
        (..., 2): x and y.
    """
    x = (chances.sum(dim=-2) * centres(chances.shape[-1], chances)).sum(dim=-1)
    y = (chances.sum(dim=-1) * centres(chances.shape[-2], chances)).sum(dim=-1)
    return torch.stack([x, y], dim=-1)


def spatial_softmax(scores: Tensor) -> Tensor:
    """Scores (..., h, w) -> chances of the same shape that sum to 1 over each map."""
    return scores.flatten(-2).softmax(dim=-1).view_as(scores)


def read_places(scores: Tensor, reading: Reading) -> Tensor:
    """The place of each map's joint.

    Args:
        scores: (..., h, w); for ``peak`` any heat maps, else scores whose softmax is taken.
        reading: ``mean``: the mean place under all of the map. ``peak``: the highest cell, moved a quarter of a cell
            towards its higher neighbour across and down, as is usual with heat maps learned by squared error (Newell et
            al. 2016). ``peak_mean``: the mean place within two cells of the highest one, so that a second peak draws
            nothing towards it.

    Returns:
        (..., 2): x and y.
    """
    if reading == "mean":
        return soft_argmax(spatial_softmax(scores))
    if reading == "peak":
        return _peaks(scores)
    h, w = scores.shape[-2:]
    place = scores.flatten(-2).argmax(dim=-1)
    steps = torch.arange(-_NEAR, _NEAR + 1, device=scores.device)
    y, x = (place // w)[..., None] + steps, (place % w)[..., None] + steps
    inside = ((y >= 0) & (y < h))[..., :, None] & ((x >= 0) & (x < w))[..., None, :]
    cells = y.clamp(0, h - 1)[..., :, None] * w + x.clamp(0, w - 1)[..., None, :]
    near = scores.flatten(-2).gather(-1, cells.flatten(-2)).view_as(inside).masked_fill(~inside, -torch.inf)
    chances = spatial_softmax(near)
    middle = torch.stack([place % w, place // w], dim=-1)
    away = torch.stack([(chances.sum(dim=dim) * steps).sum(dim=-1) for dim in (-2, -1)], dim=-1)
    size = torch.tensor([w, h], dtype=scores.dtype, device=scores.device)
    return (middle + away + 0.5) * (2 / size) - 1


def _peaks(scores: Tensor) -> Tensor:
    h, w = scores.shape[-2:]
    place = scores.flatten(-2).argmax(dim=-1)
    y, x = place // w, place % w
    flat = scores.flatten(-2)

    def at(row: Tensor, column: Tensor) -> Tensor:
        cell = row.clamp(0, h - 1) * w + column.clamp(0, w - 1)
        return flat.gather(-1, cell[..., None])[..., 0]

    # On the border one neighbour is missing: nothing says to which side the place lies.
    across = (at(y, x + 1) - at(y, x - 1)).sign() * ((x > 0) & (x < w - 1))
    down = (at(y + 1, x) - at(y - 1, x)).sign() * ((y > 0) & (y < h - 1))
    moved = torch.stack([x + 0.25 * across, y + 0.25 * down], dim=-1)
    size = torch.tensor([w, h], dtype=scores.dtype, device=scores.device)
    return (moved.to(scores.dtype) + 0.5) * (2 / size) - 1


_FAR = 1e-20


def gaussians(places: Tensor, shape: tuple[int, int], sigma: float) -> Tensor:
    """A bell around each place, 1 at its top.

    Args:
        places: (..., 2) x and y; NaN gives an empty map.
        shape: (h, w).
        sigma: its width in cells.

    Returns:
        (..., h, w).
    """
    h, w = shape
    x = (places[..., 0:1] - centres(w, places)) * (w / 2 / sigma)
    y = (places[..., 1:2] - centres(h, places)) * (h / 2 / sigma)
    bells = torch.exp(-0.5 * y.square())[..., :, None] * torch.exp(-0.5 * x.square())[..., None, :]
    # Far from its place a bell is so small a number that processors count with it a hundred times slower.
    return torch.where(bells > _FAR, bells, 0.0)
