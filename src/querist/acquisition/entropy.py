"""Entropy: ask where the model's prediction is most spread out (Shannon 1948; H in RALIS, ALGORITHMS 1.6)."""

import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Acquisition


class Entropy(Acquisition):
    """The largest mean entropy of the predicted distributions first."""

    fields = ("entropy",)

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return observation.field("entropy")
