"""Paired statistics over seeds.

Two strategies meet the same split, starting set, initial weights and candidates under one seed, so everything
here works on the differences within a seed. With a handful of seeds no normal approximation can be trusted:
p values come from all sign assignments, intervals from resampling the seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

Array = npt.NDArray[np.float64]
Interval = tuple[float | None, float | None]

EXACT_UP_TO = 16  # 2^16 sign assignments still take milliseconds
DRAWS = 20_000
RESAMPLES = 10_000
LEVEL = 0.95
_SEED = 1_234_567  # fixed: a report rendered twice must show the same numbers


def paired_differences(
    a: Mapping[str, float], b: Mapping[str, float], *, larger_is_better: bool = True
) -> tuple[list[str], Array]:
    """Subtract within the seeds that both strategies have; positive always favours `a`.

    Args:
        a: value by seed.
        b: value by seed.
        larger_is_better: the direction of the metric.

    Returns:
        The common seeds in ascending order, and one difference for each, `(n,)`.
    """
    seeds = sorted(set(a) & set(b), key=lambda seed: (len(seed), seed))
    sign = 1.0 if larger_is_better else -1.0
    return seeds, np.array([sign * (a[seed] - b[seed]) for seed in seeds], dtype=np.float64)


@lru_cache(maxsize=32)
def _signs(n: int) -> Array:
    """All sign assignments up to a common factor, or seeded draws of them; the first row is the observed one.

    The statistic is symmetric, so the half that begins with + stands for both.
    """
    if n <= EXACT_UP_TO:
        rows = np.array(list(itertools.product((1.0, -1.0), repeat=max(n - 1, 0))), dtype=np.float64)
        return np.hstack([np.ones((len(rows), 1)), rows.reshape(len(rows), n - 1)])
    drawn = np.random.default_rng(_SEED).choice((1.0, -1.0), size=(DRAWS, n))
    return np.vstack([np.ones((1, n)), drawn])


def permutation_p(differences: npt.ArrayLike) -> float:
    """Two-sided paired sign-flip permutation test of "the differences are symmetric about 0".

    Exact for up to 16 pairs; beyond that 20,000 seeded draws, the observed assignment counted among them.

    Args:
        differences: one difference per seed, `(n,)`, n >= 1.

    Returns:
        p in (0, 1]; never below `smallest_p(n)`.
    """
    d = np.asarray(differences, dtype=np.float64)
    return float(familywise_p(d[:, None])[0])


def familywise_p(differences: npt.ArrayLike) -> Array:
    """Sign-flip p values of several strategies against one rival, corrected for looking at all of them.

    The single-step "max" procedure of Westfall and Young (Resampling-Based Multiple Testing, 1993): the signs
    of a seed flip for all strategies at once and every strategy is held against the largest standardised sum
    of any of them. Unlike Bonferroni or Holm it costs no power in strategies that behave alike, and its
    smallest possible value does not depend on how many there are. It assumes that the differences of a seed
    are *jointly* symmetric when nothing helps.

    Args:
        differences: `(n, K)`, one column a strategy; NaN where a strategy lacks the seed.

    Returns:
        One p value per strategy, `(K,)`. A strategy without any difference from zero gets 1.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.ndim != 2 or d.shape[0] == 0:
        raise ValueError(f"expected differences (n, K) with n >= 1, got shape {d.shape}")
    d = np.where(np.isnan(d), 0.0, d)
    norm = np.sqrt((d**2).sum(axis=0))
    unit = np.divide(d, norm, out=np.zeros_like(d), where=norm > 0)
    largest = np.abs(_signs(d.shape[0]) @ unit).max(axis=1)
    observed = np.abs(unit.sum(axis=0))
    # Equal sums added up in another order differ in the last bits; they are ties.
    return (largest[:, None] >= observed[None, :] - 1e-10).mean(axis=0)


def smallest_p(n: int) -> float:
    """The smallest two-sided p value that `n` pairs allow: 0.0625 for 5, 0.0078125 for 8."""
    return 2.0 ** (1 - n) if n <= EXACT_UP_TO else 1.0 / (DRAWS + 1)


