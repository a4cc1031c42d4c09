"""Kullback-Leibler divergences between many distributions, and their histograms (ALGORITHMS 1.3, 1.8, T3 to T5).

All logarithms are natural.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

_COUNTERS = 2048  # of a block of rows, so that they stay in a processor's nearest cache
_CACHE_CELLS = 2**19  # scores of a piece on a CPU: they stay in its second cache, and threads seldom wait for Python
_DEVICE_CELLS = 2**24  # scores of a piece elsewhere


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
    return torch.addmm(_row_term(p)[:, None], p, q.log().T, alpha=-1).clamp_min_(0)


def divergence_histograms(
    p: Tensor,
    q: Tensor,
    *,
    bins: int = 32,
    span: tuple[float, float] | None = (0.0, math.log(1e7)),
    weights: Tensor | None = None,
) -> Tensor:
    """For each row of p the histogram of KL(p_i ‖ q_j) over all j (ALGORITHMS 1.3).

    The (n, m) scores never exist together, nor does a row of them. Pieces that stay in the cache come out of a
    matrix product into which the place and the width of the bins are folded; ``_count`` counts them. On a CPU each
    thread takes a block of rows at a time; the blocks, and so the bits, are the same for any number of threads.
    ``span=None`` needs the product twice.

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
    if len(p) == 0 or len(q) == 0:
        return p.new_zeros(len(p), bins, dtype=torch.float32)
    wide = _wider(p, q)
    p, log_q = p.to(wide), q.to(wide).log().to(wide if span is None else torch.float32)
    parts = _by_weight(log_q, weights)

    def histograms(rows: Tensor) -> Tensor:
        counts = _counts_of_rows(rows, log_q, parts, bins, span)
        return (counts / counts.sum(dim=1, keepdim=True)).float()

    return torch.cat(_side_by_side(histograms, p.split(_rows_of_block(len(q), bins, p.device))))


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


def _side_by_side(work: Callable[[Tensor], Tensor], blocks: tuple[Tensor, ...]) -> list[Tensor]:
    """The work on each block, on a CPU in as many threads as torch has, each of which does all of a block by itself.

    Torch would share out every operation, of which each lasts microseconds: starting and joining threads for them costs
    more than it gains, and many times more on a machine that is busy.
    """
    if blocks[0].device.type != "cpu":
        return [work(block) for block in blocks]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(min(threads, len(blocks))) as pool:
            return list(pool.map(work, blocks))
    finally:
        torch.set_num_threads(threads)


def _rows_of_block(references: int, bins: int, device: torch.device) -> int:
    rows = _COUNTERS // bins if device.type == "cpu" else _DEVICE_CELLS // max(references, bins)
    return max(1, rows)


def _pieces(own: Tensor, p: Tensor, log_q: Tensor) -> Iterator[Tensor]:
    """The scores ``own_i - p_i · log q_j`` a piece at a time, (up to m, n); each piece overwrites the last."""
    cells = _CACHE_CELLS if p.device.type == "cpu" else _DEVICE_CELLS
    step = max(1, cells // len(p))
    buffer = log_q.new_empty(min(step, len(log_q)), len(p))
    for part in log_q.split(step):
        yield torch.addmm(own, part, p.T, alpha=-1, out=buffer[: len(part)])


def _range_of_rows(own: Tensor, p: Tensor, log_q: Tensor, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where the bins of each row begin, how many there are to a nat, and which the lowest is; (n,) each.

    A row whose scores are equal but for rounding has none to a nat, and all its scores in bin ``bins // 2``.
    """
    least, largest = own.new_full(own.shape, torch.inf), own.new_zeros(own.shape)  # rounding below zero is clamped
    for piece in _pieces(own, p, log_q):
        least = torch.minimum(least, piece.amin(dim=0))
        largest = torch.maximum(largest, piece.amax(dim=0))
    least.clamp_min_(0)
    extent = largest - least
    rounding = p.shape[1] * torch.finfo(p.dtype).eps * max(1.0, float(log_q.abs().max()))
    equal = extent <= rounding
    return least, (bins / extent).masked_fill_(equal, 0), equal * float(bins // 2)


def _in_bins(
    own: Tensor, rows: Tensor, log_q: Tensor, bins: int, span: tuple[float, float] | None
) -> tuple[Tensor, Tensor]:
    """The rows' terms (n,) of their scores, and bins per nat (n,), so that scores are counted in bins."""
    if span is None:
        low, per_nat, least_bin = _range_of_rows(own.to(log_q.dtype), rows.to(log_q.dtype), log_q, bins)
        return (own - low) * per_nat + least_bin, per_nat
    per_nat = own.new_full(own.shape, bins / (span[1] - span[0]))
    return (own - span[0]) * per_nat, per_nat


def _counts_of_rows(
    rows: Tensor,
    log_q: Tensor,
    parts: list[tuple[Tensor, Tensor | None]],
    bins: int,
    span: tuple[float, float] | None,
) -> Tensor:
    """Counts (n, bins) of a block of rows of p, over all references; ``parts`` are these by :func:`_by_weight`."""
    own, per_nat = _in_bins(_row_term(rows), rows, log_q, bins, span)
    own, rows = own.to(log_q.dtype), (rows * per_nat[:, None]).to(log_q.dtype)
    return torch.stack([_count(own, rows, part, bins, weight) for part, weight in parts]).sum(dim=0)


def _count(own: Tensor, p: Tensor, log_q: Tensor, bins: int, weights: Tensor | None) -> Tensor:
    """Counts (n, bins) float64 of the scores ``own_i - p_i · log q_j`` in units of bins.

    Neighbours in memory belong to different rows of p and so to different counters: a processor waits when it has to
    raise the same counter twice running, and most divergences of a row lie in a few bins.

    Of the 1.6 ns that a thread needs for a score where this was tried, counting took 0.6 and the product 0.5; ``histc``
    took 3.6 for counting alone, comparing with every bin 2.7, numpy's ``bincount`` 1.2. Weights double the whole.
    Counting row after row made it 4 in all where most scores of a row fall into a few bins. Bytes are counted no
    faster than short integers and converted to more slowly.
    """
    n = len(p)
    narrow = torch.int16 if n * bins <= torch.iinfo(torch.int16).max else torch.int32
    first_bin = torch.arange(0, n * bins, bins, device=p.device, dtype=narrow)
    counts = torch.zeros(n * bins, dtype=torch.float64, device=p.device)
    start = 0
    for piece in _pieces(own, p, log_q):
        ids = piece.clamp_(0, bins - 1).to(narrow).add_(first_bin).view(-1)
        weight = None if weights is None else weights[start : start + len(piece), None].expand_as(piece).reshape(-1)
        counts += torch.bincount(ids, weight, minlength=n * bins)
        start += len(piece)
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


def _by_weight(log_q: Tensor, weights: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
    """References that stand for one each, without weights because counting is faster then, and the others with them."""
    if weights is None:
        return [(log_q, None)]
    if weights.shape != log_q.shape[:1]:
        raise ValueError(f"weights must be ({len(log_q)},), got {tuple(weights.shape)}")
    if bool((weights < 0).any()) or not float(weights.sum()) > 0:
        raise ValueError("weights must not be negative and must not sum to zero")
    once, weights = weights == 1, weights.to(torch.float64)
    parts = [(log_q[once], None), (log_q[~once], weights[~once])]
    return [(part, weight) for part, weight in parts if len(part)]
