"""Nearest first: verify the ranking list of a query from its top (ALGORITHMS 5.5)."""

import numpy as np

from querist.pairs.graph import LocalGraph
from querist.pairs.strategy import PairAcquisition


class NearestFirst(PairAcquisition):
    """The neighbours of an anchor in the order of their Mahalanobis distance. What people do without an agent."""

    def score_neighbours(self, graph: LocalGraph, rng: np.random.Generator) -> np.ndarray:
        return -np.arange(len(graph), dtype=np.float64)
