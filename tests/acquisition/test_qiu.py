import numpy as np

from querist.acquisition.qiu import QueryInstanceUncertainty
from toy_pairs import a_graph

RNG = np.random.default_rng(0)
LINE = [0.0, 1.0, 5.0, 6.0, 7.0]
"""Similarities to the first: 48/49, 24/49, 13/49 and 0."""


def test_closest_to_one_half_is_asked_first():
    scores = QueryInstanceUncertainty().score_neighbours(a_graph(LINE, mutual=4), RNG)
    expected = [abs(1 / (1 + np.exp(-8 * (sim - 0.5))) - 0.5) for sim in (48 / 49, 24 / 49, 13 / 49, 0)]
    np.testing.assert_allclose(scores, -np.array(expected))
    assert np.argsort(-scores).tolist() == [1, 2, 0, 3]


def test_answers_move_what_is_uncertain():
    """The neighbour at 5 is a match: those beside it become likely, the one at 1 less so."""
    graph = a_graph(LINE, mutual=4).after(1, True)
    scores = QueryInstanceUncertainty().score_neighbours(graph, RNG)
    sims = [(48 + 33) / 98, 1, (13 + 48) / 98, 45 / 98]  # Sim to the one at 5: 33/49, 48/49, 45/49
    np.testing.assert_allclose(graph.similarity, sims)
    free = np.array([0, 2, 3])
    assert free[np.argsort(-scores[free])].tolist() == [3, 2, 0]
