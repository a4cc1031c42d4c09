"""Numbers about neighbours and graphs: one row a neighbour for any size of graph, or the matrix itself as printed."""

import numpy as np

from querist.core.observation import Field, Schema
from querist.kernels.reciprocal import QUERY
from querist.pairs.graph import LocalGraph, Status

_FAR = 4.0  # distances are told up to so many typical ones
_MANY = 100.0  # questions about one image

NODE = (
    Field("rank", (), 0.0, 1.0),
    Field("distance", (), 0.0, _FAR),
    Field("similarity", (), 0.0, 1.0),
    Field("similarity_start", (), 0.0, 1.0),
    Field("standing", (), 0.0, 1.0),
    Field("degree", (), 0.0, 1.0),
    Field("strength", (), 0.0, 1.0),
    Field("to_same", (2,), 0.0, 1.0),
    Field("to_different", (2,), 0.0, 1.0),
    Field("farthest_same", (), 0.0, _FAR),
    Field("nearest_different", (), 0.0, _FAR),
    Field("asked_about", (), 0.0, 1.0),
    Field("other_camera", (), 0.0, 1.0),
)
"""Of each neighbour. Distances are in typical distances of the pool, so that graphs are on one scale."""
GRAPH = (
    Field("turn", (), 0.0, 1.0),
    Field("share_same", (), 0.0, 1.0),
    Field("share_different", (), 0.0, 1.0),
    Field("share_untold", (), 0.0, 1.0),
    Field("extent", (), 0.0, _FAR),
    Field("mean_distance", (), 0.0, _FAR),
    Field("density", (), 0.0, 1.0),
)
"""Of the graph as a whole."""


def node_schema() -> Schema:
    """One row of :data:`NODE` for each neighbour, and :data:`GRAPH` as state: any number of neighbours."""
    return Schema(NODE, GRAPH)


def matrix_schema(neighbours: int) -> Schema:
    """The matrix of similarities and the mask of those asked about, as state: this number of neighbours alone."""
    side = neighbours + 1
    return Schema((), (Field("similarity", (side, side), 0.0, 1.0), Field("asked", (neighbours,), 0.0, 1.0)))


def node_features(graph: LocalGraph) -> np.ndarray:
    """Features of each neighbour, (n, F) float32, zero for those asked about; ranks are shares of n_s."""
    n = len(graph)
    far = np.minimum(graph.distances[1:] / graph.typical, _FAR)  # of each neighbour to all nodes
    largest = graph.distances.max(initial=0.0)
    likeness = 1.0 - graph.distances[1:] / largest if largest > 0 else np.ones_like(graph.distances[1:])
    links = graph.start[1:].copy()
    links[np.arange(n), np.arange(1, n + 1)] = 0.0
    linked = (links > 0).sum(axis=1)
    positives, negatives = graph.positives, graph.negatives
    columns = [
        np.arange(n) / graph.width,
        far[:, QUERY],
        graph.similarity,
        graph.start[QUERY, 1:],
        _standing(graph.similarity, graph.free),
        linked / n,
        links.sum(axis=1) / np.maximum(linked, 1),
        *_mean_and_largest(likeness[:, positives[1:]]),
        *_mean_and_largest(likeness[:, negatives]),
        far[:, positives].max(axis=1),
        far[:, negatives].min(axis=1) if len(negatives) else far[:, 1:].sum(axis=1) / max(1, n - 1),
        np.log1p(np.minimum(graph.about, _MANY)) / np.log1p(_MANY),
        graph.other_camera,
    ]
    return (np.stack(columns, axis=1) * graph.free[:, None]).astype(np.float32)


def graph_features(graph: LocalGraph) -> np.ndarray:
    """Features of the whole graph, (Fs,) float32."""
    n = len(graph)
    shares = [(graph.status == status).sum() / n for status in (Status.SAME, Status.DIFFERENT, Status.UNTOLD)]
    edges = ((graph.start > 0).sum() - (n + 1)) / (n * (n + 1))
    return np.array(
        [
            min(1.0, graph.turn / graph.limit),
            *shares,
            min(_FAR, graph.distances.max(initial=0.0) / graph.typical),
            min(_FAR, graph.distances[QUERY, 1:].mean() / graph.typical),
            edges,
        ],
        dtype=np.float32,
    )


def matrix_features(graph: LocalGraph) -> np.ndarray:
    """((n_s + 1)² + n_s,) float32: similarities row by row, then who was asked about.

    A graph of fewer neighbours is padded by nodes that are like nobody and count as asked about.
    """
    side, n = graph.width + 1, len(graph)
    matrix = np.zeros((side, side), dtype=np.float32)
    matrix[: n + 1, : n + 1] = graph.graph
    asked = np.ones(graph.width, dtype=np.float32)
    asked[:n] = ~graph.free
    return np.concatenate([matrix.ravel(), asked])


def _standing(values: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The share of the other free neighbours that have a smaller value, equal ones counting half: (n,)."""
    below = (values[:, None] > values) + 0.5 * (values[:, None] == values)
    others = max(1, int(free.sum()) - 1)
    return np.clip((below[:, free].sum(axis=1) - 0.5) / others, 0.0, 1.0)


def _mean_and_largest(likeness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the known nodes, (n, m) -> (n,), (n,); zero if none is known."""
    if not likeness.shape[1]:
        return np.zeros(len(likeness)), np.zeros(len(likeness))
    return likeness.mean(axis=1), likeness.max(axis=1)
