"""What a budget curve says: its area, the gap it closes, the labels it needs, the classes that gain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from querist.compare import statistics
from querist.compare.statistics import Array

SHARES = (90, 95, 98)  # percent of full supervision


def aubc(labels: npt.ArrayLike, values: npt.ArrayLike) -> float:
    """Area under the budget curve: trapezoids over labels, divided by the label range.

    Args:
        labels: budgets in ascending order, `(B,)`.
        values: metric at each budget, `(B,)`.

    Returns:
        The mean height of the curve, in units of the metric; the value itself for a single budget.
    """
    x, y = np.asarray(labels, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or x.size == 0:
        raise ValueError(f"expected labels and values of one length, got {x.shape} and {y.shape}")
    if np.any(np.diff(x) <= 0):
        raise ValueError("labels must ascend")
    if x.size == 1:
        return float(y[0])
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2) / (x[-1] - x[0]))


def gap_closed(
    values: npt.ArrayLike, start: npt.ArrayLike, full: npt.ArrayLike, *, larger_is_better: bool = True
) -> float | None:
    """Mean over seeds of the share of the way from the start to full supervision.

    Args:
        values: metric per seed, `(S,)`.
        start: metric of the untouched model per seed, `(S,)`.
        full: metric with the whole pool labelled per seed, `(S,)`.
        larger_is_better: the direction of the metric.

    Returns:
        0 at the start, 1 at full supervision; None where for some seed labelling everything does not help.
    """
    sign = 1.0 if larger_is_better else -1.0
    v, s, f = (sign * np.asarray(x, dtype=np.float64) for x in (values, start, full))
    gap = f - s
    if v.size == 0 or not np.all(gap > 1e-9):
        return None
    return float(np.mean((v - s) / gap))


def target(full: npt.ArrayLike, percent: float) -> Array:
    """The oriented value that counts as `percent` % of full supervision.

    For a positive measure of success this is a share of it. For an error (negative once oriented) it is the
    error divided by the share: 90 % of an error of 9 mm is an error of 10 mm.
    """
    f, share = np.asarray(full, dtype=np.float64), percent / 100.0
    return np.where(f >= 0, f * share, f / share)


def first_crossing(labels: npt.ArrayLike, curves: npt.ArrayLike, targets: npt.ArrayLike) -> Array:
    """Labels at which each curve first reaches its target, linearly interpolated.

    Args:
        labels: ascending, `(B,)`.
        curves: oriented so that larger is better, `(R, B)`; not assumed monotone.
        targets: `(R,)`.

    Returns:
        `(R,)`; infinity where the curve stays below its target.
    """
    x = np.asarray(labels, dtype=np.float64)
    y = np.asarray(curves, dtype=np.float64)
    goal = np.asarray(targets, dtype=np.float64)
    reached = y >= goal[:, None]
    first = np.argmax(reached, axis=1)
    rows = np.arange(len(y))
    before = np.maximum(first - 1, 0)
    rise = y[rows, first] - y[rows, before]
    part = np.divide(goal - y[rows, before], rise, out=np.zeros_like(rise), where=rise > 0)
    crossing = np.where(first == 0, x[0], x[before] + part * (x[first] - x[before]))
    return np.where(reached.any(axis=1), crossing, np.inf)


def labels_to_reach(
    labels: npt.ArrayLike,
    curves: npt.ArrayLike,
    full: npt.ArrayLike,
    percent: float,
    *,
    larger_is_better: bool = True,
) -> list[float | None] | None:
    """Labels needed for `percent` % of full supervision, along the mean curve of the seeds.

    Args:
        labels: ascending and beginning with 0 where the start is known, `(B,)`.
        curves: metric by seed and budget, `(S, B)`.
        full: metric with the whole pool labelled per seed, `(S,)`.
        percent: 90, 95 or 98.
        larger_is_better: the direction of the metric.

    Returns:
        `[labels, low, high]` with a bootstrap interval over seeds (curve and full supervision resampled
        together); an end is None where too many resamples never get there. None where the mean curve
        never does.
    """
    sign = 1.0 if larger_is_better else -1.0
    y, f = sign * np.asarray(curves, dtype=np.float64), sign * np.asarray(full, dtype=np.float64)
    reached = float(first_crossing(labels, y.mean(axis=0)[None], target(f.mean()[None], percent))[0])
    if not np.isfinite(reached):
        return None
    if len(y) < 2:
        return [round(reached, 1), None, None]
    drawn = statistics.resamples(len(y))
    samples = first_crossing(labels, y[drawn].mean(axis=1), target(f[drawn].mean(axis=1), percent))
    interval = statistics.quantile_interval(samples, len(y))
    return [round(reached, 1), *(None if end is None else round(end, 1) for end in interval)]


def part_gains(
    values: Sequence[Sequence[float | None]],
    start: Sequence[Sequence[float | None] | None],
    *,
    larger_is_better: bool = True,
) -> list[float | None]:
    """Mean gain of every part (class, joint) over the start of the same seed.

    Args:
        values: per seed, the parts' values; None where a part has no pixels.
        start: per seed, the parts' values before any question; None where that seed has no start.
        larger_is_better: the direction of the metric; a gain is positive when the part got better.

    Returns:
        One gain per part; None where no seed has both values.
    """
    sign = 1.0 if larger_is_better else -1.0
    gains: list[list[float]] = [[] for _ in (values[0] if values else ())]
    for after, before in zip(values, start, strict=True):
        for index, (x, x0) in enumerate(zip(after, before or (), strict=False)):
            if x is not None and x0 is not None:
                gains[index].append(sign * (x - x0))
    return [float(np.mean(g)) if g else None for g in gains]


def mean_of_parts(rows: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Mean of each part over several policies of one seed, skipping those without pixels of it."""
    columns = zip(*rows, strict=True)
    kept = [[x for x in column if x is not None] for column in columns]
    return [float(np.mean(x)) if x else None for x in kept]


def policy_spread(values: Iterable[Mapping[str, float]]) -> float | None:
    """Standard deviation between independently trained policies.

    Args:
        values: per policy, the value by seed.

    Returns:
        Deviation (n - 1) of the policies' means over the seeds that all of them have; None for one policy.
    """
    policies = list(values)
    if len(policies) < 2:
        return None
    common = set.intersection(*(set(p) for p in policies))
    if not common:
        return None
    return float(np.std([np.mean([p[s] for s in sorted(common)]) for p in policies], ddof=1))
