from dataclasses import replace

import numpy as np

from querist.acquisition.graph_density import GraphDensity
from toy_pairs import a_graph

RNG = np.random.default_rng(0)
WEIGHTS = np.array(
    [
        [1.0, 0.5, 0.4, 0.0, 0.0],
        [0.5, 1.0, 0.9, 0.2, 0.0],
        [0.4, 0.9, 1.0, 0.0, 0.0],
        [0.0, 0.2, 0.0, 1.0, 0.7],
        [0.0, 0.0, 0.0, 0.7, 1.0],
    ]
)
GRAPH = replace(a_graph(np.arange(5.0)), start=WEIGHTS, graph=WEIGHTS)
"""Densities 1.6, 1.3, 0.9 and 0.7."""


def test_the_largest_sum_of_weights_is_asked_first():
    np.testing.assert_allclose(GraphDensity().score_neighbours(GRAPH, RNG), [1.6, 1.3, 0.9, 0.7])


def test_neighbours_of_those_asked_about_stand_for_less():
    """After the first: 1.3 - 1.6 * 0.9, 0.9 - 1.6 * 0.2, and 0.7 as before, which is the largest."""
    for answer in (True, False, None):
        once = GRAPH.after(0, answer)
        scores = GraphDensity().score_neighbours(once, RNG)
        np.testing.assert_allclose(scores, [1.6, -0.14, 0.58, 0.7])
        twice = GraphDensity().score_neighbours(once.after(3, answer), RNG)
        np.testing.assert_allclose(twice, [1.6, -0.14, 0.58 - 0.7 * 0.7, 0.7])


def test_a_density_below_zero_lifts_nobody():
    """The second stands at -0.14 when it is asked about: the first and the anchor's others keep what they have."""
    scores = GraphDensity().score_neighbours(GRAPH.after(0, True).after(1, True), RNG)
    np.testing.assert_allclose(scores, [1.6, -0.14, 0.58, 0.7])
    assert WEIGHTS[0, 0] == 1.0  # the graph is as it was
