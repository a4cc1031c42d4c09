"""Confusion matrices by bincount, and the intersection over union read from them (ALGORITHMS T12, 1.7)."""

from typing import overload

import numpy as np
import torch
from torch import Tensor

from querist.kernels.bincount import narrowest_integer, rowwise_bincount


def confusion_counts(prediction: Tensor, truth: Tensor, classes: int, void: int) -> Tensor:
    """Counts, for each image, how often a pixel of one class is predicted as another.

    Void pixels go to a row of their own which is cut off, so that no pixel has to be gathered by a mask.

    Args:
        prediction: (B, ...) integer class ids in 0..classes-1; uint8 is fastest.
        truth: integer class ids of the same shape, in 0..classes-1 or ``void``.
        classes: the number of classes C.
        void: the id in ``truth`` that marks pixels to leave out; must not be a class.

    Returns:
        (B, C, C) int64; rows are the truth, columns the prediction. Matrices of several images add up.

    Raises:
        ValueError: shapes that differ, a void that is a class, or an id outside the classes.
    """
    if prediction.shape != truth.shape or truth.ndim < 2:
        shapes = f"{tuple(prediction.shape)} and {tuple(truth.shape)}"
        raise ValueError(f"prediction and truth must be (B, ...) of equal shape, got {shapes}")
    if 0 <= void < classes:
        raise ValueError(f"void {void} must lie outside the classes 0..{classes - 1}")
    if truth.numel():
        _check_range("prediction", prediction, classes, f"0..{classes - 1}")
    cells = (classes + 1) * classes
    narrow = narrowest_integer(cells)
    rows = _void_to_last_row(truth, classes, void).to(narrow)
    number = (rows * classes).add_(prediction.to(narrow)).flatten(1)
    return rowwise_bincount(number, cells).view(len(truth), classes + 1, classes)[:, :classes]


def _void_to_last_row(truth: Tensor, classes: int, void: int) -> Tensor:
    """The truth with void renamed to ``classes``; refuses every other id outside the classes."""
    allowed = f"0..{classes - 1} and void {void}"
    if truth.numel() == 0:
        return truth
    if void != classes:
        if bool((truth == classes).any()):  # it would be taken for void below
            raise ValueError(f"truth holds the class id {classes}; allowed are {allowed}")
        if void in range(torch.iinfo(truth.dtype).min, torch.iinfo(truth.dtype).max + 1):
            truth = truth.masked_fill(truth == void, classes)
    _check_range("truth", truth, classes + 1, allowed)
    return truth


def _check_range(name: str, ids: Tensor, stop: int, allowed: str) -> None:
    low, high = (int(value) for value in ids.aminmax())
    if low < 0 or high >= stop:
        raise ValueError(f"{name} holds class ids from {low} to {high}; allowed are {allowed}")


@overload
def intersection_over_union(confusion: Tensor) -> Tensor: ...
@overload
def intersection_over_union(confusion: np.ndarray) -> np.ndarray: ...
def intersection_over_union(confusion: Tensor | np.ndarray) -> Tensor | np.ndarray:
    """Intersection over union of each class, TP / (TP + FP + FN).

    Args:
        confusion: (..., C, C) counts, rows the truth; sum over the images *before*, because the measure of a
            set is not the average over its images.

    Returns:
        (..., C) float64, NaN for a class that occurs neither in the truth nor in the prediction.
    """
    if isinstance(confusion, np.ndarray):
        return intersection_over_union(torch.from_numpy(np.ascontiguousarray(confusion))).numpy()
    counts = confusion.to(torch.float64)
    hit = counts.diagonal(dim1=-2, dim2=-1)
    return hit / (counts.sum(dim=-1) + counts.sum(dim=-2) - hit)


@overload
def mean_iou(confusion: Tensor) -> Tensor: ...
@overload
def mean_iou(confusion: np.ndarray) -> np.ndarray: ...
def mean_iou(confusion: Tensor | np.ndarray) -> Tensor | np.ndarray:
    """Mean intersection over union; a class with an empty union is skipped.

    Args:
        confusion: (..., C, C) counts, rows the truth.

    Returns:
        (...) float64 in 0..1; NaN where every union is empty.
    """
    if isinstance(confusion, np.ndarray):
        return mean_iou(torch.from_numpy(np.ascontiguousarray(confusion))).numpy()
    return torch.nanmean(intersection_over_union(confusion), dim=-1)
