import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.rl.shuffled import EarlierRewards


def test_the_first_step_has_nothing_before_it_and_learns_from_zero():
    earlier, rng = EarlierRewards(), np.random.default_rng(0)
    assert earlier.replace(7.0, rng) == 0.0
    assert earlier.replace(8.0, rng) == 7.0
    assert len(earlier) == 2


@given(st.integers(0, 1000), st.integers(2, 30))
def test_a_step_never_gets_its_own_reward_nor_a_later_one(seed, steps):
    earlier, rng = EarlierRewards(), np.random.default_rng(seed)
    got = [earlier.replace(float(n), rng) for n in range(1, steps)]
    assert all(0 <= value < n for n, value in enumerate(got, start=1))


def test_all_earlier_rewards_are_equally_likely():
    counts = np.zeros(3)
    for seed in range(600):
        earlier, rng = EarlierRewards(), np.random.default_rng(seed)
        for n in range(3):
            earlier.replace(float(n), rng)
        counts[int(earlier.replace(9.0, rng))] += 1
    assert np.abs(counts - 200).max() < 5 * math.sqrt(600 * 2 / 9)


def test_a_restored_one_goes_on_alike():
    earlier, again = EarlierRewards(), EarlierRewards()
    for n in range(5):
        earlier.replace(n / 3, np.random.default_rng(n))
    again.restore(earlier.snapshot())
    ours, theirs = (e.replace(1.0, np.random.default_rng(8)) for e in (earlier, again))
    assert ours == theirs
    assert len(earlier) == len(again) == 6


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError):
        EarlierRewards().replace(math.nan, np.random.default_rng(0))
