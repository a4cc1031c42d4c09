"""UncertainGCN: ask about images of which a graph network is least sure that they are unlabelled.

Caramalau et al. 2021 (Sequential graph convolutional network for active learning); ALGORITHMS 2.6.
"""

import numpy as np
import torch
from torch import Tensor

from querist.acquisition.labelled_graph import tell_apart
from querist.acquisition.whole_pool import WholePool
from querist.errors import QueristError


class UncertainGcn(WholePool):
    """A graph network learns to tell labelled images from others; those whose chance lies nearest a margin come first.

    Nodes are the task's embeddings, of what is labelled and of the candidates.

    Args:
        margin: the chance of being labelled that is asked for, 0.1 in their code.
        steps: of the graph network's training.
        limit: at most so many candidates are looked at, a uniform subset of a larger pool, as in the authors' code.

    Raises:
        QueristError: a number out of range.
    """

    def __init__(self, margin: float = 0.1, steps: int = 200, limit: int = 10_000) -> None:
        if not 0 <= margin <= 1 or steps < 1 or limit < 1:
            raise QueristError(
                f"margin {margin}, {steps} steps, {limit} candidates", "give a chance, and at least one of the others"
            )
        self._margin, self._steps, self.limit = margin, steps, limit

    def pick(
        self, offered: Tensor, labelled: Tensor, classes: int, k: int, generator: torch.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        seen, _ = tell_apart(offered, labelled, generator, self._steps)
        away = (seen.chance - self._margin).abs().numpy()
        rows = np.argsort(away, kind="stable")[:k]
        return rows, -away[rows]
