"""Kullback-Leibler divergences between many distributions, and their histograms (ALGORITHMS 1.3, 1.8, T3 to T5).

All logarithms are natural.
"""

import math

import torch
from torch import Tensor

_CELLS = 2**24  # of a block of scores; 64 MiB in single precision
_COUNTERS = 4096  # of a block; together they stay in a processor's nearest cache
_SERIAL_CELLS = 32_000  # just below the size from which torch starts its threads for an element-wise operation


def floored(counts: Tensor, floor: float = 1e-7) -> Tensor:
    """Distributions from counts in which nothing is impossible: zeros become the floor, then rows are normalised.

    Args:
        counts: (n, C) counts or shares of any number type, none negative.
        floor: what replaces a zero, in the unit of the counts.

    Returns:
        (n, C) float64 if the counts are, otherwise float32; rows sum to one. A row of zeros becomes uniform.

    Raises:
        ValueError: another shape, a negative or not finite count, or a floor that is not positive.
    """
    if counts.ndim != 2 or counts.is_complex():
        raise ValueError(f"counts must be (n, C) real numbers, got {tuple(counts.shape)} {counts.dtype}")
    if not floor > 0:
        raise ValueError(f"floor must be positive, got {floor}")
    values = counts if counts.dtype == torch.float64 else counts.float()
    if not bool(((values >= 0) & torch.isfinite(values)).all()):
        raise ValueError("counts must be finite and not negative")
    values = values.masked_fill(values == 0, floor)
    return values / values.sum(dim=1, keepdim=True)


def kl_divergences(p: Tensor, q: Tensor) -> Tensor:
    """KL(p_i ‖ q_j) = Σ p_i ln p_i - p_i · ln q_j of all pairs: one matrix product beside a term for each row (T3).

    Rounding is about C · eps · max|ln q|: 1e-14 in double precision, a few 1e-6 in single. What it leaves below zero is
    clamped.

    Args:
        p: (n, C) floating point distributions; zeros are allowed.
        q: (m, C) of the same kind, all positive, see :func:`floored`.

    Returns:
        (n, m) in nats, in the wider of the two types, at least single.

    Raises:
        ValueError: shapes that do not fit, or numbers that are no such distributions.
    """
    _check(p, q)
    dtype = _wider(p, q)
    p, q = p.to(dtype), q.to(dtype)
    return torch.addmm(_row_term(p), p, q.log().T, alpha=-1).clamp_min_(0)


def divergence_histograms(
    p: Tensor,
    q: Tensor,
    *,
    bins: int = 32,
    span: tuple[float, float] | None = (0.0, math.log(1e7)),
    weights: Tensor | None = None,
) -> Tensor:
    """For each row of p the histogram of KL(p_i ‖ q_j) over all j (ALGORITHMS 1.3).

    The (n, m) scores never exist together. Blocks of whole rows come out of one matrix product into which the place
    and the width of the bins are folded; from there pieces that stay in the cache are clamped, cut to short
    integers and counted by ``bincount``. On a CPU the pieces are too small for torch's threads, whose starting and
    joining costs more than the work, and many times more on a busy machine; only the product is shared among them. Of
    the time per score (1.6 ns on the machine this was tried on) counting takes a third, the product another. Slower
    were ``histc`` (3.6 ns for counting alone), comparison with every edge (2.7), numpy's ``bincount`` (1.2), and bytes
    instead of short integers, which are counted faster but converted to more slowly.

    References that are equal cost once when :func:`merge_duplicates` goes before. Where even that is too much, a random
    sample of the references stands for all: see :func:`subsample_bound`.

    Args:
        p: (n, C) floating point distributions; zeros are allowed.
        q: (m, C) of the same kind, all positive, see :func:`floored`.
        bins: number of bins of equal width.
        span: lower and upper end of the bins in nats, the same for all rows; scores beyond go into the first or
            the last bin. None: from the smallest to the largest score of each row, as in RALIS's released code; the
            last bin holds the largest, and where all scores of a row are equal (closer than rounding can tell), bin
            ``bins // 2`` holds all.
        weights: (m,) how many references each row of q stands for, none negative; None: one each.

    Returns:
        (n, bins) float32; rows sum to one. Zeros if there are no references. With a fixed span, scores are computed in
        single precision, a few 1e-6 nats from the exact ones; without, in the type of p and q.

    Raises:
        ValueError: shapes that do not fit, numbers that are no such distributions, no bins, a span that is not
            0 <= lower < upper, or weights that are negative or sum to zero.
    """
    _check(p, q)
    _check_bins(bins, span)
    histograms = p.new_zeros(len(p), bins, dtype=torch.float32)
    if len(p) == 0 or len(q) == 0:
        return histograms
    weights = None if weights is None else _checked_weights(weights, q)
    dtype = _wider(p, q) if span is None else torch.float32
    log_q = q.to(_wider(p, q)).log().to(dtype)
    resolution = p.shape[1] * torch.finfo(dtype).eps * max(1.0, float(log_q.abs().max()))
    step = _rows_of_block(len(q), bins, p.device)
    for rows, out in zip(p.split(step), histograms.split(step), strict=True):
        own = _row_term(rows)
        if span is None:
            scores = torch.addmm(own.to(dtype), log_q, rows.to(dtype).T, alpha=-1)
            counts = _count(scores, bins, weights, _range_of_rows(scores, bins, resolution))
        else:
            per_nat = bins / (span[1] - span[0])
            own = ((own - span[0]) * per_nat).to(dtype)
            scores = torch.addmm(own, log_q, (rows * per_nat).to(dtype).T, alpha=-1)
            counts = _count(scores, bins, weights)
        out.copy_(counts / counts.sum(dim=1, keepdim=True))
    return histograms


