"""Multi-peak entropy: ask where heat maps have several peaks (Liu and Ferrari 2017)."""

import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Acquisition


class MultiPeakEntropy(Acquisition):
    """The largest sum over joints of the entropy over a heat map's peaks first.

    The task computes it with :func:`querist.kernels.peaks.multi_peak_entropy`.
    """

    fields = ("multi_peak_entropy",)

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return observation.field("multi_peak_entropy")
