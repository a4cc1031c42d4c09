from types import SimpleNamespace

import numpy as np
import pytest

from querist.acquisition.expected_influence import ExpectedInfluence
from querist.acquisition.registry import strategy
from querist.core.observation import Groups
from querist.core.split import Role, Split
from querist.errors import QueristError
from toy import ToyTask, toy_split


class Influential(ToyTask):
    """Unit u is expected to be worth (7 u) mod 10."""

    def influence(self, units, answers, sources):
        assert answers is None
        self.measured = sources.tolist()
        return ((7 * units) % 10).astype(np.float32)


def test_the_largest_expectation_of_each_group():
    """Worth: units 1, 2, 3: 7, 4, 1; units 5, 6: 5, 2, and 4 (8) is masked."""
    task = Influential()
    chosen = strategy("expected_influence/group", task)
    groups = Groups(np.array([[2, 1, 3], [6, 5, 4]]), np.array([[True, True, True], [True, True, False]]))
    game = SimpleNamespace(task=task, split=toy_split(), pool=task.pool)
    seen = chosen.featuriser.observe(game, groups, 0)
    assert task.measured == toy_split().sources(Role.REWARD).tolist()
    selection = chosen.policy.select(seen, 2, np.random.default_rng(0))
    assert selection.indices.tolist() == [[1, 0], [1, 0]]
    assert selection.scores.tolist() == [[7.0, 4.0], [5.0, 2.0]]


def test_it_needs_a_task_that_can_tell_and_a_reward_set():
    with pytest.raises(QueristError, match="EstimatesInfluence"):
        strategy("expected_influence/global", ToyTask())
    task = Influential()
    game = SimpleNamespace(task=task, split=Split(np.full(20, Role.POOL)), pool=task.pool)
    with pytest.raises(QueristError, match="no reward set"):
        ExpectedInfluence().own_featuriser(task).observe(game, Groups(np.array([[1]]), np.ones((1, 1), bool)), 0)
