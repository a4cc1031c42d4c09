import numpy as np
import pytest

from querist.core.ledger import Question
from querist.core.oracle import SilentOracle, SimulatedOracle
from querist.errors import QueristError
from toy import ToyTask


def question(number, unit):
    return Question(number, unit, 0, 0, 1)


def test_the_truth_comes_once_for_every_question():
    task = ToyTask()
    oracle = SimulatedOracle(task)
    oracle.submit([question(7, 3), question(9, 40)])
    oracle.submit([question(7, 3)])  # a resumed step submits again
    found = dict(oracle.collect())
    assert list(found) == [7, 9]
    for number, unit in ((7, 3), (9, 40)):
        source, part = divmod(unit, 4)
        np.testing.assert_array_equal(found[number], [task.x[source, part], task.y[source, part]])
    assert list(oracle.collect()) == []


def test_only_what_was_asked_is_looked_up():
    task = ToyTask()
    looked = []
    task.truth = lambda units: looked.extend(units.tolist()) or [np.zeros(1)] * len(units)
    oracle = SimulatedOracle(task)
    assert list(oracle.collect()) == []
    oracle.submit([question(1, 12)])
    list(oracle.collect())
    assert looked == [12]


def test_a_task_without_truth_cannot_be_simulated():
    class Blind(ToyTask):
        truth = None

    with pytest.raises(QueristError, match="Blind holds no true answers"):
        SimulatedOracle(Blind())


def test_silence():
    oracle = SilentOracle()
    oracle.submit([question(1, 2)])
    assert list(oracle.collect()) == []
