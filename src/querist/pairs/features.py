"""Numbers about neighbours and graphs: one row a neighbour for any size of graph, or the matrix itself as printed."""

import numpy as np

from querist.core.observation import Field, Schema
from querist.kernels.reciprocal import QUERY
from querist.pairs.graph import LocalGraph, Status
from querist.pairs.layout import FAR

_MANY = 100.0  # questions about one image
_TOLD = int(Status.SAME), int(Status.DIFFERENT), int(Status.UNTOLD)

NODE = (
    Field("rank", (), 0.0, 1.0),
    Field("distance", (), 0.0, FAR),
    Field("similarity", (), 0.0, 1.0),
    Field("similarity_start", (), 0.0, 1.0),
    Field("standing", (), 0.0, 1.0),
    Field("degree", (), 0.0, 1.0),
    Field("strength", (), 0.0, 1.0),
    Field("to_same", (2,), 0.0, 1.0),
    Field("to_different", (2,), 0.0, 1.0),
    Field("farthest_same", (), 0.0, FAR),
    Field("nearest_different", (), 0.0, FAR),
    Field("asked_about", (), 0.0, 1.0),
    Field("other_camera", (), 0.0, 1.0),
)
"""Of each neighbour. Distances are in typical distances of the pool, so that graphs are on one scale."""
GRAPH = (
    Field("turn", (), 0.0, 1.0),
    Field("share_same", (), 0.0, 1.0),
    Field("share_different", (), 0.0, 1.0),
    Field("share_untold", (), 0.0, 1.0),
    Field("extent", (), 0.0, FAR),
    Field("mean_distance", (), 0.0, FAR),
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
    n, layout, free = len(graph), graph.layout, graph.free
    positives, negatives = graph.positives, graph.negatives
    columns = (
        np.arange(n) / graph.width,
        layout.far[:, QUERY],
        graph.similarity,
        graph.start[QUERY, 1:],
        _standing(graph.similarity, free),
        layout.degree,
        layout.strength,
        *_mean_and_largest(layout.likeness[:, positives[1:]]),
        *_mean_and_largest(layout.likeness[:, negatives]),
        layout.far[:, positives].max(axis=1),
        layout.far[:, negatives].min(axis=1) if len(negatives) else layout.far[:, 1:].sum(axis=1) / max(1, n - 1),
        np.log1p(np.minimum(graph.about, _MANY)) / np.log1p(_MANY),
        graph.other_camera,
    )
    found = np.empty((n, len(columns)))
    for at, column in enumerate(columns):
        found[:, at] = column
    found[~free] = 0.0
    return found.astype(np.float32)


def graph_features(graph: LocalGraph) -> np.ndarray:
    """Features of the whole graph, (Fs,) float32."""
    n, layout = len(graph), graph.layout
    shares = [np.count_nonzero(graph.status == status) / n for status in _TOLD]
    told = [min(1.0, graph.turn / graph.limit), *shares, layout.extent, layout.mean_distance, layout.edges]
    return np.array(told, dtype=np.float32)


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
    others = values[free]
    below = (values[:, None] > others).sum(axis=1) + 0.5 * (values[:, None] == others).sum(axis=1)
    return np.minimum(np.maximum((below - 0.5) / max(1, len(others) - 1), 0.0), 1.0)


def _mean_and_largest(likeness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Over the known nodes, (n, m) -> (n,), (n,); zero if none is known."""
    if not likeness.shape[1]:
        return np.zeros(len(likeness)), np.zeros(len(likeness))
    return likeness.mean(axis=1), likeness.max(axis=1)