def holm(p: Sequence[float], *, planned: int | None = None) -> list[float]:
    """Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979).

    Args:
        p: the p values of the family that are there.
        planned: size of the family as fixed beforehand; tests that are missing count as p = 1, so that
            leaving one out never makes the others look better.

    Returns:
        Adjusted p values in the order given.
    """
    size = max(planned or 0, len(p))
    adjusted = [0.0] * len(p)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        running = max(running, min(1.0, (size - rank) * p[index]))
        adjusted[index] = running
    return adjusted


def welch(difference: float, spreads: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """Standard error and two-sided p of a difference between two means, as if each value were drawn anew.

    Args:
        difference: between the means.
        spreads: deviation (n - 1) of the values on each side, not both zero.
        counts: how many values each side has, two at least.

    Returns:
        Standard error; p by Student's t with the degrees of freedom of Welch and Satterthwaite.
    """
    parts = [spread**2 / n for spread, n in zip(spreads, counts, strict=True)]
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / sum(part**2 / (n - 1) for part, n in zip(parts, counts, strict=True))
    return error, 2.0 * float(stdtr(freedom, -abs(difference) / error))


def effect_size(differences: npt.ArrayLike) -> float | None:
    """Cohen's dz: the mean difference in units of the differences' standard deviation (n - 1).

    Returns:
        None with fewer than two pairs, or where all differences are equal.
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.size < 2:
        return None
    value = _dz(d[None, :])[0]
    return float(value) if np.isfinite(value) else None


def _dz(d: Array) -> Array:
    """Compute dz of each row; +-inf where a row has no spread, 0 where it is all zero."""
    mean, sd = d.mean(axis=1), d.std(axis=1, ddof=1)
    flat = sd <= 1e-12 * np.abs(d).max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(flat, np.sign(mean) * np.inf, mean / sd)
    return np.where(flat & (mean == 0), 0.0, value)


def effect_interval(differences: npt.ArrayLike) -> Interval:
    """Bootstrap interval of dz; an end is None where too many resamples have no spread."""
    return bootstrap_interval(differences, _dz)


def bootstrap_interval(values: npt.ArrayLike, statistic: Callable[[Array], Array] | None = None) -> Interval:
    """Interval of the mean (or of another statistic) over resampled seeds.

    Args:
        values: one value per seed, `(n,)`.
        statistic: maps `(R, n)` resamples to `(R,)`; the mean when None.

    Returns:
        (low, high); (None, None) with fewer than two seeds.
    """
    v = np.asarray(values, dtype=np.float64)
    if v.size < 2:
        return None, None
    drawn = v[resamples(v.size)]
    return quantile_interval(drawn.mean(axis=1) if statistic is None else statistic(drawn), v.size)


@lru_cache(maxsize=32)
def resamples(n: int) -> npt.NDArray[np.intp]:
    """Seeded bootstrap draws of `n` seeds, `(10_000, n)`; the same ones for every statistic."""
    return np.random.default_rng(_SEED + n).integers(0, n, size=(RESAMPLES, n))


def quantile_interval(samples: npt.ArrayLike, n: int) -> Interval:
    """The interval that bootstrap samples of `n` seeds give; ends that are not finite become None.

    The plain percentile interval is too short for few seeds: with 8 normal ones it holds the mean 88 % of
    the time, not 95. The percentiles are therefore widened to `Phi(-sqrt(n/(n-1)) t)`, with t the quantile of
    Student's distribution with n - 1 degrees of freedom (the "expanded percentile" of Hesterberg, The
    American Statistician 69, 2015), which makes it 94 %. With 3 seeds no resampling gets beyond 76 %.
    """
    s = np.asarray(samples, dtype=np.float64)
    tail = _tail(n)
    # Without interpolation: between a finite value and infinity there is nothing to interpolate.
    low = float(np.quantile(s, tail, method="lower"))
    high = float(np.quantile(s, 1.0 - tail, method="higher"))
    return (low if math.isfinite(low) else None, high if math.isfinite(high) else None)


@lru_cache(maxsize=32)
def _tail(n: int) -> float:
    z = math.sqrt(n / (n - 1)) * float(stdtrit(n - 1, 0.5 + LEVEL / 2))
    return 0.5 * math.erfc(z / math.sqrt(2.0))
