"""Gaussian weights of references, for each row as wide as a perplexity asks (van der Maaten and Hinton 2008)."""

import math

import torch
from torch import Tensor

from querist.kernels.distances import squared_distance_blocks

_ROUNDS = 60  # halvings; a tolerance of 1e-3 takes about 20


def neighbour_weights(
    rows: Tensor, references: Tensor, perplexity: float = 20.0, keep: int = 30, tolerance: float = 1e-3
) -> tuple[Tensor, Tensor]:
    """``p(j | i)`` proportional to ``exp(-β_i |x_i - y_j|²)``, and for each row the largest of them.

    β_i is found by halving, until the entropy of all its weights is that of ``perplexity`` equally likely references to
    within the tolerance. EGL++ (Shukla et al. 2022; ALGORITHMS 2.6) takes expectations over near references with it.

    Args:
        rows: (n, d) floating point, finite, such as unlabelled embeddings.
        references: (m, d), such as labelled ones; m >= 1.
        perplexity: above 1; at most m of it can be had.
        keep: weights of each row that are kept; the others are dropped, not shared out.
        tolerance: of the entropy, in nats.

    Returns:
        Weights (n, k), falling along each row, and which references (n, k) int64; k is at most ``keep`` and m.

    Raises:
        ValueError: shapes or numbers that do not fit.
    """
    if not perplexity > 1 or keep < 1 or not tolerance > 0:
        raise ValueError(f"perplexity {perplexity}, keep {keep}, tolerance {tolerance}")
    k = min(keep, len(references))
    weights, places = rows.new_empty(len(rows), k), torch.empty(len(rows), k, dtype=torch.int64)
    for where, squared in squared_distance_blocks(rows, references):
        nearer = squared.double() - squared.double().amin(dim=1, keepdim=True)  # the same weights, and no underflow
        chances = _weighted(nearer, math.log(min(perplexity, len(references))), tolerance)
        top = chances.topk(k, dim=1)
        weights[where], places[where] = top.values.to(rows.dtype), top.indices
    return weights, places


def _weighted(squared: Tensor, wanted: float, tolerance: float) -> Tensor:
    """(b, m) weights whose rows have the wanted entropy."""
    low, high = torch.zeros(len(squared)).double(), torch.full((len(squared),), torch.inf).double()
    beta = 1 / squared.mean(dim=1).clamp_min(1e-30)
    chances = squared
    for _ in range(_ROUNDS):
        chances = (-beta[:, None] * squared).softmax(dim=1)
        entropy = torch.special.entr(chances).sum(dim=1)
        done = (entropy - wanted).abs() <= tolerance
        if bool(done.all()):
            break
        wide = entropy > wanted  # too many references count: narrower
        low, high = torch.where(wide & ~done, beta, low), torch.where(~wide & ~done, beta, high)
        halved = torch.where(high.isinf(), 2 * beta, (low + high) / 2)
        beta = torch.where(done, beta, halved)
    return chances
