"""The graph network of UncertainGCN and CoreGCN in plain numpy: a dense adjacency, gradients and Adam written out.

Numbers as Caramalau et al. print them (2021): lambda 1.2, dropout 0.3, rate 1e-3, weight decay 5e-4. Weights and masks
are drawn from the same generator as ours, one after the other; nothing else is shared.
"""

import numpy as np
import torch

WIDTH, LAMBDA, DROPOUT, RATE, DECAY = 128, 1.2, 0.3, 1e-3, 5e-4


def adjacency(rows):
    """(X Xᵀ - I) D⁻¹ + I of (n, d) rows brought to unit length, D the column sums."""
    X = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    similar = X @ X.T - np.eye(len(X))
    sums = similar.sum(axis=0)
    assert (sums >= 1).all(), "the printed formula alone, without what we do about small sums"
    return similar / sums + np.eye(len(X))


def train(unlabelled, labelled, seed, steps):
    """What the network says after so many steps: (hidden, chance) of the unlabelled and of the labelled nodes."""
    drawn = torch.Generator().manual_seed(seed)
    n, m, d = len(unlabelled), len(labelled), unlabelled.shape[1]
    rows = np.concatenate([unlabelled, labelled]).astype(np.float64)
    A, X = adjacency(rows), rows / np.linalg.norm(rows, axis=1, keepdims=True)
    near, wide = 1 / np.sqrt(WIDTH), 1.0  # weights of a layer lie within the inverse root of its outputs
    theta = [_uniform(drawn, shape, bound) for shape, bound in
             (((d, WIDTH), near), ((WIDTH, 1), wide), ((1, WIDTH), near), ((1, 1), wide))]  # fmt: skip
    first, second = [np.zeros_like(w) for w in theta], [np.zeros_like(w) for w in theta]
    for step in range(1, steps + 1):
        kept = (torch.rand(n + m, WIDTH, generator=drawn).numpy() < 1 - DROPOUT) / (1 - DROPOUT)
        slopes = _slopes(A, X, theta, kept, n)
        for place, slope in enumerate(slopes):
            slope = slope + DECAY * theta[place]
            first[place] = 0.9 * first[place] + 0.1 * slope
            second[place] = 0.999 * second[place] + 0.001 * slope**2
            mean, square = first[place] / (1 - 0.9**step), second[place] / (1 - 0.999**step)
            theta[place] = theta[place] - RATE * mean / (np.sqrt(square) + 1e-8)
    hidden, chance = _look(A, X, theta, np.ones((n + m, WIDTH)))
    return (hidden[:n], chance[:n]), (hidden[n:], chance[n:])


def _uniform(drawn, shape, bound):
    return torch.empty(shape).uniform_(-bound, bound, generator=drawn).numpy().astype(np.float64)


def _look(A, X, theta, kept):
    """(n, 128) behind the first convolution, and (n,) chances of being labelled."""
    hidden = np.maximum(A @ X @ theta[0] + theta[2], 0)
    return hidden, (1 / (1 + np.exp(-(A @ (hidden * kept) @ theta[1] + theta[3]))))[:, 0]


def _slopes(A, X, theta, kept, n):
    """Of -mean_L log p - lambda mean_U log(1 - p), by both weights and both biases."""
    hidden, p = _look(A, X, theta, kept)
    m = len(p) - n
    z = np.concatenate([LAMBDA * p[:n] / n, -(1 - p[n:]) / m])[:, None]
    y = (A.T @ z @ theta[1].T) * kept * (hidden > 0)
    return [(A @ X).T @ y, (A @ (hidden * kept)).T @ z, y.sum(axis=0, keepdims=True), z.sum(axis=0, keepdims=True)]
