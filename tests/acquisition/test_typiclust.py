import numpy as np
import pytest

from embedded import choose, embedded
from querist.acquisition.typiclust import TypiClust
from querist.errors import QueristError

# Three heaps on a line, of 7, 6 and 5 points; the middle of each is its most typical point.
HEAPS = [-3, -2, -1, 0, 1, 2, 3, 100, 101, 102, 103, 104, 105.5, 200, 201, 202, 203, 204]


def picks(points, labelled, k, seed=0, **options):
    options = {"smallest": 0} | options
    found = choose(TypiClust(**options), embedded(points, labelled), k, seed)
    return [points[i] for i in found.indices[0] if i >= 0]


def test_the_most_typical_of_each_heap_the_largest_first():
    """Means to the nearest two: 1 everywhere inside a heap but at its ends; the earliest inside wins."""
    for seed in range(5):
        assert picks(HEAPS, [], 3, seed, neighbours=20) == [0, 102, 202]


def test_scores_are_typicalities():
    """0 among -3..3: six others at 1 1 2 2 3 3, a mean of 2."""
    found = choose(TypiClust(smallest=0), embedded(HEAPS), 1)  # one cluster: all 18
    assert found.indices.shape == (1, 1)
    found = choose(TypiClust(smallest=0), embedded([-3, -2, -1, 0, 1, 2, 3]), 1)
    assert found.indices.tolist() == [[3]]
    assert found.scores.tolist()[0] == pytest.approx([0.5], rel=1e-4)


def test_heaps_with_a_label_come_last():
    """One label in the largest heap: two picks in three clusters go to the others, the larger of them first."""
    for seed in range(5):
        assert picks(HEAPS, [0.2], 2, seed) == [102, 202]


def test_where_all_heaps_have_labels_the_fewest_decide():
    """The cap holds the clusters at three; labels 2, 1 and 2: the middle heap, then (2, 2, 2) the largest."""
    labelled = [0.2, 0.3, 103.2, 201.2, 202.2]
    for seed in range(5):
        assert picks(HEAPS, labelled, 2, seed, clusters=3) == [102, 0]


def test_small_clusters_come_last():
    """A heap of seven and a lonely point: with two clusters the lonely one is noise, and is taken when all else is."""
    points = [-3, -2, -1, 0, 1, 2, 3, 1000]
    assert picks(points, [], 2, clusters=2, smallest=5)[0] == 0
    assert 1000 not in picks(points, [], 7, clusters=2, smallest=5)
    assert picks(points, [], 2, clusters=2, smallest=0) == [0, 1000]
    assert sorted(picks(points, [], 8, clusters=2, smallest=5)) == points


def test_twins_are_picked_once_each():
    assert sorted(choose(TypiClust(), embedded([5, 5, 5, 5]), 4).indices[0].tolist()) == [0, 1, 2, 3]


def test_the_mask_is_kept_and_only_one_group_will_do():
    mask = np.array([[True, False, True, True]])
    found = choose(TypiClust(), embedded([[0, 1, 2, 3]], [], mask), 5).indices
    assert sorted(found[0, :3].tolist()) == [0, 2, 3]
    assert found[0, 3:].tolist() == [-1, -1]
    with pytest.raises(QueristError, match="TypiClust chooses from the whole pool, not from 2 groups"):
        choose(TypiClust(), embedded([[0, 1], [2, 3]], [], np.ones((2, 2), dtype=bool)), 1)


@pytest.mark.parametrize("options", [{"clusters": 0}, {"neighbours": 0}, {"smallest": -1}])
def test_wrong_numbers_are_refused(options):
    with pytest.raises(QueristError, match="clusters"):
        TypiClust(**options)
