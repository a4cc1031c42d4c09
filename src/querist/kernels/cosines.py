"""Cosines between rows in several spaces at once: the largest to a set, and histograms to a set of landmarks.

Nothing of the size (rows, set) is ever there, only blocks that fit the processor's cache. A row of zeros (a part of a
pose whose joints are all in one place) has no direction: its cosine to another such row is 1, to anything else 0.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

_CELLS = 2**17  # of a block, 512 KiB in single precision: comparing and reducing are bound by the cache


def unit_rows(rows: Tensor, columns: Sequence[slice]) -> list[Tensor]:
    """The rows of each space at unit length, [(n, width of the space)]; rows of zeros stay zero."""
    parts = [rows[:, where] for where in columns]
    return [part / torch.linalg.vector_norm(part, dim=1, keepdim=True).clamp_min_(1e-30) for part in parts]


def largest_cosines(rows: Tensor, references: Tensor, columns: Sequence[slice], known: Tensor | None = None) -> Tensor:
    """For each row and space the largest cosine to any reference; 1 for the double of a reference.

    Exact (ALGORITHMS 7, T7). A set that has grown needs to be compared with what is new alone.

    Args:
        rows: (n, d) float32, finite; may wrap a memory map.
        references: (m, d), such as all that is labelled; m >= 1 unless ``known`` is given.
        columns: which columns are which space's.
        known: (n, spaces) what was found with earlier references; it is left as it is.

    Returns:
        (n, spaces) float32 in [-1, 1].

    Raises:
        ValueError: shapes that do not fit, no references at all, or a value that is not finite.
    """
    _check(rows, references, columns)
    if known is None and not len(references):
        raise ValueError("there is nothing to compare with")
    if known is not None and known.shape != (len(rows), len(columns)):
        raise ValueError(f"known must be {(len(rows), len(columns))}, got {tuple(known.shape)}")
    found = torch.full((len(rows), len(columns)), -1.0, device=rows.device) if known is None else known.clone()
    if len(references):
        for where, place, block in _blocks(rows, references, columns):
            torch.maximum(found[where, place], block.amax(dim=1), out=found[where, place])
    return found.clamp_(-1.0, 1.0)


def cosine_histograms(
    rows: Tensor, landmarks: Tensor, columns: Sequence[slice], edges: Tensor, itself: Tensor | None = None
) -> Tensor:
    """For each row and space the histogram of its cosines to the landmarks, as shares.

    With landmarks drawn at random from a larger set it estimates the histogram against all of that: the error of its
    cumulative sums is bounded by :func:`landmark_error` (ALGORITHMS 7, T5).

    Args:
        rows: (n, d) float32, finite; may wrap a memory map.
        landmarks: (m, d).
        columns: which columns are which space's.
        edges: (spaces, bins - 1) inner edges, not falling; a cosine on an edge lies above it.
        itself: (n,) int64, which landmark is the row itself and does not count; -1 where none is. None: nowhere.

    Returns:
        (n, spaces, bins) float32; each histogram sums to 1, or is zero where there was no other landmark.

    Raises:
        ValueError: shapes that do not fit, edges that fall, or a value that is not finite.
    """
    _check(rows, landmarks, columns)
    if edges.ndim != 2 or len(edges) != len(columns) or bool((edges.diff(dim=1) < 0).any()):
        raise ValueError(f"edges must be ({len(columns)}, bins - 1) and not fall, got {tuple(edges.shape)}")
    own = torch.full((len(rows),), -1, device=rows.device) if itself is None else itself
    if own.shape != rows.shape[:1] or bool(((own < -1) | (own >= len(landmarks))).any()):
        raise ValueError(f"itself must be ({len(rows)},), in -1..{len(landmarks) - 1}")
    terms = len(landmarks) - (own >= 0).float()
    # How many lie above each edge; the histogram is what lies between two edges.
    above = torch.zeros(len(rows), len(columns), edges.shape[1] + 2, device=rows.device)
    above[:, :, 0] = terms[:, None]
    if len(landmarks):
        _count_above(above, _blocks(rows, landmarks, columns), edges, own)
    return (above[:, :, :-1] - above[:, :, 1:]) / terms.clamp_min(1.0)[:, None, None]


def _count_above(above: Tensor, blocks: Iterator[tuple[slice, int, Tensor]], edges: Tensor, own: Tensor) -> None:
    """Fill the inner columns; comparing with one edge after another is faster than sorting into bins."""
    steps = edges.tolist()
    for where, place, block in blocks:
        mine = own[where]
        known = (mine >= 0).nonzero()[:, 0]
        block[known, mine[known]] = -torch.inf
        higher = torch.empty_like(block)
        for at, edge in enumerate(steps[place], start=1):
            torch.ge(block, edge, out=higher)
            above[where, place, at] = higher.sum(dim=1)


def fixed_edges(spaces: int, bins: int) -> Tensor:
    """Inner edges (spaces, bins - 1) of equal bins over [-1, 1]."""
    return torch.linspace(-1.0, 1.0, bins + 1)[1:-1].repeat(spaces, 1)


def quantile_edges(rows: Tensor, columns: Sequence[slice], bins: int) -> Tensor:
    """Inner edges (spaces, bins - 1) between which the cosines of all pairs of different rows are equally many.

    Cosines of poses crowd near 1, where bins of equal width cannot tell them apart.

    Args:
        rows: (n, d) float32, n >= 2; a few hundred will do.
        columns: which columns are which space's; ``bins`` how many bins, at least 1.

    Raises:
        ValueError: fewer than two rows, or no bin.
    """
    if len(rows) < 2 or bins < 1:
        raise ValueError(f"{len(rows)} rows and {bins} bins: at least two rows and one bin are needed")
    pairs = tuple(torch.triu_indices(len(rows), len(rows), offset=1))
    shares = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1]
    edges = []
    for unit in unit_rows(rows, columns):
        cosines = _doubled(unit @ unit.T, unit, _blank(unit))
        edges.append(torch.quantile(cosines[pairs].double(), shares))
    return torch.stack(edges).float()


def landmark_error(landmarks: int, confidence: float = 0.95) -> float:
    """What the cumulative shares are off by at most, with this probability: ``sqrt(ln(2/δ) / (2 m))``.

    The Dvoretzky-Kiefer-Wolfowitz inequality with Massart's constant (1990); 0.030 for 2,048 landmarks. A single bin
    is off by at most twice that.
    """
    if landmarks < 1 or not 0 <= confidence < 1:
        raise ValueError(f"{landmarks} landmarks, confidence {confidence}")
    return math.sqrt(math.log(2 / (1 - confidence)) / (2 * landmarks))


def _blocks(rows: Tensor, others: Tensor, columns: Sequence[slice]) -> Iterator[tuple[slice, int, Tensor]]:
    """(which rows, which space, their cosines (b, m)); each block overwrites the last."""
    plain = unit_rows(others, columns)
    blank, units = [_blank(unit) for unit in plain], [unit.T.contiguous() for unit in plain]
    step = max(1, _CELLS // len(others))
    buffer = rows.new_empty(min(step, len(rows)), len(others))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        for place, (row, unit) in enumerate(zip(unit_rows(some, columns), units, strict=True)):
            cosines = torch.mm(row, unit, out=buffer[: len(some)])
            yield slice(start, start + len(some)), place, _doubled(cosines, row, blank[place])


def _blank(unit: Tensor) -> Tensor:
    """Which rows are zero, as their numbers."""
    return (unit == 0).all(dim=1).nonzero()[:, 0]


def _doubled(cosines: Tensor, rows: Tensor, blank: Tensor) -> Tensor:
    """Cosines (b, m) in which rows without a direction (b, w) are doubles of those others, ``blank``."""
    if len(blank):
        cosines[_blank(rows)[:, None], blank] = 1.0
    return cosines


def _check(rows: Tensor, others: Tensor, columns: Sequence[slice]) -> None:
    if rows.ndim != 2 or others.ndim != 2 or rows.shape[1] != others.shape[1] or rows.dtype != others.dtype:
        raise ValueError(f"rows {tuple(rows.shape)} and {tuple(others.shape)} must be (n, d), (m, d), of one type")
    if not columns or any(len(range(*where.indices(rows.shape[1]))) == 0 for where in columns):
        raise ValueError(f"spaces {list(columns)} of rows of width {rows.shape[1]}: each needs a column")
    for some in (rows, others):
        for block in some.split(65_536):
            if not math.isfinite(float(block.sum(dtype=torch.float64))):
                raise ValueError("rows hold values that are not finite")
