import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.kernels.reciprocal import (
    keep_mutual,
    mutual_neighbours,
    similarity_graph,
    squared_distances,
    take_answer,
)

LINE = np.array([[0.0], [1.0], [3.0], [7.0]])
"""Nearest others: 0: 1 2 3; 1: 0 2 3; 2: 1 0 3; 3: 2 1 0. The largest squared distance is 49."""


def graph_of(entries, n=4):
    """Symmetric, ones on the diagonal."""
    graph = np.eye(n)
    for (i, j), value in entries.items():
        graph[i, j] = graph[j, i] = value
    return graph


@st.composite
def situations(draw):
    """(distances, k, answers): a random local graph and an order of questions with their answers."""
    n = draw(st.integers(2, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    points = rng.normal(size=(n, 2)).round(draw(st.sampled_from([0, 6])))  # also twins and equal distances
    nodes = draw(st.permutations(range(1, n)))
    return squared_distances(points), draw(st.integers(1, n)), [(node, draw(st.booleans())) for node in nodes]


# Distances and neighbours ---------------------------------------------------------------------------------------------


@given(st.integers(1, 8), st.integers(0, 50))
def test_squared_distances_are_sums_of_squares(n, seed):
    points = np.random.default_rng(seed).normal(5.0, size=(n, 3)).astype(np.float32)
    found = squared_distances(points)
    expected = np.square(points[:, None].astype(np.float64) - points[None]).sum(axis=2)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(found, found.T)
    assert (found.diagonal() == 0).all()
    assert (found >= 0).all()


def test_mutual_neighbours_by_hand():
    one = mutual_neighbours(-squared_distances(LINE), 1)
    assert {*map(tuple, np.argwhere(one).tolist())} == {(0, 1), (1, 0)}  # 2's nearest is 1, but not the reverse
    two = mutual_neighbours(-squared_distances(LINE), 2)
    assert {(i, j) for i, j in np.argwhere(two).tolist() if i < j} == {(0, 1), (0, 2), (1, 2)}
    assert (mutual_neighbours(-squared_distances(LINE), 9) == ~np.eye(4, dtype=bool)).all()


def test_equal_neighbours_go_to_the_lowest_node():
    found = mutual_neighbours(np.zeros((4, 4)), 1)  # everybody names 0, and 0 names 1
    assert np.argwhere(found).tolist() == [[0, 1], [1, 0]]


@given(situations())
def test_mutual_neighbours_by_their_definition(situation):
    distances, k, _ = situation
    n = len(distances)
    near = [{j for _, j in sorted((distances[i, j], j) for j in range(n) if j != i)[:k]} for i in range(n)]
    expected = [[i in near[j] and j in near[i] for j in range(n)] for i in range(n)]
    np.testing.assert_array_equal(mutual_neighbours(-distances, k), expected)


# The graph ------------------------------------------------------------------------------------------------------------


def test_similarities_by_hand():
    """Between mutual neighbours 1 - d / max d, otherwise 0: here node 3 is nobody's second nearest."""
    found = similarity_graph(squared_distances(LINE), 2)
    expected = graph_of({(0, 1): 48 / 49, (0, 2): 40 / 49, (1, 2): 45 / 49})
    np.testing.assert_allclose(found, expected)


def test_twins_are_alike():
    np.testing.assert_array_equal(similarity_graph(np.zeros((3, 3)), 2), np.ones((3, 3)))
    np.testing.assert_array_equal(similarity_graph(np.zeros((1, 1)), 2), np.ones((1, 1)))


@given(situations())
def test_a_graph_is_symmetric_and_sparse(situation):
    distances, k, _ = situation
    found = similarity_graph(distances, k)
    np.testing.assert_array_equal(found, found.T)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found.diagonal() == 1).all()
    assert ((found > 0).sum(axis=1) - 1 <= k).all()
    np.testing.assert_array_equal(keep_mutual(found, k, np.zeros(len(found), dtype=bool)) > 0, found > 0)


# Answers --------------------------------------------------------------------------------------------------------------

BEFORE = graph_of({(0, 1): 0.8, (0, 2): 0.5, (0, 3): 0.2, (1, 2): 0.6, (1, 3): 0.0, (2, 3): 0.9})
NOBODY = np.zeros(4, dtype=bool)


def test_after_same_the_others_move_half_way():
    found = take_answer(BEFORE, 1, True, NOBODY)
    np.testing.assert_allclose(found[0], [1.0, 1.0, (0.5 + 0.6) / 2, (0.2 + 0.0) / 2])
    np.testing.assert_array_equal(found[:, 0], found[0])
    np.testing.assert_array_equal(found[1:, 1:], BEFORE[1:, 1:])


def test_after_different_the_others_lose_and_never_fall_below_zero():
    found = take_answer(BEFORE, 2, False, NOBODY)
    np.testing.assert_allclose(found[0], [1.0, 0.8 - 0.6, 0.0, 0.0])  # 0.2 - 0.9 is less than 0
    np.testing.assert_array_equal(found[:, 0], found[0])
    np.testing.assert_array_equal(found[1:, 1:], BEFORE[1:, 1:])


@pytest.mark.parametrize("same", [True, False])
def test_what_was_answered_stays(same):
    answered = np.array([False, True, False, False])
    found = take_answer(BEFORE, 3, same, answered)
    assert found[0, 1] == found[1, 0] == 0.8
    assert found[0, 3] == found[3, 0] == float(same)
    assert BEFORE[0, 3] == 0.2  # a new graph was made


def test_entries_that_are_no_longer_mutual_vanish_unless_they_were_answered():
    """k = 1: the nearest are 1, 0, 3, 2, so that (0, 2) is left with nobody who wants it."""
    found = keep_mutual(BEFORE, 1, NOBODY)
    np.testing.assert_array_equal(found, graph_of({(0, 1): 0.8, (2, 3): 0.9}))
    kept = keep_mutual(BEFORE, 1, np.array([False, False, False, True]))
    np.testing.assert_array_equal(kept, graph_of({(0, 1): 0.8, (0, 3): 0.2, (2, 3): 0.9}))


@given(situations())
def test_whatever_is_answered_the_rules_hold(situation):
    distances, k, answers = situation
    graph = similarity_graph(distances, k)
    answered = np.zeros(len(graph), dtype=bool)
    for node, same in answers:
        moved = take_answer(graph, node, same, answered)
        others = ~answered
        others[[0, node]] = False
        before, through, now = graph[0, others], graph[node, others], moved[0, others]
        if same:
            assert (now >= np.minimum(before, through)).all()
            assert (now <= np.maximum(before, through)).all()
        else:
            assert (now <= before).all()
            assert (now >= 0).all()
        known, answered = answered, answered.copy()
        answered[node] = True
        after = keep_mutual(moved, k, answered)
        np.testing.assert_array_equal(after, after.T)
        assert ((after == moved) | (after == 0)).all()  # the rule takes away and adds nothing
        assert (after.diagonal() == 1).all()
        np.testing.assert_array_equal(after[0, known], graph[0, known])
        assert after[0, node] == float(same)
        free = ~answered
        free[0] = False
        near = mutual_neighbours(moved, k)
        np.testing.assert_array_equal(after[0, free], np.where(near[0, free], moved[0, free], 0.0))
        graph = after
