"""Random: every candidate has the same chance. The baseline that everything must beat."""

import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Acquisition


class Random(Acquisition):
    """Uniform without replacement."""

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return rng.random(observation.groups.mask.shape)
