"""Margin: ask where the two likeliest classes are closest (Scheffer, Decomain and Wrobel 2001)."""

import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Acquisition


class Margin(Acquisition):
    """The smallest mean difference between the best and the second-best probability first."""

    fields = ("margin",)

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return -observation.field("margin")
