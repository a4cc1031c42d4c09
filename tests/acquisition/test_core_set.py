import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedded import choose, embedded
from querist.acquisition.core_set import CoreSet


def by_hand(points, labelled, mask, k):
    """Pools in turn, each time a whole table of distances."""
    known = list(labelled)
    rows = [[] for _ in mask]
    for _ in range(k):
        for g in range(len(mask)):
            free = [i for i in np.flatnonzero(mask[g]) if i not in rows[g]]
            if free:
                far = [min(np.abs(np.array(known) - points[g][i])) for i in free]
                rows[g].append(int(free[int(np.argmax(far))]))
                known.append(points[g][rows[g][-1]])
    return [row + [-1] * (k - len(row)) for row in rows]


def test_on_a_line_by_hand():
    """Labelled 0; candidates 1 4 10 6: first 10 (10 away), then 4 (4 from 0 and 6 from 10; so is 6: the earlier)."""
    found = choose(CoreSet(), embedded([1, 4, 10, 6], [0]), 4)
    assert found.indices.tolist() == [[2, 1, 3, 0]]
    assert found.scores.tolist()[0] == pytest.approx([10, 4, 2, 1], rel=1e-4)


def test_what_is_labelled_counts_as_covered():
    assert choose(CoreSet(), embedded([1, 4, 10, 6], [0, 9, 11]), 1).indices.tolist() == [[1]]


def test_without_labels_the_middle_is_first():
    found = choose(CoreSet(), embedded([0, 4, 5, 10]), 3)  # the mean is 4.75
    assert found.indices.tolist() == [[2, 0, 3]]
    assert found.scores.tolist()[0] == pytest.approx([5, 5, 5], rel=1e-4)
    assert choose(CoreSet(), embedded([7]), 1).scores.tolist() == [[0.0]]


def test_pools_take_turns_and_see_the_picks_of_the_others():
    """Both pools have 10, far from the label at 0: the first takes it, the second then prefers 5."""
    points = [[10, 1], [10, 5]]
    mask = np.ones((2, 2), dtype=bool)
    assert choose(CoreSet(), embedded(points, [0], mask), 1).indices.tolist() == [[0], [1]]
    assert choose(CoreSet(), embedded(points, [0], mask), 2).indices.tolist() == [[0, 1], [1, 0]]


def test_the_mask_is_kept():
    mask = np.array([[True, False, True], [False, False, False]])
    found = choose(CoreSet(), embedded([[1, 9, 3], [5, 5, 5]], [0], mask), 3)
    assert found.indices.tolist() == [[2, 0, -1], [-1, -1, -1]]


@settings(max_examples=40)
@given(st.data())
def test_equals_distances_written_out(data):
    G, N = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 5))
    numbers = st.lists(st.integers(-40, 40), min_size=N, max_size=N, unique=True)
    # Each place is moved by a number of its own, so that no two distances are the same.
    points = np.array([data.draw(numbers) for _ in range(G)]) + np.random.default_rng(0).random((3, 5))[:G, :N]
    labelled = data.draw(st.lists(st.integers(-40, 40), min_size=1, max_size=3))
    mask = np.array([data.draw(st.lists(st.booleans(), min_size=N, max_size=N)) for _ in range(G)])
    k = data.draw(st.integers(1, 3))
    if mask.any():
        found = choose(CoreSet(), embedded(points, labelled, mask), k).indices.tolist()
        assert found == by_hand(points, labelled, mask, k)
