import numpy as np

from embedded import choose, embedded
from querist.acquisition.badge import Badge

SURE, TORN = (0.99, 0.01), (0.6, 0.4)  # gradients of 0.01 * (-1, 1) and 0.4 * (-1, 1), times the embedding


def picks(observation, k, seed=0):
    return choose(Badge(), observation, k, seed).indices.tolist()


def test_the_longest_gradient_is_first():
    """Lengths go with doubt times embedding: 0.01 * 10, 0.4 * 1, 0.4 * 2."""
    assert picks(embedded([10, 1, 2], probabilities=[SURE, TORN, TORN]), 1) == [[2]]


def test_gradients_of_other_labels_and_directions_are_preferred():
    """Two heaps: embedding 1 with label 0, and -1. Both are drawn from before any heap is drawn from twice."""
    points = [1.0, 1.0, 1.0, -1.0, -1.0]
    seen = embedded(points, probabilities=[TORN] * 5)
    for seed in range(20):
        first, second = picks(seen, 2, seed)[0]
        assert (first < 3) != (second < 3)
    seen = embedded([1.0] * 5, probabilities=[TORN] * 3 + [TORN[::-1]] * 2)
    for seed in range(20):
        first, second = picks(seen, 2, seed)[0]
        assert (first < 3) != (second < 3)


def test_chances_go_by_squared_distance():
    """Gradients 0.8, 0.4 and 0 (times (-1, 1)): after the first the squared distances are as 1 : 4."""
    seen = embedded([2.0, 1.0, 0.0], probabilities=[TORN] * 3)
    seconds = [picks(seen, 2, seed)[0][1] for seed in range(400)]
    assert set(seconds) == {1, 2}
    assert abs(seconds.count(2) - 320) < 5 * np.sqrt(400 * 0.8 * 0.2)


def test_pools_take_turns_and_see_the_picks_of_the_others():
    """The second pool holds a twin of the first pool's pick and another: never the twin."""
    seen = embedded([[3.0, 0.5], [3.0, -1.0]], mask=np.ones((2, 2), dtype=bool), probabilities=[[TORN] * 2, [TORN] * 2])
    for seed in range(10):
        assert picks(seen, 1, seed) == [[0], [1]]
        assert picks(seen, 2, seed) == [[0, 1], [1, 0]]


def test_the_mask_is_kept_and_all_are_taken_when_few():
    mask = np.array([[True, False, True], [False, False, False], [False, True, False]])
    seen = embedded(np.arange(9.0).reshape(3, 3), mask=mask, probabilities=[[TORN] * 3] * 3)
    found = picks(seen, 3)
    assert found == [[2, 0, -1], [-1, -1, -1], [1, -1, -1]]


def test_the_stream_decides_and_what_is_labelled_does_not():
    points = np.random.default_rng(0).normal(size=(40, 3))
    chances = np.random.default_rng(1).dirichlet(np.ones(4), 40)
    seen = embedded(points, probabilities=chances)
    assert picks(seen, 8, 1) == picks(seen, 8, 1) != picks(seen, 8, 2)
    assert picks(embedded(points, points[:5], probabilities=chances), 8, 1) == picks(seen, 8, 1)
