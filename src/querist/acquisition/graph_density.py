"""Graph density: the neighbour that stands for the most others (ALGORITHMS 5.5; Ebert, Fritz and Schiele 2012)."""

import numpy as np

from querist.pairs.graph import LocalGraph
from querist.pairs.strategy import PairAcquisition


class GraphDensity(PairAcquisition):
    """The largest sum of edge weights in the anchor's sparse graph, as it was before any answer.

    Whenever a neighbour was asked about, those linked to it stand for less: their density falls by its own times the
    weight of the link, so that the next question goes to another part of the graph. An edge to the anchor counts as any
    other.
    """

    def score_neighbours(self, graph: LocalGraph, rng: np.random.Generator) -> np.ndarray:
        weights = graph.start.copy()
        np.fill_diagonal(weights, 0.0)
        density = weights[1:].sum(axis=1)
        for place in graph.asked:
            density -= max(density[place], 0.0) * weights[1:, place + 1]
        return density
