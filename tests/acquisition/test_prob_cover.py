import numpy as np
import pytest

from embedded import choose, embedded
from querist.acquisition.prob_cover import ProbCover
from querist.errors import QueristError

# Two heaps that k-means with two clusters must find. The nearest row of the other heap lies at 6 to 10 from any row, so
# every radius up to 6 is pure: the largest is taken.
POINTS = [0.0, 1.0, 2.0, 3.0, 9.0, 10.0, 11.0, 12.0, 13.0]
TWO = ("a", "b")


def seen(labelled=(), points=POINTS, mask=None):
    return embedded(points, labelled, mask, classes=TWO)


def test_the_ball_that_covers_most_is_first():
    """Radius 6: balls of 9 hold 9 to 13 alone, 3 lies on the rim; then one ball holds 0 to 3."""
    for seed in range(5):
        found = choose(ProbCover(), seen(), 3, seed)
        assert found.indices.tolist() == [[4, 0, 1]]  # the earliest of equals; the third covers nothing new
        assert found.scores.tolist() == [[5, 4, 0]]


def test_what_labels_cover_does_not_count():
    """Labels join the heaps: one at 12.5 covers all of the right one."""
    found = choose(ProbCover(), seen([12.5]), 1)
    assert found.indices.tolist() == [[0]]
    assert found.scores.tolist() == [[4]]


def test_less_purity_means_larger_balls():
    """A radius of 7 spoils the balls of 3 (9 is in) and of 9 only: seven of nine are pure."""
    assert choose(ProbCover(purity=7 / 9), seen(), 1).scores.tolist() == [[6]]  # 9 covers 3 as well, or 3 covers 9
    assert choose(ProbCover(purity=1.0), seen(), 1).scores.tolist() == [[5]]


def test_a_task_with_one_class_is_covered_by_one_ball():
    one = embedded(POINTS, classes=("all",))
    assert choose(ProbCover(), one, 2).scores.tolist() == [[9, 0]]


def test_the_purity_may_be_estimated_on_a_part():
    found = choose(ProbCover(balls=3), seen(), 1)
    assert found.scores[0, 0] >= 5  # fewer balls can only miss the tight ones


def test_the_mask_is_kept_and_only_one_group_will_do():
    mask = np.array([[True, False, True, True]])
    found = choose(ProbCover(), seen((), [[0, 1, 2, 3]], mask), 5).indices
    assert sorted(found[0, :3].tolist()) == [0, 2, 3]
    assert found[0, 3:].tolist() == [-1, -1]
    with pytest.raises(QueristError, match="ProbCover chooses from the whole pool, not from 2 groups"):
        choose(ProbCover(), seen((), [[0, 1], [2, 3]], np.ones((2, 2), dtype=bool)), 1)


@pytest.mark.parametrize("options", [{"purity": 0}, {"purity": 1.1}, {"balls": 0}])
def test_wrong_numbers_are_refused(options):
    with pytest.raises(QueristError, match="purity"):
        ProbCover(**options)
