"""Squared lengths of the gradients of linear layers and convolutions, sample by sample, without the gradients.

A linear layer's gradient is the outer product of what comes back to its output with what went into it, summed over the
places that share its weights. So its length follows from two small factors (Goodfellow 2015, "Efficient per-example
gradient computations"; for shared weights Rochette et al. 2019).
"""

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

_CELLS = 2**22  # of the products that are there at once, 16 MiB in single precision


def outer_gradient_norms(inputs: Tensor, slopes: Tensor, bias: bool = True) -> Tensor:
    """``|Σ_s δ_s a_sᵀ|²`` (Frobenius) for each sample, and ``|Σ_s δ_s|²`` of the bias.

    Exact. Where places are few it sums ``(δ_s·δ_t)(a_s·a_t)`` over pairs of them; else it forms the (o, c) products of
    some samples at a time.

    Args:
        inputs: (n, c, s) what went into a layer at s places, ``a``; a 1x1 convolution has s cells, a layer on vectors
            one place.
        slopes: (n, o, s) the loss's derivative by what came out, ``δ``.
        bias: whether the layer has one.

    Returns:
        (n,).

    Raises:
        ValueError: shapes that do not fit.
    """
    if inputs.ndim != 3 or slopes.ndim != 3 or inputs.shape[::2] != slopes.shape[::2]:
        raise ValueError(f"inputs {tuple(inputs.shape)} and slopes {tuple(slopes.shape)} must be (n, c, s), (n, o, s)")
    (n, c, s), o = inputs.shape, int(slopes.shape[1])
    found = inputs.new_zeros(n)
    by_pairs = s * (c + o) < c * o
    step = max(1, _CELLS // max(1, s * s if by_pairs else c * o))
    for start in range(0, n, step):
        a, δ = inputs[start : start + step], slopes[start : start + step]
        if by_pairs:
            lengths = ((a.mT @ a) * (δ.mT @ δ)).sum(dim=(1, 2))
        else:
            lengths = (δ @ a.mT).square().sum(dim=(1, 2))
        found[start : start + step] = lengths
    return found + slopes.sum(dim=2).square().sum(dim=1) if bias else found


def unfolded(
    inputs: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    """What a convolution sees at each place: (n, c, h, w) -> (n, c * cells of the kernel, places)."""
    if set(kernel) == {1} and set(stride) == {1} and set(padding) == {0}:
        return inputs.flatten(2)
    return functional.unfold(inputs, tuple(kernel), tuple(dilation), tuple(padding), tuple(stride))
