import numpy as np
import pytest
import torch

from querist.core.capabilities import EstimatesDeepInfluence, EstimatesInfluence, KnowsTruth, RehearsesStill
from querist.nn.runtime import seeded
from tiny import CLASSES, SplitNet, TinyNet, labels_of, tiny_data, tiny_task

REWARD = np.array([1, 3])
UNITS = np.array([40, 0, 4, 13, 31])


def a_task(net=SplitNet):
    with seeded(0):
        return tiny_task(tiny_data(), net(len(CLASSES)))


@pytest.fixture
def pair():
    task = a_task()
    return task, task.still_rehearsal(np.arange(6))


def test_it_says_what_the_model_said(pair):
    task, still = pair
    rng = np.random.default_rng(0)
    fields = [name for name in task.fields if name != "mutual_information"]
    assert list(still.fields) == fields
    expected = task.describe(UNITS, fields, rng)
    for units in (UNITS, UNITS[:2], UNITS):  # looked at anew, and from memory
        found = still.describe(units, fields, rng)
        for name in fields:
            np.testing.assert_allclose(found[name], expected[name][: len(units)], rtol=1e-5, atol=1e-6)
    assert still.describe(UNITS[:0], ["entropy"], rng)["entropy"].shape == (0,)
    assert still.evaluate(REWARD).value == task.evaluate(REWARD).value
    for capability in (EstimatesInfluence, EstimatesDeepInfluence, KnowsTruth):
        assert still.can(capability)
        assert isinstance(still, capability)


@pytest.mark.parametrize("kind", ["influence", "deep_influence"])
@pytest.mark.parametrize("told", [True, False])
def test_labels_are_worth_what_they_were_worth(pair, kind, told):
    task, still = pair
    answers = task.truth(UNITS) if told else None
    expected = getattr(task, kind)(UNITS, answers, REWARD)
    for _ in range(2):
        np.testing.assert_allclose(getattr(still, kind)(UNITS, answers, REWARD), expected, rtol=1e-3, atol=1e-4)
    few = None if answers is None else answers[:2]
    np.testing.assert_allclose(getattr(still, kind)(UNITS[:2], few, REWARD), expected[:2], rtol=1e-3, atol=1e-4)
    assert not np.allclose(getattr(still, kind)(UNITS, answers, REWARD[:1]), expected, rtol=1e-2)


def test_it_does_not_learn_and_what_the_task_learns_is_not_its(pair):
    task, still = pair
    labels = labels_of(task, [0, 13], [5, 2])
    before = still.deep_influence(UNITS, None, REWARD)
    assert still.fit(labels, new=labels, steps=5, phase="step", rng=np.random.default_rng(0)) == {}
    weights = [p.detach().clone() for p in task.model.parameters()]
    task.fit(labels, new=labels, steps=5, phase="start", rng=np.random.default_rng(0))
    assert any(not torch.equal(a, b) for a, b in zip(weights, task.model.parameters(), strict=True))
    np.testing.assert_array_equal(still.deep_influence(UNITS, None, REWARD), before)
    np.testing.assert_array_equal(
        task.still_rehearsal(np.arange(6)).deep_influence(UNITS, None, REWARD) == before, False
    )


def test_a_model_that_cannot_be_split_has_none():
    assert not a_task(TinyNet).can(RehearsesStill)
