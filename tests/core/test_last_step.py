from types import SimpleNamespace

import numpy as np
import pytest

from querist.core.last_step import LastStep
from querist.core.ledger import Question
from querist.core.step import Outcome

ASKED = Question(7, 0, 0, 0, 1)


class Adding:
    """Learns the sum of the answers."""

    def __init__(self):
        self.total = np.zeros(1)
        self.streams = []

    def snapshot(self):
        return {"total": self.total.copy()}

    def restore(self, snapshot):
        self.total = snapshot["total"].copy()

    def learn(self, game, outcome, rng):
        self.streams.append(rng)
        self.total = self.total + sum(a for a in outcome.answers if a is not None)
        return {"total": float(self.total[0])}


class World:
    """A game whose ledger is a dictionary."""

    def __init__(self):
        self.answers = {7: np.array(2.0)}
        self.ledger = SimpleNamespace(answer=lambda question, answer, revision: self.answers.update({question: answer}))
        self.view = SimpleNamespace(refresh=lambda: None, answer=self.answers.get)

    def stream(self, name, step):
        return name, step


@pytest.fixture
def table():
    policy, eyes, world = Adding(), Adding(), World()
    return LastStep(policy, eyes), policy, eyes, world


def settle(last, policy, world, hold=True, final=False):
    last.opening()
    if hold:
        last.hold()
    outcome = Outcome(3, None, None, [ASKED], [world.answers[7]], {"seconds": 1.0})
    policy.learn(world, outcome, None)
    last.settled(outcome, final)


def test_the_policy_never_learned_what_is_taken_back(table):
    last, policy, _, world = table
    policy.total = np.array([10.0])
    settle(last, policy, world)
    assert policy.total == 12
    assert last.questions == [ASKED]
    assert last.correct(world, 7, np.array(5.0), 1) == {"seconds": 1.0, "total": 15.0}
    assert policy.total == 15
    assert last.correct(world, 7, None, 2) == {"seconds": 1.0, "total": 10.0}  # and once more
    assert policy.streams[1:] == [("learn", 3)] * 2


@pytest.mark.parametrize(("hold", "final"), [(False, False), (True, True)])
def test_what_was_not_held_or_counts_already_stays(table, hold, final):
    last, policy, _, world = table
    settle(last, policy, world, hold, final)
    assert list(last.questions) == []
    with pytest.raises(AssertionError):
        last.correct(world, 7, np.array(5.0), 1)


def test_only_the_last_step_can_be_taken_back(table):
    last, policy, _, world = table
    settle(last, policy, world)
    settle(last, policy, world, hold=False)
    assert list(last.questions) == []


def test_what_was_seen_of_the_open_step_is_forgotten(table):
    last, policy, eyes, world = table
    settle(last, policy, world)
    last.opening()
    eyes.total = np.array([3.0])
    last.reopen(None)
    assert eyes.total == 3
    last.reopen(object())
    assert eyes.total == 0
