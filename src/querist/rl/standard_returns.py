"""Returns of games that begin differently, brought to one level and one scale."""

from collections import defaultdict

import numpy as np

_LEAST = 1e-6  # returns that hardly differ say nothing, and are not to be blown up


class StandardReturns:
    """How much better a return is than usual: in its kind of game, at its step.

    Games take turns in scenes of which some gain much whoever chooses, and gains become smaller as a game goes on. A
    network that must explain such levels explains them by features that happen to differ between scenes or steps, and
    carries that into choices. The mean return of (scene, step) does not depend on the choice, so subtracting it changes
    no preference in expectation (the argument of baselines in policy gradients, Williams 1992); it needs returns
    without a bootstrap.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], list[float]] = defaultdict(list)

    def note(self, scene: int, step: int, value: float) -> None:
        """A return of a scene at a step."""
        self._seen[scene, step].append(value)

    def standard(self, scene: int, step: int, values: np.ndarray) -> np.ndarray:
        """Returns in deviations above the mean of what was noted for their scene and step: (n,) -> (n,).

        The deviation is the scene's: around the means of its steps, over all of them. Before there are two returns at
        one of its steps there is none, and returns count as usual: 0.
        """
        at = self._seen.get((scene, step), [])
        around = [np.var(v) * len(v) / (len(v) - 1) for (s, _), v in self._seen.items() if s == scene and len(v) > 1]
        if not at or not around:
            return np.zeros_like(values)
        return (values - np.mean(at)) / max(float(np.sqrt(np.mean(around))), _LEAST)
