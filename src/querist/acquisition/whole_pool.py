"""What strategies share that cluster or cover the embeddings of the whole pool: they have no form with groups."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from querist.core.candidates import Candidates, GlobalPool
from querist.core.capabilities import Embeds
from querist.core.featuriser import EmbeddingFeaturiser
from querist.core.observation import Observation
from querist.core.policy import Policy, Selection
from querist.core.step import Featuriser
from querist.core.task import Task
from querist.errors import QueristError


class WholePool(Policy):
    """Chooses from one group by embeddings of candidates and of what is labelled. Subclasses fill :meth:`pick`."""

    needs = (Embeds,)
    forms = ("global",)
    limit: int | None = None
    """At most so many candidates are looked at, a uniform subset; None: all."""

    def own_candidates(self, form: str, count: int) -> Candidates | None:
        return GlobalPool(self.limit)

    def own_featuriser(self, task: Task) -> Featuriser:
        return EmbeddingFeaturiser(task, classes=True)

    @abstractmethod
    def pick(
        self, offered: Tensor, labelled: Tensor, classes: int, k: int, generator: torch.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The hook.

        Args:
            offered: (n, d) float32, the candidates in hashed order; n >= k.
            labelled: (m, d) float32.
            classes: how many the task has, at least one.
            k: picks.
            generator: draws, on the CPU.

        Returns:
            rows of ``offered`` (k,) in the order of picking, and why (k,), larger is better.
        """

    def _select(self, observation: Observation, k: int, rng: np.random.Generator) -> Selection:
        mask = observation.groups.mask
        if len(mask) != 1:
            raise QueristError(
                f"{type(self).__name__} chooses from the whole pool, not from {len(mask)} groups", "use its global form"
            )
        place = np.flatnonzero(mask[0])
        offered = torch.from_numpy(observation.field("embedding")[0, place])
        labelled = torch.from_numpy(observation.state)
        classes = max(len(observation.schema.classes or ()), 1)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows, why = self.pick(offered, labelled, classes, min(k, len(place)), generator)
        indices, scores = np.full((1, k), -1, dtype=np.int64), np.zeros((1, k))
        indices[0, : len(rows)], scores[0, : len(rows)] = place[rows], why
        return Selection(indices, scores)
