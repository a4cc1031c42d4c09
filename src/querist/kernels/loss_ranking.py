"""How well predicted losses rank samples: what a loss-prediction module learns from (ALGORITHMS 2.6).

Samples are compared in pairs (i, i + B/2) of a batch, as in the public code for poses.
"""

import torch
from torch import Tensor


def hinge_ranking(predicted: Tensor, losses: Tensor, margin: float = 1.0) -> Tensor:
    """``mean max(0, margin - sign(l_i - l_j) (p_i - p_j))`` over pairs (Yoo and Kweon 2019, Eq. 2).

    Args:
        predicted: (B,) with gradients, B even; ``losses`` (B,), which get none.
        margin: by how much predictions should differ.

    Returns:
        A scalar; a pair of equal losses counts ``margin``.

    Raises:
        ValueError: shapes that differ, or an odd or empty batch.
    """
    first, second, apart = _pairs(predicted, losses)
    return (margin - (apart[0] - apart[1]).sign() * (first - second)).clamp_min(0).mean()


def share_ranking(predicted: Tensor, losses: Tensor) -> Tensor:
    """The divergence of predicted from true shares of a pair's loss, averaged over pairs (Shukla et al. 2021).

    True shares are ``(l_i, l_j) / (l_i + l_j)``, predicted ones the softmax of (p_i, p_j): unlike a hinge it is smooth
    and asks more where losses differ more.

    Args:
        predicted: (B,) with gradients, B even; ``losses`` (B,), not negative, which get none.

    Returns:
        A scalar, zero where all shares agree; a pair without any loss has equal shares.

    Raises:
        ValueError: shapes that differ, an odd or empty batch, or a negative loss.
    """
    first, second, apart = _pairs(predicted, losses)
    if bool((apart < 0).any()):
        raise ValueError("losses must not be negative")
    total = apart.sum(dim=0)
    shares = torch.where(total > 0, apart / total.clamp_min(1e-30), 0.5)
    guessed = torch.stack([first, second]).log_softmax(dim=0)
    return (torch.xlogy(shares, shares) - shares * guessed).sum(dim=0).mean()


def _pairs(predicted: Tensor, losses: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions of the first and the second of each pair, and their losses (2, B/2)."""
    if predicted.ndim != 1 or predicted.shape != losses.shape or len(predicted) % 2 or not len(predicted):
        raise ValueError(f"predicted {tuple(predicted.shape)} and losses {tuple(losses.shape)} must be (B,), B even")
    first, second = predicted.chunk(2)
    return first, second, losses.detach().view(2, -1)
