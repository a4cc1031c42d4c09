"""A metric's value together with what it is made of, so that differences get an honest standard error."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The metric over some sources; larger is better.

    Args:
        sources: (n,) in the order of evaluation.
        statistics: (n, s) additive per-source statistics; their sum over sources determines the metric.
        metric: (..., s) summed statistics -> (...) value.
        parts: (s,) summed statistics -> (p,) the value per class or joint, NaN where it is undefined.
        left_out: how many of the sources cannot count, such as queries of which the gallery has no image.
    """

    sources: np.ndarray
    statistics: np.ndarray
    metric: Callable[[np.ndarray], np.ndarray]
    parts: Callable[[np.ndarray], np.ndarray]
    left_out: int = 0

    @property
    def value(self) -> float:
        """The metric over all sources."""
        return float(self.metric(self.statistics.sum(axis=0)))

    @property
    def part_values(self) -> list[float | None]:
        """The value per part; None where the data do not determine it (a class without pixels)."""
        return [None if np.isnan(v) else float(v) for v in self.parts(self.statistics.sum(axis=0))]

    def resampled(self, weights: np.ndarray) -> np.ndarray:
        """The metric when source i counts ``weights[r, i]`` times: (r, n) -> (r,).

        A metric that no sum over sources determines (mean average precision) overrides this.
        """
        return self.metric(weights @ self.statistics)


def paired_difference(
    before: Evaluation, after: Evaluation, rng: np.random.Generator, resamples: int = 200
) -> tuple[float, float]:
    """The gain from one evaluation to the next, and the bootstrap standard error of the *paired* difference.

    The same sources are drawn for both sides, so what both models find hard cancels (ALGORITHMS 7, T14).

    Args:
        before: the model before; ``after`` the model after, on the same sources in the same order.
        rng: draws the resamples; ``resamples`` says how many.

    Returns:
        (after - before, its standard error).

    Raises:
        ValueError: the two evaluations are over different sources.
    """
    if not np.array_equal(before.sources, after.sources):
        raise ValueError("a paired difference needs the same sources in the same order")
    n = len(before.sources)
    weights = rng.multinomial(n, np.full(n, 1.0 / n), size=resamples).astype(np.float64)
    values = after.resampled(weights) - before.resampled(weights)
    return after.value - before.value, float(np.nanstd(values, ddof=1))
