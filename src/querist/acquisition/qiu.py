"""QIU, query instance uncertainty: the neighbour that is a match as likely as not (ALGORITHMS 5.5)."""

import numpy as np

from querist.pairs.graph import LocalGraph
from querist.pairs.likeness import match_probability
from querist.pairs.strategy import PairAcquisition


class QueryInstanceUncertainty(PairAcquisition):
    """The match probability, a logistic function of the present similarity to the anchor, closest to one half first.

    Answers move similarities, so what is uncertain changes with each of them. Scores lie in [-1/2, 0].
    """

    def score_neighbours(self, graph: LocalGraph, rng: np.random.Generator) -> np.ndarray:
        return -np.abs(match_probability(graph.similarity) - 0.5)
