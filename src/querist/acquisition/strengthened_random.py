"""Strengthened random: random, but balanced over sources and predicted classes.

Plain random follows the data: mostly road and sky, and two questions about one image while another has none. A
policy that learns merely to spread its questions beats that; it must beat this one to have learned more.
"""

import numpy as np

from querist.core.observation import Observation
from querist.core.policy import Policy, Selection


class StrengthenedRandom(Policy):
    """Turn by turn, each predicted class gets one question, about an image that was asked about least.

    A turn's class draws a candidate with a chance in proportion to the share of the class in the candidate's
    prediction, among the candidates of those sources that have the fewest questions so far (in the game, this batch
    included) and show the class at all. The order of the classes is shuffled in every batch; a class predicted nowhere
    is passed over.
    """

    fields = ("classes",)

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        shares = observation.field("classes")
        mask, source = observation.groups.mask, observation.sources[:, :, 0]
        asked = np.zeros(int(source.max(initial=0)) + 1) if observation.asked is None else observation.asked.copy()
        turns = rng.permutation(np.flatnonzero(shares[mask].sum(axis=0) > 0))
        indices = np.full((len(mask), k), -1, dtype=np.int64)
        free = mask.copy()
        turn = 0
        for j in range(k):
            for g in range(len(mask)):
                if not free[g].any():
                    continue
                indices[g, j] = self._draw(shares[g], free[g], asked[source[g]], turns, turn, rng)
                free[g, indices[g, j]] = False
                asked[source[g, indices[g, j]]] += 1
                turn += 1
        return Selection(indices)

    @staticmethod
    def _draw(
        shares: np.ndarray,
        free: np.ndarray,
        asked: np.ndarray,
        turns: np.ndarray,
        turn: int,
        rng: np.random.Generator,
    ) -> int:
        """One candidate of a group: the first class from ``turn`` on that a free candidate shows."""
        for offset in range(len(turns)):
            weight = np.where(free, shares[:, turns[(turn + offset) % len(turns)]], 0.0).astype(np.float64)
            if weight.any():
                weight[asked > asked[weight > 0].min()] = 0.0
                return int(rng.choice(len(weight), p=weight / weight.sum()))
        return int(rng.choice(np.flatnonzero(free)))
