"""Last-layer gradients in two factors, and k-means++ on them without ever multiplying the factors out.

Ash et al. (2020), BADGE: the gradient of the cross-entropy with respect to the last layer, for the label that the model
itself would give, is the outer product of ``p - onehot(argmax p)`` and the layer's input.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_SERIAL_NUMBERS = 32_000  # just below the size from which torch starts its threads for an element-wise operation


def hallucinated_factor(probabilities: Tensor) -> Tensor:
    """The first factor of the gradient for the predicted label: ``p - onehot(argmax p)``.

    Args:
        probabilities: (n, C); ties go to the lowest class.

    Returns:
        (n, C); rows of a distribution sum to zero.
    """
    factor = probabilities.clone()
    factor.scatter_add_(1, probabilities.argmax(dim=1, keepdim=True), -torch.ones_like(factor[:, :1]))
    return factor


def factorised_kmeans_plus_plus(
    a: Tensor,
    h: Tensor,
    k: int,
    generator: torch.Generator,
    turns: Sequence[Tensor] | None = None,
    first: int | None = None,
) -> Tensor:
    """k-means++ seeding (Arthur and Vassilvitskii 2007) on the rows ``a_i ⊗ h_i`` of length C·d.

    A pick is drawn with a chance in proportion to its squared distance to the nearest pick before it (the D² law).
    Since ``(a_i ⊗ h_i)·(a_j ⊗ h_j) = (a_i·a_j)(h_i·h_j)``, the distances to a new pick need one matrix-vector product
    with each factor; the products are exact, only the (n, C·d) matrix is spared. Where all that may be drawn lies on
    earlier picks, any of it is drawn, but never the same row twice.

    Memory beside the factors: four vectors of n.

    Args:
        a: (n, C) floating point; ``h`` (n, d) of the same type.
        k: how many rows, 0 <= k <= n.
        generator: draws, on the CPU.
        turns: for each pick the rows (int64) among which it is drawn; None: all rows, always.
        first: the first pick; None: the row with the longest gradient among those of its turn (as in the authors' code,
            where the paper draws it uniformly); equal lengths go to the earlier.

    Returns:
        (k,) int64, all different, in the order of picking.

    Raises:
        ValueError: shapes, k, turns or first that do not fit, or values that are not finite.
    """
    _check(a, h, k, turns, first)
    lengths = torch.einsum("nc,nc->n", a, a) * torch.einsum("nd,nd->n", h, h)
    if not bool(torch.isfinite(lengths).all()):
        raise ValueError("the factors hold values that are not finite, or too large to be squared")
    nearest = torch.full_like(lengths, torch.inf)
    taken = torch.zeros(len(a), dtype=torch.bool, device=a.device)
    picks = torch.empty(k, dtype=torch.int64)
    for number in range(k):
        turn = None if turns is None else turns[number]
        if number > 0:
            pick = _draw(nearest, taken, turn, generator)
        else:
            pick = _longest(lengths, turn) if first is None else first
        picks[number] = pick
        taken[pick] = True
        distance = _small_product(a, a[pick]).mul_(torch.mv(h, h[pick])).mul_(-2).add_(lengths).add_(lengths[pick])
        torch.minimum(nearest, distance.clamp_min_(0), out=nearest)
        nearest[pick] = 0
    return picks


def _longest(lengths: Tensor, turn: Tensor | None) -> int:
    """The row of the largest length, the earlier of equal ones; None: of all rows."""
    return int(lengths.argmax()) if turn is None else int(turn[lengths[turn].argmax()])


def _small_product(a: Tensor, vector: Tensor) -> Tensor:
    """``a @ vector`` of a narrow matrix; on a CPU in one thread.

    Starting and joining threads takes longer than its few numbers, on a busy machine a hundred times longer.
    """
    if a.device.type != "cpu" or a.shape[1] > _SERIAL_NUMBERS:
        return torch.mv(a, vector)
    return torch.cat([(part * vector).sum(dim=1) for part in a.split(max(1, _SERIAL_NUMBERS // a.shape[1]))])


def _draw(nearest: Tensor, taken: Tensor, turn: Tensor | None, generator: torch.Generator) -> int:
    """One row with a chance in proportion to ``nearest``; uniformly among those not taken where that is zero."""
    weight = nearest if turn is None else nearest[turn]
    total = weight.double().cumsum(dim=0)  # in single precision the tail of a long sum would lose its chances
    if not float(total[-1]) > 0:
        weight = (~(taken if turn is None else taken[turn])).double()
        total = weight.cumsum(dim=0)
        if not float(total[-1]) > 0:
            raise ValueError("a turn offers no row that is not taken yet")
    spot = torch.rand(1, generator=generator, dtype=torch.float64).to(total) * total[-1]
    place = int(torch.searchsorted(total, spot, right=True))
    if place == len(total):  # the product was rounded up to the sum itself
        place = int(weight.nonzero()[-1])
    return place if turn is None else int(turn[place])


def _check(a: Tensor, h: Tensor, k: int, turns: Sequence[Tensor] | None, first: int | None) -> None:
    if a.ndim != 2 or h.ndim != 2 or len(a) != len(h) or not a.is_floating_point() or a.dtype != h.dtype:
        raise ValueError(f"factors must be (n, C) and (n, d) of one floating type, got {a.shape} and {h.shape}")
    if not 0 <= k <= len(a):
        raise ValueError(f"k must lie in 0..{len(a)}, got {k}")
    if turns is not None and (len(turns) != k or any(not len(turn) for turn in turns)):
        raise ValueError(f"{k} picks need {k} turns with a row each, got {[len(turn) for turn in turns]}")
    if first is not None and not 0 <= first < len(a):
        raise ValueError(f"first must lie in 0..{len(a) - 1}, got {first}")
