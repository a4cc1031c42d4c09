"""Returns of games that begin differently, brought to one level and one scale."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

_LEAST = 1e-6  # returns that hardly differ say nothing, and are not to be blown up


@dataclass(slots=True)
class _Level:
    """Mean and variance of what was noted, one by one (Welford 1962): long trainings note hundreds of thousands."""

    count: int = 0
    mean: float = 0.0
    _squares: float = 0.0

    def note(self, value: float) -> None:
        self.count += 1
        off = value - self.mean
        self.mean += off / self.count
        self._squares += off * (value - self.mean)

    @property
    def variance(self) -> float:
        return self._squares / (self.count - 1)


class StandardReturns:
    """How much better a return is than usual: in its kind of game, at its step.

    Games take turns in scenes of which some gain much whoever chooses, and gains become smaller as a game goes on. A
    network that must explain such levels explains them by features that happen to differ between scenes or steps, and
    carries that into choices. The mean return of (scene, step) does not depend on the choice, so subtracting it changes
    no preference in expectation (the argument of baselines in policy gradients, Williams 1992); it needs returns
    without a bootstrap.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], _Level] = defaultdict(_Level)

    def note(self, scene: int, step: int, value: float) -> None:
        """A return of a scene at a step."""
        self._seen[scene, step].note(value)

    def standard(self, scene: int, step: int, values: np.ndarray) -> np.ndarray:
        """Returns in deviations above the mean of what was noted for their scene and step: (n,) -> (n,).

        The deviation is the scene's: around the means of its steps, over all of them. Before there are two returns at
        one of its steps there is none, and returns count as usual: 0.
        """
        at = self._seen.get((scene, step))
        around = [each.variance for (s, _), each in self._seen.items() if s == scene and each.count > 1]
        if at is None or not around:
            return np.zeros_like(values)
        return (values - at.mean) / max(float(np.sqrt(np.mean(around))), _LEAST)
