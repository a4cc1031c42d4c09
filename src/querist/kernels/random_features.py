"""The maximum mean discrepancy of sets of millions: differences of characteristic functions (ALGORITHMS 7, T1).

The V-statistic of :mod:`querist.kernels.mmd` equals ``E_ω |φ_L(ω) - φ_U(ω)|²`` with the empirical characteristic
functions ``φ(ω) = mean exp(i ω·x)`` and frequencies from the kernel's spectral measure (Rahimi and Recht 2007), here
N(0, I/σ²). Sums over sets add up, so a set may come in blocks, and one that grew is not read again.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_CELLS = 2**18  # of a block, 1 MiB in single precision: cosine, sine and sums find it in the cache


def gaussian_frequencies(dimensions: int, count: int, bandwidth: float, rng: np.random.Generator) -> Tensor:
    """Frequencies of the Gaussian kernel with σ² = ``bandwidth``: (dimensions, count) float32.

    Raises:
        ValueError: a number that is not positive.
    """
    if dimensions < 1 or count < 1 or not bandwidth > 0:
        raise ValueError(f"{dimensions} dimensions, {count} frequencies, bandwidth {bandwidth}: all must be positive")
    drawn = rng.standard_normal((dimensions, count)) / math.sqrt(bandwidth)
    return torch.from_numpy(drawn.astype(np.float32))


def characteristic_sums(rows: Tensor, columns: Sequence[slice], frequencies: Sequence[Tensor]) -> Tensor:
    """Sums over rows of ``cos ω·x`` and ``sin ω·x``, for several spaces in one reading.

    O(n d m) time; memory for one block beside the result, so ``rows`` may wrap a memory map larger than the memory.

    Args:
        rows: (n, d) float32, finite.
        columns: which columns are which space's.
        frequencies: (width of the space, m) of each; m is the same for all.

    Returns:
        (spaces, 2, m) float64: to be added to those of other rows, or taken away from them.

    Raises:
        ValueError: shapes that do not fit, or a value that is not finite.
    """
    counts = {int(some.shape[1]) for some in frequencies}
    if len(frequencies) != len(columns) or len(counts) != 1 or rows.ndim != 2:
        raise ValueError(
            f"{len(columns)} spaces of rows {tuple(rows.shape)} need as many sets of equally many frequencies"
        )
    for place, (where, some) in enumerate(zip(columns, frequencies, strict=True)):
        if len(range(*where.indices(rows.shape[1]))) != len(some):
            raise ValueError(f"space {place} has {where} of {rows.shape[1]} columns, its frequencies {len(some)} rows")
    m = counts.pop()
    sums = torch.zeros(len(columns), 2, m, dtype=torch.float64, device=rows.device)
    for block in rows.split(max(1, _CELLS // m)):
        for place, (where, some) in enumerate(zip(columns, frequencies, strict=True)):
            phases = block[:, where] @ some.to(rows.device)
            sums[place, 0] += phases.cos().sum(dim=0)
            sums[place, 1] += phases.sin_().sum(dim=0)
    if not bool(torch.isfinite(sums).all()):
        raise ValueError("rows hold values that are not finite")
    return sums


def characteristic_discrepancy(labelled: Tensor, n: int, unlabelled: Tensor, m: int) -> Tensor:
    """The mean over frequencies of ``|φ_L - φ_U|²``.

    Args:
        labelled: (spaces, 2, frequencies) sums over n >= 1 rows; ``unlabelled`` over m >= 1 rows.
        n: see above; likewise ``m``.

    Returns:
        (spaces,) float64 in [0, 4]. With F frequencies, ``P(|error| >= ε) <= 2 exp(-F ε² / 8)``.

    Raises:
        ValueError: an empty set, or shapes that differ.
    """
    if n < 1 or m < 1 or labelled.shape != unlabelled.shape:
        raise ValueError(f"sums {tuple(labelled.shape)} over {n} rows and {tuple(unlabelled.shape)} over {m}")
    return (labelled / n - unlabelled / m).square().sum(dim=1).mean(dim=1)


def discrepancy_error(frequencies: int, confidence: float = 0.95) -> float:
    """What the error stays below with this probability (Hoeffding, each term in [0, 4]): ``sqrt(8 ln(2/δ) / F)``.

    The observed error is far smaller, because terms spread by about the value itself and not by 4.
    """
    if frequencies < 1 or not 0 <= confidence < 1:
        raise ValueError(f"{frequencies} frequencies, confidence {confidence}")
    return math.sqrt(8 * math.log(2 / (1 - confidence)) / frequencies)
