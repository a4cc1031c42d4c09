"""How much learning one label would lower a loss measured elsewhere, to first order, for a linear classifier.

The classifier gives a cell with features x the class shares p = softmax(x W). One gradient step on a label y of the
cell moves W along -x (p - e_y)^T, and the loss over labelled reference cells falls by the inner product of the two
gradients (Koh and Liang 2017, with the identity in place of the Hessian: features should be white). That product needs
the reference cells only through one d x C matrix, so it costs as much as a prediction.
"""

import torch
from torch import Tensor

_LEAST_FREQUENCY = 1e-3  # a class that was hardly met shall not rule the rest


def class_weights(target: Tensor, classes: int, balance: float = 0.5) -> Tensor:
    """What a label of each class weighs: its frequency among labels (m,) int64 to the power of minus ``balance``.

    Raises:
        ValueError: there is no label.
    """
    if not len(target):
        raise ValueError("no label has no frequency")
    frequency = torch.bincount(target, minlength=classes).double() / len(target)
    return (frequency.clamp_min(_LEAST_FREQUENCY) ** -balance).float()


def error_slope(features: Tensor, shares: Tensor, target: Tensor, balance: float = 0.5) -> tuple[Tensor, Tensor]:
    """The gradient of the loss on reference cells.

    Args:
        features: (m, d) of labelled cells; ``shares`` (m, C) predicted, ``target`` (m,) int64 true classes.
        balance: a class of frequency f among them weighs f to the power of minus this, as a metric that averages over
            classes wants it; see :func:`class_weights`.

    Returns:
        slope (d, C), and what a label of each class weighs, (C,).

    Raises:
        ValueError: no cell, or lengths that do not fit.
    """
    if not len(target) or len(features) != len(target) or len(shares) != len(target):
        raise ValueError(f"{len(features)} features, {len(shares)} shares and {len(target)} labels")
    weights = class_weights(target, shares.shape[1], balance).to(features.dtype)
    each = weights[target]
    residual = shares * each[:, None]
    residual[torch.arange(len(target), device=target.device), target] -= each
    return features.T @ residual / each.sum(), weights


class WhiteSlope:
    """:func:`error_slope` on white features with a constant beside them, from batches of raw ones.

    White features W (x - mean), 1 with W W^T the inverse of the covariance S of all cells give labels the values that
    raw ones, less their mean, give with the slope S^-1 (R - mean r^T), and r beside it, where R = sum x e^T and
    r = sum e over the labelled cells and their errors e. So sums over cells are all that must be kept: (d, d) and
    (d, C) numbers, however many cells there are.

    Args:
        width: d, of the features.
        weights: (C,) what a label of each class weighs.
        shrinkage: this share of the mean variance is mixed into the covariance, so that seldom directions do not rule.
    """

    def __init__(self, width: int, weights: Tensor, shrinkage: float = 1e-3) -> None:
        self._weights, self._shrinkage = weights.double(), shrinkage
        self._cells, self._total = 0, 0.0
        double, classes = torch.float64, len(weights)
        self._sum, self._products = torch.zeros(width, dtype=double), torch.zeros(width, width, dtype=double)
        self._errors, self._along = torch.zeros(classes, dtype=double), torch.zeros(width, classes, dtype=double)

    def add(self, features: Tensor, shares: Tensor, target: Tensor, known: Tensor, rows: int = 2**15) -> None:
        """Some cells.

        Args:
            features: (m, d); ``shares`` (m, C) predicted.
            target: (m,) int64 true classes, of which those count that are ``known``, (m,) bool.
            rows: how many are taken at a time.
        """
        for start in range(0, len(features), rows):
            here = slice(start, start + rows)
            x, labelled = features[here].double(), known[here]
            self._cells += len(x)
            self._sum += x.sum(dim=0)
            self._products += x.T @ x
            true = target[here][labelled]
            each = self._weights[true]
            error = shares[here][labelled].double() * each[:, None]
            error[torch.arange(len(true)), true] -= each
            self._errors += error.sum(dim=0)
            self._along += x[labelled].T @ error
            self._total += float(each.sum())

    def solved(self) -> tuple[Tensor, Tensor, Tensor]:
        """The cells' mean (d,), the slope (d, C) along features less it, and the slope along the constant (C,).

        Raises:
            ValueError: no cell was labelled.
        """
        if not self._total:
            raise ValueError("no labelled cell")
        mean = self._sum / self._cells
        covariance = self._products / self._cells - torch.outer(mean, mean)
        scale = covariance.diagonal().mean().clamp_min(1e-12)
        shrunk = (1 - self._shrinkage) * covariance + self._shrinkage * scale * torch.eye(len(mean), dtype=mean.dtype)
        slope = torch.linalg.solve(shrunk, self._along - torch.outer(mean, self._errors))
        return mean.float(), (slope / self._total).float(), (self._errors / self._total).float()


def label_values(
    features: Tensor, shares: Tensor, slope: Tensor, weights: Tensor, constant: Tensor | float = 0.0
) -> Tensor:
    """What each class would be worth as the label of each cell: the fall of the reference loss.

    Args:
        features: (..., d); ``shares`` (..., C).
        slope: (d, C) and ``weights`` (C,) of :func:`error_slope`.
        constant: (C,) the slope along a feature that is 1 everywhere.

    Returns:
        (..., C); larger is better, negative where the label would mislead.
    """
    along = features @ slope + constant
    return ((shares * along).sum(dim=-1, keepdim=True) - along) * weights


def expected_value(values: Tensor, shares: Tensor) -> Tensor:
    """The mean of :func:`label_values` under the classifier's own shares: (..., C), (..., C) -> (...)."""
    return (values * shares).sum(dim=-1)
