"""What no answer changes about an anchor and its neighbours, worked out once a visit."""

from dataclasses import dataclass

import numpy as np

FAR = 4.0
"""Distances are told up to so many typical ones."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Numbers about n neighbours and their anchor, before any answer.

    Args:
        far: (n, n + 1) of each neighbour to all nodes, in typical distances, at most :data:`FAR`.
        likeness: (n, n + 1) one minus the share of the largest distance here.
        degree: (n,) the share of the neighbours that each is linked with; ``strength`` (n,) how alike these are.
        edges: the share of all pairs of nodes that are linked.
        extent: the largest distance, at most :data:`FAR`; ``mean_distance`` that of anchor and neighbours.
    """

    far: np.ndarray
    likeness: np.ndarray
    degree: np.ndarray
    strength: np.ndarray
    edges: float
    extent: float
    mean_distance: float


def lay_out(distances: np.ndarray, graph: np.ndarray, typical: float) -> Layout:
    """Of the distances and the similarity graph of n + 1 nodes, the anchor first.

    Args:
        distances: (n + 1, n + 1).
        graph: (n + 1, n + 1), see :func:`querist.kernels.reciprocal.similarity_graph`.
        typical: the distance that is one.
    """
    n = len(distances) - 1
    largest = distances.max(initial=0.0)
    links = graph[1:].copy()
    links[np.arange(n), np.arange(1, n + 1)] = 0.0
    linked = (links > 0).sum(axis=1)
    return Layout(
        far=np.minimum(distances[1:] / typical, FAR),
        likeness=1.0 - distances[1:] / largest if largest > 0 else np.ones_like(distances[1:]),
        degree=linked / n,
        strength=links.sum(axis=1) / np.maximum(linked, 1),
        edges=((graph > 0).sum() - (n + 1)) / (n * (n + 1)),
        extent=min(FAR, largest / typical),
        mean_distance=min(FAR, distances[0, 1:].mean() / typical),
    )
