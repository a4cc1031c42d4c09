"""BADGE: ask about a batch whose gradients are long and point apart (Ash et al. 2020)."""

import numpy as np
import torch

from querist.core.capabilities import Embeds
from querist.core.featuriser import EmbeddingFeaturiser
from querist.core.observation import Observation
from querist.core.policy import Policy, Selection
from querist.core.step import Featuriser
from querist.core.task import Task
from querist.kernels.gradient_embedding import factorised_kmeans_plus_plus, hallucinated_factor


class Badge(Policy):
    """k-means++ on the gradients of the last layer for the labels that the model itself would give.

    A candidate's gradient is ``(p - onehot(argmax p)) ⊗ h`` with its mean class probabilities p and its embedding h.
    The first pick has the longest gradient, as in the authors' code; each later one is drawn in proportion to the
    squared distance to the nearest pick. Over the whole pool all picks are drawn from it; in groups the pools take
    turns, and each pick counts for all pools that follow. What is labelled plays no part.
    """

    fields = ("probabilities",)
    needs = (Embeds,)

    def own_featuriser(self, task: Task) -> Featuriser:
        return EmbeddingFeaturiser(task, self.fields, labelled=False)

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        mask = observation.groups.mask
        a = hallucinated_factor(torch.from_numpy(observation.field("probabilities")[mask]))
        h = torch.from_numpy(observation.field("embedding")[mask])
        group, position = np.nonzero(mask)
        pools = [torch.from_numpy(np.flatnonzero(group == g)) for g in range(len(mask))]
        turns = [(g, j) for j in range(k) for g in range(len(mask)) if len(pools[g]) > j]
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        among = None if len(mask) == 1 else [pools[g] for g, _ in turns]
        picks = factorised_kmeans_plus_plus(a, h, len(turns), generator, among).numpy()
        indices = np.full((len(mask), k), -1, dtype=np.int64)
        for (g, j), pick in zip(turns, picks, strict=True):
            indices[g, j] = position[pick]
        return Selection(indices)
