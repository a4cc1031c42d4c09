"""TypiClust: ask about the most typical of every cluster that has no label (Hacohen, Dekel and Weinshall 2022)."""

import numpy as np
import torch
from torch import Tensor

from querist.acquisition.whole_pool import WholePool
from querist.errors import QueristError
from querist.kernels.k_means import k_means
from querist.kernels.typicality import typicality


class TypiClust(WholePool):
    """k-means into as many clusters as there are labels and picks; then the most typical of one cluster after another.

    The next cluster is the one with the fewest labels and picks, the largest where several have as few; clusters of at
    most ``smallest`` members come last. Its most typical candidate is the one with the smallest mean distance to its
    nearest neighbours among the cluster's other candidates, whose inverse is the score.

    The paper embeds with a self-supervised model; here it is the task's own, which a recipe may start from such
    weights. Clusters belong to the pool as a whole, so there is no form with groups.

    Args:
        clusters: at most so many (the paper's cap for CIFAR is 500).
        neighbours: K of the typicality; the paper's 20.
        smallest: clusters of so few members are noise (5 in the authors' code).

    Raises:
        QueristError: a number out of range.
    """

    def __init__(self, clusters: int = 500, neighbours: int = 20, smallest: int = 5) -> None:
        if clusters < 1 or neighbours < 1 or smallest < 0:
            raise QueristError(
                f"{clusters} clusters, {neighbours} neighbours, smallest {smallest}",
                "give at least one cluster and one neighbour, and no negative size",
            )
        self._clusters, self._neighbours, self._smallest = clusters, neighbours, smallest

    def pick(
        self, offered: Tensor, labelled: Tensor, classes: int, k: int, generator: torch.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        count = min(len(labelled) + k, self._clusters)
        cluster = k_means(torch.cat([offered, labelled]), count, generator)[0].numpy()
        size = np.bincount(cluster, minlength=count)
        served = np.bincount(cluster[len(offered) :], minlength=count)  # labels and picks
        left = cluster[: len(offered)].copy()
        rows, why = np.zeros(k, dtype=np.int64), np.zeros(k)
        for j in range(k):
            waiting = np.unique(left[left >= 0])
            keys = (waiting, -size[waiting], served[waiting], size[waiting] <= self._smallest)  # the last one first
            chosen = waiting[np.lexsort(keys)[0]]
            members = np.flatnonzero(left == chosen)
            typical = typicality(offered[torch.from_numpy(members)], self._neighbours)
            best = int(typical.argmax())
            rows[j], why[j] = members[best], float(typical[best])
            left[members[best]] = -1
            served[chosen] += 1
        return rows, why
