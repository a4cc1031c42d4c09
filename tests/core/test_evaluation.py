import numpy as np
import pytest

from querist.core.evaluation import Evaluation, paired_difference


def mean_of(values, sources=None):
    """An evaluation whose metric is the plain mean: statistics are (value, 1) for each source."""
    values = np.asarray(values, dtype=np.float64)
    table = np.stack([values, np.ones(len(values))], axis=1)
    sources = np.arange(len(values)) if sources is None else sources
    return Evaluation(sources, table, lambda s: s[..., 0] / s[..., 1], lambda s: np.array([s[0] / s[1], np.nan]))


def test_the_value_is_that_of_the_summed_statistics():
    table = np.array([[1.0, 4.0], [3.0, 4.0]])
    ratio = Evaluation(np.arange(2), table, lambda s: s[..., 0] / s[..., 1], lambda s: s[:1] / s[1:])
    assert ratio.value == 0.5  # 4 / 8, and not the mean of 1/4 and 3/4 by accident of equal sizes:
    table[1] = [30.0, 40.0]
    assert ratio.value == pytest.approx(31 / 44)
    assert ratio.part_values == [pytest.approx(31 / 44)]


def test_an_undefined_part_is_none():
    assert mean_of([1, 3]).part_values == [2.0, None]


def test_resampling_counts_sources_as_often_as_they_are_drawn():
    found = mean_of([1.0, 2.0, 6.0])
    weights = np.array([[1, 1, 1], [3, 0, 0], [0, 1, 2]], dtype=np.float64)
    np.testing.assert_allclose(found.resampled(weights), [3.0, 1.0, 14 / 3])


def test_the_paired_error_of_a_mean_is_the_analytic_one():
    """Of n paired differences d: sd(d) / sqrt(n), however hard the sources are for both."""
    rng = np.random.default_rng(1)
    hard = 50 * rng.normal(size=80)
    gain = 0.5 + rng.normal(size=80)
    value, error = paired_difference(mean_of(hard), mean_of(hard + gain), np.random.default_rng(2), 4000)
    assert value == pytest.approx(gain.mean())
    assert error == pytest.approx(gain.std() / np.sqrt(80), rel=0.05)


def test_200_resamples_come_close():
    rng = np.random.default_rng(3)
    gain = rng.normal(size=101)
    errors = [paired_difference(mean_of(np.zeros(101)), mean_of(gain), np.random.default_rng(s))[1] for s in range(20)]
    assert np.mean(errors) == pytest.approx(gain.std() / np.sqrt(101), rel=0.05)
    assert max(errors) < 1.3 * np.mean(errors)


def test_the_same_model_twice_gains_exactly_nothing():
    values = np.random.default_rng(0).normal(size=30)
    assert paired_difference(mean_of(values), mean_of(values.copy()), np.random.default_rng(0)) == (0.0, 0.0)


def test_a_constant_gain_is_certain():
    value, error = paired_difference(mean_of(np.arange(9)), mean_of(np.arange(9) + 2.0), np.random.default_rng(0))
    assert value == pytest.approx(2.0)
    assert error == pytest.approx(0.0, abs=1e-12)


def test_the_generator_decides():
    sides = mean_of(np.arange(9)), mean_of(np.arange(9)[::-1] ** 2)
    first, again, other = (paired_difference(*sides, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first == again
    assert first[1] != other[1]


@pytest.mark.parametrize("sources", [[0, 2, 1], [0, 1, 3]])
def test_other_sources_or_another_order_are_refused(sources):
    with pytest.raises(ValueError, match="same sources in the same order"):
        paired_difference(mean_of([1, 2, 3]), mean_of([1, 2, 3], np.array(sources)), np.random.default_rng(0))
