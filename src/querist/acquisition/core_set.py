"""Core-set: ask about what lies farthest from everything labelled (Sener and Savarese 2018, their greedy k-centre)."""

import numpy as np
import torch
from torch import Tensor

from querist.core.capabilities import Embeds
from querist.core.featuriser import EmbeddingFeaturiser
from querist.core.observation import Observation
from querist.core.policy import Policy, Selection
from querist.core.step import Featuriser
from querist.core.task import Task
from querist.kernels.k_centre import k_centre_greedy


class CoreSet(Policy):
    """Farthest-first traversal of the embeddings, from those of all that is labelled.

    Over the whole pool it is one traversal. In groups the pools take turns, and each gives the candidate that lies
    farthest from what is labelled and from all picks before it. Scores are these distances. Where nothing is labelled,
    the first pick is the candidate nearest the mean.
    """

    needs = (Embeds,)

    def own_featuriser(self, task: Task) -> Featuriser:
        return EmbeddingFeaturiser(task)

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        mask = observation.groups.mask
        vectors = torch.from_numpy(np.ascontiguousarray(observation.field("embedding")))
        centres = torch.from_numpy(observation.state)
        indices = np.full((len(mask), k), -1, dtype=np.int64)
        scores = np.zeros((len(mask), k))
        free = mask.copy()
        whole = len(mask) == 1
        for turn in range(1 if whole else k):
            for g in np.flatnonzero(free.any(axis=1)):
                rows = np.flatnonzero(free[g])
                offered = vectors[g] if len(rows) == len(free[g]) else vectors[g, torch.from_numpy(rows)]
                picks, radii = farthest(offered, min(k, len(rows)) if whole else 1, centres)
                into = slice(turn, turn + len(picks))
                indices[g, into], scores[g, into] = rows[picks], radii
                free[g, rows[picks]] = False
                centres = torch.cat([centres, offered[torch.from_numpy(picks)]])
        return Selection(indices, scores)


def farthest(offered: Tensor, k: int, centres: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Picks (k,) and their distances (k,); a pick that has nothing to be far from gets the largest of the others'."""
    picks, radii = (found.numpy() for found in k_centre_greedy(offered, k, centres=centres))
    known = radii[np.isfinite(radii)]
    return picks, np.where(np.isfinite(radii), radii, known.max(initial=0.0))
