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


@given(
    noted=st.lists(st.tuples(st.integers(0, 2), st.floats(-50, 50)), min_size=1, max_size=40),
    step=st.integers(0, 2),
    value=st.floats(-50, 50),
)
def test_running_sums_are_the_plain_means_and_variances(noted, step, value):
    returns, lists = StandardReturns(), [[v for s, v in noted if s == n] for n in range(3)]
    for at, each in noted:
        returns.note(0, at, each)
    around = [np.var(v, ddof=1) for v in lists if len(v) > 1]
    expected = 0.0
    if lists[step] and around:
        expected = (value - np.mean(lists[step])) / max(np.sqrt(np.mean(around)), 1e-6)
    assert one(returns, 0, step, value) == pytest.approx(expected, rel=1e-6, abs=1e-6)
