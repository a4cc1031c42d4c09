"""What the stand-in of a pose task keeps of images: feature vectors of the cells of a map, or one of the whole."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from querist.tasks.pose.network import Seen

_LARGEST = 16
"""Cells along a side of the kept maps, at most: half of what a small network has, a quarter of an hourglass."""

_LEAST_VARIANCE = 1e-4
"""Of the largest: directions below it are noise to a linear read-out."""


def cells_of(seen: Seen, gives_maps: bool) -> Tensor:
    """What a read-out may see of a batch.

    Args:
        seen: from the network's ``look``.
        gives_maps: whether the network gives heat maps; if not, coordinates are read off all it sees.

    Returns:
        (B, h, w, d): for heat maps, what the head takes and all coarser maps, brought to half the size of the heat map;
        else (B, 1, 1, d).
    """
    if not gives_maps:
        return seen.last.flatten(1)[:, None, None, :]
    last = seen.last[:, -1] if seen.last.ndim == 5 else seen.last
    side = max(1, min(int(last.shape[-1]) // 2, _LARGEST))
    maps = [last, *(level for level in seen.levels if int(level.shape[-1]) <= side)]
    resized = [functional.interpolate(m, size=(side, side), mode="bilinear", antialias=True) for m in maps]
    return torch.cat(resized, dim=1).permute(0, 2, 3, 1)


class KeptFeatures:
    """The features, white where there are many cells, and the appearances of some images.

    Args:
        looks: batches of what the model sees, in the order of ``sources``.
        sources: (n,) ascending.
        gives_maps: see :func:`cells_of`.
    """

    def __init__(self, looks: Iterable[Seen], sources: np.ndarray, gives_maps: bool) -> None:
        cells, appearances = [], []
        for seen in looks:
            cells.append(cells_of(seen, gives_maps).float().cpu())
            appearances.append(seen.appearance.float().cpu())
        self.cells = _white(cells) if gives_maps else _scaled(torch.cat(cells))
        self.appearance = torch.cat(appearances)
        self._row = {int(source): row for row, source in enumerate(sources)}

    @property
    def side(self) -> int:
        """Cells along a side."""
        return int(self.cells.shape[1])

    def rows(self, sources: Sequence[int] | np.ndarray) -> Tensor:
        """Where some sources stand, (n,) int64.

        Raises:
            ValueError: one of them is not kept.
        """
        missing = [int(s) for s in sources if int(s) not in self._row]
        if missing:
            raise ValueError(f"the rehearsal keeps no features of source {missing[0]}")
        return torch.tensor([self._row[int(s)] for s in sources], dtype=torch.int64)


def _white(batches: list[Tensor]) -> Tensor:
    """Mean 0 and covariance 1 over all cells in the directions that vary, and a constant: (n, h, w, k) float32.

    Batch by batch, and each is dropped once it is white: of a large network there are gigabytes of cells.

    Args:
        batches: (B, h, w, d) each; emptied.
    """
    count = sum(batch[..., 0].numel() for batch in batches)
    mean = torch.stack([batch.double().sum(dim=(0, 1, 2)) for batch in batches]).sum(dim=0) / count
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for batch in batches:
        centred = batch.flatten(0, 2).double() - mean
        covariance += centred.T @ centred
    values, vectors = torch.linalg.eigh(covariance / count)
    kept = values > values.max() * _LEAST_VARIANCE
    turned = vectors[:, kept] / values[kept].sqrt()
    found = torch.ones(sum(map(len, batches)), *batches[0].shape[1:3], int(kept.sum()) + 1)
    row = 0
    while batches:
        batch = batches.pop(0)
        found[row : row + len(batch), ..., :-1] = ((batch.double() - mean) @ turned).float()
        row += len(batch)
    return found


def _scaled(cells: Tensor) -> Tensor:
    """Mean 0 and mean squared length 1, turned into as few directions as there are images, and a constant.

    Not white: where images are fewer than numbers of each, white vectors are all equally far from each other, and
    nothing is learned of one from another.
    """
    flat = cells.flatten(0, 2).double()
    centred = flat - flat.mean(dim=0)
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    return _with_constant(left * sizes / centred.square().sum(dim=1).mean().sqrt().clamp_min(1e-12), cells)


def _with_constant(flat: Tensor, cells: Tensor) -> Tensor:
    whole = torch.cat([flat, torch.ones_like(flat[:, :1])], dim=1)
    return whole.float().view(*cells.shape[:3], -1).contiguous()
