"""BALD: ask where random versions of the model disagree (Houlsby et al. 2011, Gal et al. 2017; B in RALIS, 1.6)."""

import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Acquisition


class Bald(Acquisition):
    """The largest mean mutual information between label and model first.

    The versions are passes with dropout before the model's last layer; the task says how many (20 as in RALIS).
    """

    fields = ("mutual_information",)

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return observation.field("mutual_information")
