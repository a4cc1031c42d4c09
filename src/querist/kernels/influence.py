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


def label_values(features: Tensor, shares: Tensor, slope: Tensor, weights: Tensor) -> Tensor:
    """What each class would be worth as the label of each cell: the fall of the reference loss.

    Args:
        features: (..., d); ``shares`` (..., C).
        slope: (d, C) and ``weights`` (C,) of :func:`error_slope`.

    Returns:
        (..., C); larger is better, negative where the label would mislead.
    """
    along = features @ slope
    return ((shares * along).sum(dim=-1, keepdim=True) - along) * weights


def expected_value(values: Tensor, shares: Tensor) -> Tensor:
    """The mean of :func:`label_values` under the classifier's own shares: (..., C), (..., C) -> (...)."""
    return (values * shares).sum(dim=-1)
