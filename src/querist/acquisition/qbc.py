"""QBC, query by committee: the neighbour on which metrics disagree (ALGORITHMS 5.5; Gilad-Bachrach et al. 2005)."""

import numpy as np

from querist.kernels.reciprocal import QUERY, squared_distances
from querist.pairs.graph import LocalGraph
from querist.pairs.strategy import PairAcquisition


class QueryByCommittee(PairAcquisition):
    """Three metrics vote: Euclidean and cosine distance of the embeddings, and the squared Mahalanobis distance.

    A metric's likeness of a neighbour is ``1 - d / max d`` over the anchor's graph, and it votes "match" where that is
    above one half. The vote with the larger entropy is asked first; among equal votes, the larger variance of the three
    likenesses (which is less than the entropy of any split vote, so that it decides nothing else).
    """

    def score_neighbours(self, graph: LocalGraph, rng: np.random.Generator) -> np.ndarray:
        vectors = graph.vectors.astype(np.float64)
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        committee = (
            np.sqrt(squared_distances(vectors)),
            squared_distances(vectors / lengths) / 2,  # 1 - cosine
            graph.distances,
        )
        likeness = np.stack([_likeness(distances) for distances in committee])
        share = (likeness > 0.5).mean(axis=0)
        return _entropy(share) + likeness.var(axis=0)


def _likeness(distances: np.ndarray) -> np.ndarray:
    """(n + 1, n + 1) -> (n,), of the neighbours to the anchor."""
    largest = distances.max(initial=0.0)
    return 1.0 - distances[QUERY, 1:] / largest if largest > 0 else np.ones(len(distances) - 1)


def _entropy(share: np.ndarray) -> np.ndarray:
    """Of a vote between two, (n,) -> (n,), in nats."""
    both = np.stack([share, 1 - share])
    return -(both * np.log(np.maximum(both, 1e-300))).sum(axis=0)
