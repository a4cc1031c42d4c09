import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from querist.compare import statistics

small = st.lists(st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 3)), min_size=1, max_size=7)


def by_enumeration(d):
    """The textbook form: every one of the 2^n assignments, nothing halved, nothing standardised."""
    observed = abs(sum(d))
    sums = [
        abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in itertools.product((1, -1), repeat=len(d))
    ]
    return sum(x >= observed - 1e-9 for x in sums) / len(sums)


def test_five_equal_signs_cannot_fall_below_one_in_sixteen():
    assert statistics.permutation_p([1, 2, 3, 4, 5]) == 0.0625 == statistics.smallest_p(5)


def test_eight_equal_signs():
    assert statistics.permutation_p([-1, -2, -1, -3, -1, -1, -4, -1]) == 0.0078125 == statistics.smallest_p(8)


def test_p_by_hand():
    # {3, 1, -1}: sums of all assignments are +-5, +-3, +-3, +-1 -> |sum| >= 3 in 6 of 8.
    assert statistics.permutation_p([3.0, 1.0, -1.0]) == 0.75


def test_no_difference_at_all_is_p_one():
    assert statistics.permutation_p([0.0] * 6) == 1.0
    assert statistics.permutation_p([2.5]) == 1.0


@given(small)
def test_p_is_that_of_the_full_enumeration(d):
    assert statistics.permutation_p(d) == pytest.approx(by_enumeration(d))


@given(small)
def test_p_does_not_depend_on_order_or_direction(d):
    p = statistics.permutation_p(d)
    assert statistics.permutation_p(d[::-1]) == pytest.approx(p)
    assert statistics.permutation_p([-x for x in d]) == pytest.approx(p)


def test_drawn_p_beyond_sixteen_pairs_is_seeded_and_near_the_exact_one():
    d = np.array([1.0] * 13 + [-1.0] * 5)  # 18 coins, at least 13 alike: 2 * P(X >= 13) = 0.0963
    exact = 2 * sum(math.comb(18, k) for k in range(13, 19)) / 2**18
    assert statistics.permutation_p(d) == pytest.approx(exact, abs=0.008)
    first = statistics.permutation_p(d)
    statistics._signs.cache_clear()  # the coins are thrown anew
    assert statistics.permutation_p(d) == first
    assert statistics.permutation_p(np.ones(40)) == statistics.smallest_p(40) > 0


def test_no_seed_is_an_error():
    with pytest.raises(ValueError, match="n >= 1"):
        statistics.permutation_p([])


def test_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    d = np.array([0.4, -0.1, 0.9, 1.3, 0.2, -0.6, 0.8])
    found = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert statistics.permutation_p(d) == pytest.approx(found.pvalue)


def test_familywise_p_is_plain_p_for_one_and_never_smaller_for_many():
    d = np.random.default_rng(0).normal(0.5, 1, size=(8, 6))
    corrected = statistics.familywise_p(d)
    for column in range(6):
        plain = statistics.permutation_p(d[:, column])
        assert statistics.familywise_p(d[:, [column]])[0] == plain
        assert corrected[column] >= plain
    assert corrected.max() > statistics.permutation_p(d[:, corrected.argmax()])


def test_familywise_p_of_twins_costs_nothing():
    d = np.arange(1.0, 9.0)[:, None]
    assert statistics.familywise_p(np.hstack([d, d, 3 * d])) == pytest.approx([2 / 256] * 3)


def test_familywise_p_leaves_out_missing_seeds():
    d = np.array([[1.0, 2.0], [2.0, np.nan], [1.5, 1.0], [1.0, np.nan]])
    p = statistics.familywise_p(d)
    assert p[0] == 0.125  # all four alike, and the other column cannot beat a full house
    assert p[1] >= statistics.permutation_p([2.0, 1.0])


def test_holm_by_hand():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []


def test_holm_counts_planned_tests_that_are_missing():
    assert statistics.holm([0.01, 0.02], planned=4) == pytest.approx([0.04, 0.06])


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lies_between_plain_and_bonferroni(p):
    adjusted = statistics.holm(p)
    for x, y in zip(p, adjusted, strict=True):
        assert x <= y <= min(1.0, len(p) * x) + 1e-12
    assert np.all(np.diff(np.array(adjusted)[np.argsort(p)]) >= 0)


def test_effect_size_by_hand():
    assert statistics.effect_size([1, 2, 3]) == pytest.approx(2.0)  # mean 2, sd 1
    assert statistics.effect_size([0.0, 0.0]) == 0.0


@pytest.mark.parametrize("d", [[1.0], [0.1 + 0.2, 0.3, 0.3], [7.0] * 4])
def test_effect_size_without_spread_is_none_not_infinite(d):
    assert statistics.effect_size(d) is None


def test_effect_interval_of_three_seeds_is_open_because_resamples_have_no_spread():
    assert statistics.effect_interval([1.0, 2.0, 3.0])[1] is None


def test_effect_interval_holds_the_effect():
    d = np.random.default_rng(3).normal(1.0, 1.0, size=12)
    low, high = statistics.effect_interval(d)
    assert low < statistics.effect_size(d) < high


def test_bootstrap_interval_of_one_seed_is_unknown():
    assert statistics.bootstrap_interval([3.0]) == (None, None)


def test_bootstrap_interval_of_two_seeds_is_all_the_way():
    assert statistics.bootstrap_interval([3.0, 5.0]) == (3.0, 5.0)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=9))
def test_bootstrap_interval_holds_the_mean_and_stays_within_the_data(values):
    low, high = statistics.bootstrap_interval(values)
    assert min(values) - 1e-9 <= low <= np.mean(values) + 1e-9
    assert np.mean(values) - 1e-9 <= high <= max(values) + 1e-9


def test_bootstrap_interval_covers_about_95_percent_with_eight_seeds():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        low, high = statistics.bootstrap_interval(rng.normal(size=8))
        hits += low <= 0 <= high
    assert 0.90 <= hits / 300 <= 0.985  # the plain percentile interval covers 0.88


def test_welch_by_hand_and_by_scipy():
    # 4/2 + 1/1 = 3 squared over 2^2/1 + 1^2/2: two degrees of freedom; t = 3 / sqrt(3).
    error, p = statistics.welch(3.0, (2.0, np.sqrt(3.0)), (2, 3))
    assert error == pytest.approx(np.sqrt(3.0))
    assert p == pytest.approx(stats.ttest_ind_from_stats(3.0, 2.0, 2, 0.0, np.sqrt(3.0), 3, equal_var=False).pvalue)
    ours, theirs = [22.5, 22.6, 22.8], [22.9, 22.7, 23.2]
    d, spreads = np.mean(theirs) - np.mean(ours), [np.std(x, ddof=1) for x in (ours, theirs)]
    assert statistics.welch(d, spreads, [3, 3])[1] == pytest.approx(
        stats.ttest_ind(theirs, ours, equal_var=False).pvalue
    )


def test_paired_differences_use_common_seeds_and_favour_a():
    a, b = {"10": 4.0, "2": 5.0, "1": 1.0}, {"2": 3.0, "10": 7.0, "3": 0.0}
    seeds, d = statistics.paired_differences(a, b)
    assert seeds == ["2", "10"]
    assert d.tolist() == [2.0, -3.0]
    assert statistics.paired_differences(a, b, larger_is_better=False)[1].tolist() == [-2.0, 3.0]
