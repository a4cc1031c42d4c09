"""CoreGCN: core-set selection among the hidden features of a graph network that tells labelled from unlabelled images.

Caramalau et al. 2021 (Sequential graph convolutional network for active learning); ALGORITHMS 2.6.
"""

import numpy as np
import torch
from torch import Tensor

from querist.acquisition.core_set import farthest
from querist.acquisition.labelled_graph import tell_apart
from querist.acquisition.whole_pool import WholePool
from querist.errors import QueristError


class CoreGcn(WholePool):
    """Farthest-first traversal in the space of 128 numbers behind the first graph convolution.

    Scores are the distances to the nearest labelled image or earlier pick. Nodes: see
    :class:`~querist.acquisition.uncertain_gcn.UncertainGcn`.

    Args:
        steps: of the graph network's training.
        limit: at most so many candidates are looked at, a uniform subset of a larger pool.

    Raises:
        QueristError: a number out of range.
    """

    def __init__(self, steps: int = 200, limit: int = 10_000) -> None:
        if steps < 1 or limit < 1:
            raise QueristError(f"{steps} steps, {limit} candidates", "give at least one of each")
        self._steps, self.limit = steps, limit

    def pick(
        self, offered: Tensor, labelled: Tensor, classes: int, k: int, generator: torch.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        seen, known = tell_apart(offered, labelled, generator, self._steps)
        return farthest(seen.hidden, k, known.hidden)
