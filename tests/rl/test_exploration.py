import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.errors import QueristError
from querist.rl.exploration import EpsilonSchedule, coherent_actions, uniform_actions

seeds = st.integers(0, 2**32 - 1)


def pools(seed, groups=6, width=8, features=4):
    rng = np.random.default_rng(seed)
    mask = rng.random((groups, width)) < 0.7
    return rng.normal(size=(groups, width, features)), mask


@pytest.mark.parametrize(("n", "value"), [(0, 0.90), (10, 0.363), (20, 0.165), (30, 0.092)])
def test_epsilon_of_ralis(n, value):
    assert round(EpsilonSchedule().value(n), 3) == value
    assert EpsilonSchedule().value(n) == pytest.approx(0.05 + 0.85 * math.exp(-n / 10), rel=1e-12)


def test_one_coin_for_a_step_or_one_for_each_sub_action():
    rng = np.random.default_rng(0)
    half = {"floor": 0.5, "span": 0.0}
    step = np.array([EpsilonSchedule(**half).explore(0, 5, rng) for _ in range(200)])
    assert set(step.sum(axis=1)) == {0, 5}
    assert 70 < step[:, 0].sum() < 130
    each = np.array([EpsilonSchedule(**half, unit="sub_action").explore(0, 5, rng) for _ in range(200)])
    assert len(set(each.sum(axis=1))) == 6
    assert 420 < each.sum() < 580


def test_certain_and_impossible_exploration():
    rng = np.random.default_rng(0)
    assert EpsilonSchedule(1.0, 0.0).explore(7, 3, rng).all()
    assert not EpsilonSchedule(0.0, 0.0).explore(7, 3, rng).any()


@pytest.mark.parametrize("wrong", [{"floor": -0.1}, {"span": 0.96}, {"decay": 0}, {"unit": "pool"}])
def test_what_is_no_schedule_is_refused(wrong):
    with pytest.raises(QueristError, match="exploration"):
        EpsilonSchedule(**wrong)


@given(seed=seeds, temperature=st.sampled_from([0.0, 1.0]))
@settings(max_examples=60)
def test_choices_lie_inside_the_mask(seed, temperature):
    features, mask = pools(seed)
    rng = np.random.default_rng(seed)
    for actions in (uniform_actions(mask, rng), coherent_actions(features, mask, rng, temperature)):
        assert actions.shape == (6,)
        for action, inside in zip(actions, mask, strict=True):
            assert inside[action] if inside.any() else action == -1


def test_uniform_choices_are_uniform():
    mask = np.array([[True, False, True, True]])
    rng = np.random.default_rng(1)
    counts = np.bincount([uniform_actions(mask, rng)[0] for _ in range(900)], minlength=4)
    assert counts[1] == 0
    assert np.abs(counts[[0, 2, 3]] - 300).max() < 5 * math.sqrt(900 * 2 / 9)


@given(seed=seeds)
@settings(max_examples=30)
def test_a_coherent_step_follows_one_direction(seed):
    features, mask = pools(seed)
    features[..., 3] = 7.0  # does not vary, so it must not matter
    direction = np.random.default_rng(seed).standard_normal(4)
    seen = features[mask][:, :3]
    scores = (features[..., :3] - seen.mean(axis=0)) / seen.std(axis=0) @ direction[:3]
    expected = [row.argmax() if i.any() else -1 for row, i in zip(np.where(mask, scores, -np.inf), mask, strict=True)]
    assert coherent_actions(features, mask, np.random.default_rng(seed)).tolist() == expected


@given(seed=seeds)
@settings(max_examples=30)
def test_units_of_features_do_not_matter(seed):
    features, mask = pools(seed)
    scaled = features * [1e4, 1e-4, 1, 3] + [5, 0, -2, 1]
    ours, theirs = (coherent_actions(f, mask, np.random.default_rng(seed)) for f in (features, scaled))
    assert ours.tolist() == theirs.tolist()


def test_batches_of_coherent_steps_differ_more_than_those_of_uniform_ones():
    features, mask = pools(0, groups=20, width=10)
    mask[:] = True
    rng = np.random.default_rng(0)

    def spread(choose):
        means = [features[np.arange(20), choose()].mean(axis=0) for _ in range(50)]
        return np.std(means, axis=0).mean()

    coherent, uniform = (
        spread(lambda: coherent_actions(features, mask, rng)),
        spread(lambda: uniform_actions(mask, rng)),
    )
    assert coherent > 2 * uniform


def test_temperature_lies_between_the_argmax_and_chance():
    features = np.array([[[0.0], [1.0], [2.0]]])
    mask = np.ones((1, 3), dtype=bool)
    scores = np.array([-1, 0, 1]) * math.sqrt(1.5)
    chances = np.exp(scores / 2) / np.exp(scores / 2).sum()
    counts = np.zeros(3)
    for seed in range(1500):
        upwards = np.random.default_rng(seed).standard_normal(1)[0] > 0
        action = coherent_actions(features, mask, np.random.default_rng(seed), temperature=2.0)[0]
        counts[action if upwards else 2 - action] += 1
    assert np.abs(counts / 1500 - chances).max() < 0.06


def test_an_empty_step():
    nothing = np.zeros((2, 3, 4)), np.zeros((2, 3), dtype=bool)
    assert coherent_actions(*nothing, np.random.default_rng(0)).tolist() == [-1, -1]


def test_what_does_not_fit_is_refused():
    features, mask = pools(0)
    with pytest.raises(ValueError):
        coherent_actions(features[:2], mask, np.random.default_rng(0))
    with pytest.raises(ValueError):
        coherent_actions(features, mask, np.random.default_rng(0), temperature=-1)
