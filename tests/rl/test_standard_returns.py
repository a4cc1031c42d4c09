import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.rl.standard_returns import StandardReturns


def one(returns, scene, step, value):
    """Of one alone, and it does not matter what stands beside it."""
    both = returns.standard(scene, step, np.array([value, value + 7.0]))
    assert both[0] == returns.standard(scene, step, np.array([value]))[0]
    return both[0]


def test_by_hand():
    """Scene 0: steps with 1, 3 (mean 2, variance 2) and 10, 14 (mean 12, variance 8): deviation sqrt(5)."""
    returns = StandardReturns()
    for step, value in ((0, 1.0), (0, 3.0), (1, 10.0), (1, 14.0)):
        returns.note(0, step, value)
    returns.note(1, 0, 100.0)
    assert one(returns, 0, 0, 4.0) == pytest.approx(2 / 5**0.5)
    assert one(returns, 0, 1, 12.0) == 0.0
    assert one(returns, 1, 0, 100.0) == 0.0  # one return has no deviation
    assert one(returns, 0, 2, 5.0) == 0.0  # nothing is known of the step


def test_returns_that_do_not_differ_are_all_usual():
    returns = StandardReturns()
    for _ in range(3):
        returns.note(0, 0, 2.5)
    assert one(returns, 0, 0, 2.5) == 0.0


@given(
    values=st.lists(st.floats(-5, 5), min_size=3, max_size=20).filter(lambda v: np.std(v) > 0.1),
    level=st.floats(-100, 100),
    scale=st.floats(0.1, 10),
)
def test_level_and_scale_of_a_scene_do_not_matter(values, level, scale):
    plain, moved = StandardReturns(), StandardReturns()
    for value in values:
        plain.note(0, 0, value)
        moved.note(0, 0, level + scale * value)
    for value in values:
        assert one(moved, 0, 0, level + scale * value) == pytest.approx(one(plain, 0, 0, value), abs=1e-6)
