import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.kernels.hardness import hardness

DISTANCES = st.lists(st.floats(0, 100), min_size=1, max_size=6).map(np.array)


def test_a_match_far_from_the_positives_and_near_a_negative_pays_most():
    assert hardness(np.array([1.0, 5.0]), np.array([2.0, 9.0]), True, 0.5) == 3.5  # 0.5 + 5 - 2
    assert hardness(np.array([1.0]), np.array([0.25]), True, 0.5) == 1.25
    assert hardness(np.array([1.0]), np.array([9.0]), True, 0.5) == 0.0


def test_a_stranger_near_the_positives_and_far_from_the_negatives_pays_most():
    assert hardness(np.array([1.0, 5.0]), np.array([6.0, 9.0]), False, 0.5) == 1.5  # 0.5 - 5 + 6
    assert hardness(np.array([1.0]), np.array([1.0]), False, 0.5) == 0.5  # the margin
    assert hardness(np.array([5.0]), np.array([1.0]), False, 0.5) == 0.0


@given(DISTANCES, DISTANCES, st.booleans(), st.floats(0, 10))
def test_it_is_never_negative_and_one_of_both_answers_pays_at_least_the_margin(same, different, answer, margin):
    found = hardness(same, different, answer, margin)
    assert found >= 0
    assert max(found, hardness(same, different, not answer, margin)) >= margin


@pytest.mark.parametrize(("same", "different"), [([], [1.0]), ([1.0], [])])
def test_without_positives_or_negatives_there_is_no_hardness(same, different):
    with pytest.raises(ValueError, match="at least one of each"):
        hardness(np.array(same), np.array(different), True, 0.3)
