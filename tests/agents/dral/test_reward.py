from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.agents.dral.config import FAITHFUL, SOUND
from querist.agents.dral.reward import Hardness
from querist.core.policy import Selection
from querist.core.reward import Timing
from querist.pairs.featuriser import GraphObservation
from toy_pairs import a_graph

LINE = a_graph([0.0, 1.0, 3.0, 7.0])
"""Squared distances to the anchor 1, 9, 49; typical 2, strangers at 99."""


def printed(graph, place, same):
    return Hardness(FAITHFUL).of(graph, place, same)


def sound(graph, place, same):
    return Hardness(SOUND).of(graph, place, same)


def test_as_printed_the_stranger_stands_in_until_somebody_is_known_to_differ():
    """In the largest distance of the graph, 49."""
    assert printed(LINE, 1, False) == pytest.approx(0.3 - 9 / 49 + 99 / 49)
    assert printed(LINE, 1, True) == 0  # 0.3 + 9 / 49 - 99 / 49
    known = LINE.after(2, False)
    assert printed(known, 1, True) == pytest.approx(max(0, 0.3 + 9 / 49 - 16 / 49))
    assert printed(known, 0, False) == pytest.approx(0.3 - 1 / 49 + 36 / 49)


def test_all_that_is_known_counts():
    """Of the neighbour at 3: positives at 0 and 1, the negative at 7."""
    known = LINE.after(0, True).after(2, False)
    assert printed(known, 1, True) == pytest.approx(0.3 + 9 / 49 - 16 / 49)  # the farthest positive is the anchor
    other = a_graph([0.0, 1.0, 3.0, -7.0]).after(2, True).after(0, False)
    # Of the one at 3: positives at 0 and -7 (100), the negative at 1 (4); the largest is 100.
    assert printed(other, 1, True) == pytest.approx(0.3 + 100 / 100 - 4 / 100)
    assert printed(other, 1, False) == 0


def test_nobody_could_tell_makes_no_negative():
    assert sound(LINE.after(2, None), 1, True) == sound(LINE, 1, True)


def test_on_the_scale_of_the_pool_with_the_mean_of_the_others():
    """The neighbour at 3 lies 4 and 16 from the others, 10 in the mean; typical is 2."""
    assert sound(LINE, 1, True) == pytest.approx(max(0, 0.3 + 9 / 2 - 10 / 2))
    assert sound(LINE, 1, False) == pytest.approx(0.3 - 9 / 2 + 10 / 2)
    assert sound(LINE, 2, True) == pytest.approx(0.3 + 49 / 2 - (36 + 16) / 2 / 2)
    known = LINE.after(2, False)
    assert sound(known, 1, True) == pytest.approx(max(0, 0.3 + 9 / 2 - 16 / 2))


def test_a_lonely_neighbour_has_nobody_to_be_compared_with():
    assert sound(a_graph([0.0, 2.0]), 0, True) == pytest.approx(0.3 + 4 / 2)


def test_twins_are_no_trouble():
    twins = replace(a_graph([1.0, 1.0, 1.0]), stranger=np.zeros(2))
    assert printed(twins, 0, True) == printed(twins, 0, False) == pytest.approx(0.3)


@given(st.integers(3, 8), st.integers(0, 99), st.booleans(), st.booleans(), st.booleans())
def test_it_is_never_negative(n, seed, one, other, faithful):
    rng = np.random.default_rng(seed)
    graph = a_graph(rng.normal(size=(n, 2)))
    reward = Hardness(FAITHFUL if faithful else SOUND)
    assert reward.of(graph, 1, one) >= 0
    assert reward.of(graph.after(1, one), 0, other) >= 0


def measured(answers, graph=LINE):
    observation = object.__new__(GraphObservation)
    object.__setattr__(observation, "graph", graph)
    outcome = SimpleNamespace(observation=observation, answers=answers, selection=Selection(np.array([[1]])))
    return Hardness(SOUND).measure(None, outcome)


def test_a_step_is_paid_for_its_question():
    assert Hardness.timing is Timing.AT_ONCE
    assert measured([np.array(False)]).value == pytest.approx(0.8)
    assert measured([np.array(False)]).standard_error == 0
    assert measured([None]).value == 0
    assert measured([]).value == 0
    assert measured([np.array(True)], None).value == 0
