"""Learning Loss: ask about images on which the model expects its own loss to be largest (Yoo and Kweon 2019)."""

import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Acquisition


class LearningLoss(Acquisition):
    """The largest predicted loss first.

    The task trains a loss-prediction module beside its model, on features of several depths, with one of the two
    objectives of :mod:`querist.kernels.loss_ranking`; ``share_ranking`` makes it Learning Loss++ (Shukla et al. 2021).
    """

    fields = ("predicted_loss",)

    def score(self, observation: Observation, rng: np.random.Generator) -> np.ndarray:
        return observation.field("predicted_loss")
