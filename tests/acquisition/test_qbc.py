from dataclasses import replace

import numpy as np

from querist.acquisition.qbc import QueryByCommittee
from toy_pairs import a_graph

RNG = np.random.default_rng(0)


def graph_of(vectors, mahalanobis):
    """With distances of its own, as if they had been whitened; only those to the anchor and the largest matter."""
    graph = a_graph(np.array(vectors, dtype=np.float64))
    n = len(vectors)
    distances = np.zeros((n, n))
    distances[0, 1:] = distances[1:, 0] = mahalanobis
    return replace(graph, distances=distances)


def test_the_split_vote_is_asked_first():
    """The second neighbour has two of three votes; the others have all or none."""
    graph = graph_of([(1, 0), (2, 0), (7, 0), (-9, 0), (2, 1.9)], [2.0, 6.0, 8.0, 3.0])
    scores = QueryByCommittee().score_neighbours(graph, RNG)
    euclid = 1 - np.array([1, 6, 10, np.hypot(1, 1.9)]) / 16  # the largest: from -9 to 7
    cosine = 1 - (1 - np.array([1, 1, -1, 2 / np.hypot(2, 1.9)])) / 2
    likeness = np.stack([euclid, cosine, [0.75, 0.25, 0, 0.625]])
    votes = (likeness > 0.5).sum(axis=0)
    assert votes.tolist() == [3, 2, 0, 3]
    entropy = {0: 0.0, 3: 0.0, 1: 0.6365141682948128, 2: 0.6365141682948128}
    np.testing.assert_allclose(scores, [entropy[v] for v in votes] + likeness.var(axis=0), rtol=1e-6)
    assert scores.argmax() == 1


def test_the_spread_never_outweighs_a_vote():
    """The widest spread of a unanimous vote against the narrowest split one."""
    assert np.var([0.51, 1.0, 1.0]) < np.var([0, 0, 1]) < -(np.log(1 / 3) + 2 * np.log(2 / 3)) / 3


def test_alike_images_and_a_vector_of_zeros_are_no_trouble():
    assert not QueryByCommittee().score_neighbours(graph_of([(1, 0)] * 3, [0.0, 0.0]), RNG).any()
    assert np.isfinite(QueryByCommittee().score_neighbours(graph_of([(0, 0), (1, 0), (0, 1)], [1.0, 2.0]), RNG)).all()