def merge_duplicates(q: Tensor) -> tuple[Tensor, Tensor]:
    """The different rows of q and how often each occurs (T4): regions of a single class are all alike.

    Args:
        q: (m, C).

    Returns:
        unique (u, C) in lexicographic order; multiplicity (u,) int64, which sums to m.
    """
    if len(q) == 0:
        return q, torch.zeros(0, dtype=torch.int64, device=q.device)
    unique, multiplicity = torch.unique(q, dim=0, return_counts=True)
    return unique, multiplicity


def subsample_bound(references: int, confidence: float = 0.95) -> float:
    """How far the distribution of a row's scores over a random sample of references may be from that over all (T5).

    Dvoretzky, Kiefer and Wolfowitz with the constant of Massart (1990): the cumulative distributions differ nowhere by
    more than ``sqrt(ln(2 / δ) / 2m)``, with probability ``1 - δ``. The mass of a bin of a fixed span differs by
    at most twice that.

    Args:
        references: size m of the sample, drawn independently and uniformly.
        confidence: 1 - δ, for one row.

    Raises:
        ValueError: an empty sample, or a confidence outside (0, 1).
    """
    if references < 1 or not 0 < confidence < 1:
        raise ValueError(f"references {references} must be positive and confidence {confidence} in (0, 1)")
    return math.sqrt(math.log(2 / (1 - confidence)) / (2 * references))


def _row_term(p: Tensor) -> Tensor:
    """Σ p ln p of each row, (n,)."""
    return torch.special.entr(p).sum(dim=1).neg_()


def _rows_of_block(references: int, bins: int, device: torch.device) -> int:
    rows = _CELLS // max(references, bins)
    return max(1, rows if device.type != "cpu" else min(rows, _COUNTERS // bins))


def _range_of_rows(scores: Tensor, bins: int, resolution: float) -> tuple[Tensor, Tensor, Tensor]:
    """What puts the smallest of each column (m, n) at 0 and the largest at ``bins``: subtract, multiply, add; (n,) each.

    A column whose scores are equal but for rounding is put on ``bins // 2`` instead.
    """
    low = scores.amin(dim=0).clamp_min_(0)
    extent = scores.amax(dim=0).clamp_min_(0) - low
    equal = extent <= resolution
    return low, (bins / extent).masked_fill_(equal, 0), equal * float(bins // 2)


def _count(
    scores: Tensor, bins: int, weights: Tensor | None, place: tuple[Tensor, Tensor, Tensor] | None = None
) -> Tensor:
    """(m, n) scores in units of bins -> (n, bins) float64 counts; overwrites the scores.

    Neighbours in memory belong to different rows of p and so to different counters: a processor waits when it has to
    raise the same counter twice running, and most divergences of a row lie in a few bins. Counts are whole numbers,
    so the pieces and their order change no digit.
    """
    n = scores.shape[1]
    step = max(1, _SERIAL_CELLS // n) if scores.device.type == "cpu" else len(scores)
    narrow = torch.int16 if n * bins <= torch.iinfo(torch.int16).max else torch.int32
    first_bin = torch.arange(0, n * bins, bins, device=scores.device, dtype=narrow)
    counts = scores.new_zeros(n * bins, dtype=torch.float64)
    for start in range(0, len(scores), step):
        piece = scores[start : start + step]
        if place is not None:
            piece.sub_(place[0]).mul_(place[1]).add_(place[2])
        ids = piece.clamp_(0, bins - 1).to(narrow).add_(first_bin).view(-1)
        weight = None if weights is None else weights[start : start + step, None].expand_as(piece).reshape(-1)
        counts += torch.bincount(ids, weight, minlength=n * bins)
    return counts.view(n, bins)


def _wider(p: Tensor, q: Tensor) -> torch.dtype:
    return torch.promote_types(torch.promote_types(p.dtype, q.dtype), torch.float32)


def _check(p: Tensor, q: Tensor) -> None:
    if p.ndim != 2 or q.ndim != 2 or p.shape[1] != q.shape[1] or p.shape[1] == 0:
        raise ValueError(f"p and q must be (n, C) and (m, C), got {tuple(p.shape)} and {tuple(q.shape)}")
    if not (p.is_floating_point() and q.is_floating_point()):
        raise ValueError(f"p and q must be floating point, got {p.dtype} and {q.dtype}")
    if not bool(((p >= 0) & (p <= 2)).all()):
        raise ValueError("p must hold distributions; normalise counts with floored()")
    if not bool(((q > 0) & (q <= 2)).all()):
        raise ValueError(
            "q must hold distributions without zeros, from which every divergence is infinite; use floored()"
        )


def _check_bins(bins: int, span: tuple[float, float] | None) -> None:
    if not 1 <= bins <= _COUNTERS:
        raise ValueError(f"bins must lie in 1..{_COUNTERS}, got {bins}")
    if span is not None and not 0 <= span[0] < span[1] < math.inf:
        raise ValueError(f"span must be 0 <= lower < upper, got {span}")


def _checked_weights(weights: Tensor, q: Tensor) -> Tensor:
    if weights.shape != q.shape[:1]:
        raise ValueError(f"weights must be ({len(q)},), got {tuple(weights.shape)}")
    if bool((weights < 0).any()) or not float(weights.sum()) > 0:
        raise ValueError("weights must not be negative and must not sum to zero")
    return weights.to(torch.float64)
