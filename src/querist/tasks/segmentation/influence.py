"""What labels of regions are worth to a segmentation model, measured on labelled images: cells, regions, sums."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from querist.errors import QueristError
from querist.kernels.influence import error_slope, expected_value, label_values
from querist.tasks.segmentation.crops import Canvas
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.grid import Grid

Looks = Iterable[tuple[np.ndarray, Tensor, Tensor]]
"""Per batch of images: sources, what each class would be worth as the label of each cell (B, h, w, C), and the model's
belief about it (B, h, w, C)."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Where the cells of a feature map lie: their centres in the image.

    Args:
        rows: (h,) pixels; ``columns`` (w,).
    """

    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, shape: tuple[int, int], size: tuple[int, int]) -> "Cells":
        """The cells of a map of (h, w) over an image of (height, width)."""
        centres = [((np.arange(n) + 0.5) * full / n).astype(np.int64) for n, full in zip(shape, size, strict=True)]
        return cls(*centres)

    def sampled(self, mask: np.ndarray) -> np.ndarray:
        """A mask (H, W) at the centres: (h, w)."""
        return mask[self.rows][:, self.columns]

    def regions(self, grid: Grid, size: tuple[int, int]) -> np.ndarray:
        """The part of the grid that each centre lies in, (h, w) int64; -1 outside of all."""
        part = np.full(size, -1, dtype=np.int64)
        for number in range(len(grid)):
            part[grid.window(number)] = number
        return self.sampled(part)


@dataclass(frozen=True, eq=False)
class Yardstick:
    """Labelled images as the measure of what other labels are worth.

    Args:
        slope: (d, C) and ``weights`` (C,), see :func:`querist.kernels.influence.error_slope`.
    """

    slope: Tensor
    weights: Tensor

    @classmethod
    def of(cls, features: Tensor, shares: Tensor, masks: np.ndarray, void: int) -> "Yardstick":
        """From the reference images: (B, h, w, d), (B, h, w, C) and their labels (B, h, w) with ``void`` cells.

        Raises:
            QueristError: see :func:`labelled_cells`.
        """
        target = torch.from_numpy(masks.astype(np.int64)).flatten()
        known = labelled_cells(target, void)
        return cls(*error_slope(features.flatten(0, 2)[known], shares.flatten(0, 2)[known], target[known]))

    def values(self, features: Tensor, shares: Tensor) -> Tensor:
        """(B, h, w, d), (B, h, w, C) -> (B, h, w, C): what each class would be worth as the label of each cell."""
        return label_values(features, shares, self.slope, self.weights)


def labelled_cells(target: Tensor, void: int) -> Tensor:
    """(n,) class ids of the reference's cells -> (n,) bool.

    Raises:
        QueristError: all of them are void.
    """
    known = target != void
    if not known.any():
        raise QueristError(
            "the reward set has no labelled pixel, so nothing can be measured on it",
            "check the ids of its masks and the recipe's void, or name other reward images",
        )
    return known


def cell_worth(values: Tensor, shares: Tensor, masks: np.ndarray | None, void: int) -> Tensor:
    """What the label of each cell is worth.

    Args:
        values: (B, h, w, C), of each class as a label.
        shares: (B, h, w, C), what the model believes.
        masks: (B, h, w), the labels; None: the expectation under the model.
        void: the id of unlabelled cells, which are worth nothing.

    Returns:
        (B, h, w).
    """
    if masks is None:
        return expected_value(values, shares)
    target = torch.from_numpy(masks.astype(np.int64))
    known = target != void
    found = values.gather(-1, torch.where(known, target, 0)[..., None])[..., 0]
    return torch.where(known, found, 0.0)


def of_regions(values: Tensor, regions: np.ndarray, count: int) -> np.ndarray:
    """The sum over the cells of each region: (B, h, w), (h, w) -> (B, count) float32."""
    inside = torch.from_numpy(regions.ravel() >= 0)
    part = torch.from_numpy(regions.ravel())[inside]
    summed = torch.zeros(len(values), count, dtype=values.dtype)
    return summed.index_add_(1, part, values.flatten(1)[:, inside]).float().numpy()


def region_influence(
    data: SegmentationData,
    grid: Grid,
    units: tuple[np.ndarray, np.ndarray],
    given: Canvas | None,
    looks: Looks,
) -> np.ndarray:
    """What the labels of regions are worth: the sum over their cells.

    Args:
        data: knows the images' size and what is void.
        grid: the regions.
        units: (source, part) of each region, (n,) each.
        given: their labels; None: the expectation under the model.
        looks: at their images, with maps of one shape.

    Returns:
        (n,) float32.
    """
    (source, part), found = units, np.zeros(len(units[0]), dtype=np.float32)
    cells, regions = None, np.zeros(0)
    for sources, values, shares in looks:
        if cells is None:
            cells = Cells.of((int(values.shape[1]), int(values.shape[2])), data.size)
            regions = cells.regions(grid, data.size)
        masks = None if given is None else np.stack([cells.sampled(given.mask(int(s))) for s in sources])
        table = of_regions(cell_worth(values, shares, masks, data.void_id), regions, len(grid))
        row = {int(s): i for i, s in enumerate(sources)}
        here = np.flatnonzero(np.isin(source, sources))
        found[here] = table[[row[int(s)] for s in source[here]], part[here]]
    return found
