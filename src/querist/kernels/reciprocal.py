"""The sparse similarity graph of a query and its neighbours, and what an answer does to it (ALGORITHMS 5.3).

Liu et al. 2019, Deep reinforcement active learning for human-in-the-loop person re-identification. Node 0 is the
query, nodes 1..n its neighbours, nearest first. Tens of nodes: numpy, and nothing of it is worth a matrix library.
"""

import numpy as np

QUERY = 0
"""The query's place among the nodes."""


def squared_distances(points: np.ndarray) -> np.ndarray:
    """All squared Euclidean distances of a few points: (n, d) -> (n, n) float64, symmetric, zero on the diagonal."""
    centred = points.astype(np.float64)
    centred -= centred.mean(axis=0)
    product = centred @ centred.T
    norms = product.diagonal()
    found = np.maximum(norms[:, None] + norms - 2 * product, 0.0)
    found = (found + found.T) / 2
    np.fill_diagonal(found, 0.0)
    return found


def mutual_neighbours(likeness: np.ndarray, k: int) -> np.ndarray:
    """Which nodes are each among the other's k nearest: R(i, k), equation of the k-reciprocal neighbours.

    Args:
        likeness: (n, n), larger is nearer, such as negated distances; the diagonal does not matter.
        k: how many neighbours a node has; equal ones go to the lowest node.

    Returns:
        (n, n) bool, symmetric, false on the diagonal.
    """
    n = len(likeness)
    ranked = -likeness
    np.fill_diagonal(ranked, np.inf)
    order = np.argsort(ranked, axis=1, kind="stable")[:, : min(k, n - 1)]
    near = np.zeros((n, n), dtype=bool)
    near[np.arange(n)[:, None], order] = True
    return near & near.T


def similarity_graph(distances: np.ndarray, k: int) -> np.ndarray:
    """``Sim(i, j) = 1 - d(i, j) / max d`` between mutual neighbours, 0 otherwise, 1 on the diagonal.

    Args:
        distances: (n, n) symmetric; the maximum is over this graph. If all are zero, mutual neighbours have Sim 1.
        k: of :func:`mutual_neighbours`.

    Returns:
        (n, n) float64 in [0, 1], symmetric.
    """
    largest = distances.max(initial=0.0)
    likeness = 1.0 - distances / largest if largest > 0 else np.ones_like(distances)
    graph = np.where(mutual_neighbours(-distances, k), likeness, 0.0)
    np.fill_diagonal(graph, 1.0)
    return graph


def take_answer(graph: np.ndarray, node: int, same: bool, answered: np.ndarray) -> np.ndarray:
    """The graph once it is known whether a node shows the query's person; row and column of the query change.

    For all nodes i without an answer: ``Sim(q,i) <- (Sim(q,i) + Sim(node,i)) / 2`` after "same";
    ``Sim(q,i) <- Sim(q,i) - Sim(node,i)``, or 0 where that is not positive, after "different". The node itself gets 1
    or 0.

    Args:
        graph: (n, n) symmetric; not changed.
        node: who was asked about, 1 <= node < n.
        same: the answer.
        answered: (n,) bool, nodes that had an answer before; their entries stay.

    Returns:
        (n, n), to which reciprocity (:func:`keep_mutual`) has not been applied yet.
    """
    changed = graph.copy()
    others = ~answered
    others[[QUERY, node]] = False
    before, through = graph[QUERY, others], graph[node, others]
    changed[QUERY, others] = (before + through) / 2 if same else np.maximum(before - through, 0.0)
    changed[QUERY, node] = 1.0 if same else 0.0
    changed[:, QUERY] = changed[QUERY]
    return changed


def keep_mutual(graph: np.ndarray, k: int, answered: np.ndarray) -> np.ndarray:
    """The k-reciprocal rule applied to a graph of similarities: entries of nodes that are not mutual become 0.

    Args:
        graph: (n, n) symmetric; not changed.
        k: of :func:`mutual_neighbours`, here by similarity.
        answered: (n,) bool, nodes whose similarity to the query was answered: it is kept whatever the rule says.
    """
    kept = mutual_neighbours(graph, k)
    kept[QUERY] |= answered
    kept[:, QUERY] |= answered
    np.fill_diagonal(kept, True)
    return np.where(kept, graph, 0.0)
