import copy
from inspect import getattr_static

import numpy as np
import pytest

from querist.core.answers import Labels
from querist.core.capabilities import CountsAnswers, Embeds, EvaluatesSmoothly, KnowsTruth
from querist.core.evaluation import Evaluation
from querist.core.trials import on_trial
from toy import ToyTask

SOURCES = np.arange(4)


class SmoothTask(ToyTask):
    """Measured by a number that nobody else would give."""

    def evaluate_smoothly(self, sources):
        return Evaluation(sources, np.full((len(sources), 1), 7.0), lambda s: s[..., 0], lambda s: s)


def labels(task, units):
    units = np.array(units)
    return Labels(units, tuple(task.truth(units)), np.zeros(0, dtype=np.int64))


@pytest.mark.parametrize("phase", ["start", "step", "final"])
def test_every_training_is_a_final_one(phase):
    task, other = ToyTask(), ToyTask()
    trial, bought = on_trial(task), labels(task, [1, 5])
    trial.fit(bought, new=bought, steps=6, phase=phase, rng=np.random.default_rng(0))
    other.fit(bought, new=bought, steps=6, phase="final", rng=np.random.default_rng(0))
    assert task.fits == [("final", 2, 2)]
    np.testing.assert_array_equal(task.weights, other.weights)


def test_it_is_measured_smoothly_where_that_can_be():
    assert on_trial(SmoothTask()).evaluate(SOURCES).value == 4 * 7.0
    assert on_trial(ToyTask()).evaluate(SOURCES).value == ToyTask().evaluate(SOURCES).value


def test_it_can_what_the_other_can_and_shares_its_model():
    task = SmoothTask()
    trial = on_trial(task)
    for capability in (KnowsTruth, CountsAnswers, EvaluatesSmoothly):
        assert trial.can(capability)
        assert isinstance(trial, capability)
    getattr_static(trial, "truth")  # which is how later versions of Python look for what a protocol names
    assert not trial.can(Embeds)
    assert not isinstance(trial, Embeds)
    before = trial.snapshot()
    task.weights = np.array([3.0, 4.0])
    (_, found), *_ = trial.predict(SOURCES)
    np.testing.assert_array_equal(found, 3.0 * task.x[SOURCES] + 4.0)
    trial.restore(before)
    assert task.weights.tolist() == [0.0, 0.0]
    assert copy.copy(trial).pool is task.pool
    with pytest.raises(AttributeError, match="nothing_like_it"):
        trial.nothing_like_it  # noqa: B018 - it shall fail
