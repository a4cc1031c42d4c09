from types import SimpleNamespace

import numpy as np
import pytest

from querist.core.last_step import LastStep
from querist.core.observation import Groups
from querist.core.questions import Question
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
    """A game whose view is a dictionary."""

    def __init__(self):
        self.answers, self.offered = {7: np.array(2.0)}, np.array([0])
        self.view = SimpleNamespace(answer=self.answers.get)

    def stream(self, name, step):
        return name, step


@pytest.fixture
def table():
    policy, eyes, world = Adding(), Adding(), World()
    return LastStep(policy, eyes), policy, eyes, world


def settle(last, policy, world, hold=True, final=False):
    """The log of a step that was played."""
    last.opening()
    if hold:
        last.hold()
    seen = SimpleNamespace(groups=Groups(world.offered[None], np.ones((1, 1), dtype=bool)))
    outcome = Outcome(3, seen, None, [ASKED], [world.answers[7]], {"seconds": 1.0})
    log = outcome.log | policy.learn(world, outcome, None)
    last.settled(outcome, final, log)
    return log


def correct(last, world, answer):
    world.answers[7] = answer
    last.relearn(world)


def test_the_policy_never_learned_what_is_taken_back(table):
    last, policy, _, world = table
    policy.total = np.array([10.0])
    log = settle(last, policy, world)
    assert policy.total == 12
    assert last.questions == [ASKED]
    correct(last, world, np.array(5.0))
    assert log == {"seconds": 1.0, "total": 15.0}
    assert policy.total == 15
    correct(last, world, None)  # and once more
    assert log == {"seconds": 1.0, "total": 10.0}
    assert policy.streams[1:] == [("learn", 3)] * 2


@pytest.mark.parametrize(("hold", "final"), [(False, False), (True, True)])
def test_what_was_not_held_or_counts_already_stays(table, hold, final):
    last, policy, _, world = table
    settle(last, policy, world, hold, final)
    assert list(last.questions) == []
    with pytest.raises(AssertionError):
        last.relearn(world)


def test_only_the_last_step_can_be_taken_back(table):
    last, policy, _, world = table
    settle(last, policy, world)
    settle(last, policy, world, hold=False)
    assert list(last.questions) == []


def test_what_is_held_is_the_policy_after_a_correction(table):
    last, policy, _, world = table
    settle(last, policy, world)
    last.hold()  # while people think
    correct(last, world, np.array(5.0))
    settle(last, policy, world)
    assert policy.total == 10
    correct(last, world, np.array(1.0))
    assert policy.total == 6


def test_an_answer_about_what_is_not_offered_any_more_teaches_nothing(table):
    last, policy, _, world = table
    world.offered = np.array([4])
    settle(last, policy, world)
    correct(last, world, np.array(5.0))
    assert policy.total == 0


def test_what_was_seen_of_the_open_step_is_forgotten(table):
    last, policy, eyes, world = table
    settle(last, policy, world)
    last.opening()
    eyes.total = np.array([3.0])
    last.reopen()
    assert eyes.total == 0
