from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.capabilities import Embeds, KnowsTruth
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.policy import Acquisition, Policy, Selection, check_selection, schema_mismatch, top_k
from querist.errors import QueristError
from toy import ToyTask

SCHEMA = Schema((Field("value"),))
RNG = np.random.default_rng(0)


def seen(values, mask=None, schema=SCHEMA):
    values = np.atleast_2d(np.asarray(values, dtype=np.float32))
    mask = np.ones(values.shape, dtype=bool) if mask is None else np.atleast_2d(mask)
    units = np.where(mask, np.arange(values.size).reshape(values.shape), -1)
    return Observation(Groups(units, mask), values[:, :, None], schema, units[:, :, None])


class ByValue(Acquisition):
    fields = ("value",)

    def score(self, observation, rng):
        return observation.field("value")


class Fixed(Policy):
    def __init__(self, *rows, schema=None):
        self.rows, self.schema = np.array(rows), schema

    def _select(self, observation, k, rng):
        return Selection(self.rows)


def test_the_largest_are_chosen_and_ties_go_to_the_earlier():
    scores = np.array([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    mask = np.array([[True, True, True, True], [False, True, False, True]])
    found = top_k(scores, mask, 3)
    assert found.indices.tolist() == [[1, 2, 3], [1, 3, -1]]
    assert found.scores.tolist() == [[3.0, 3.0, 2.0], [0.0, 0.0, 0.0]]


def test_a_mask_outweighs_every_score():
    mask = np.array([[False, True, False, True]])
    scores = np.array([[np.inf, -np.inf, np.nan, -np.inf]])
    assert top_k(scores, mask, 2).indices.tolist() == [[1, 3]]
    assert top_k(scores, mask, 6).indices.tolist() == [[1, 3, -1, -1, -1, -1]]  # more than there are columns
    with pytest.raises(ValueError, match="not a number"):
        top_k(np.array([[np.nan, 1.0]]), np.ones((1, 2), dtype=bool), 1)


SCORES = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0, np.inf])


@settings(max_examples=60)
@given(st.lists(st.lists(st.tuples(SCORES, st.booleans()), min_size=5, max_size=5), min_size=1, max_size=3), st.data())
def test_top_k_is_the_sorted_head(rows, data):
    k = data.draw(st.integers(0, 7))
    scores, mask = (np.array([[pair[i] for pair in row] for row in rows]) for i in (0, 1))
    found = top_k(scores, mask, k)
    check_selection(found, seen(np.zeros(mask.shape), mask), k)
    for row, inside, picks in zip(scores, mask, found.indices, strict=True):
        expected = sorted(np.flatnonzero(inside).tolist(), key=lambda i: -row[i])[:k]  # Python's sort is stable
        assert picks.tolist() == expected + [-1] * (k - len(expected))


@pytest.mark.parametrize(
    ("indices", "k", "words"),
    [
        ([[0, 0]], 2, "repeats"),
        ([[2, 0]], 2, "leaves the mask"),
        ([[0, 9]], 2, "leaves the mask"),
        ([[0, -1]], 2, "takes 1 where 2"),
        ([[-1]], 1, "takes 0 where 1"),
        ([[0, 1]], 1, "must be"),
        ([[0], [1]], 1, "must be"),
    ],
)
def test_a_policy_that_breaks_the_rules_is_caught(indices, k, words):
    observation = seen([1, 2, 3, 4], [True, True, False, True])
    with pytest.raises(ValueError, match=words):
        Fixed(*indices).select(observation, k, RNG)


def test_as_much_as_there_is_is_enough():
    check_selection(Selection(np.array([[1, 0, -1]])), seen([1, 2, 3], [True, True, False]), 3)
    found = ByValue().select(seen(np.zeros((2, 3)), np.zeros((2, 3), dtype=bool)), 2, RNG)
    assert found.indices.tolist() == [[-1, -1], [-1, -1]]


def test_a_policy_refuses_the_food_of_another():
    mine = Schema((Field("value", high=1.0),))
    observation = seen([1, 2])
    assert Fixed([0], schema=SCHEMA).select(observation, 1, RNG).indices.tolist() == [[0]]
    with pytest.raises(QueristError) as caught:
        Fixed([0], schema=mine).select(observation, 1, RNG)
    assert mine.hash() in caught.value.what
    assert SCHEMA.hash() in caught.value.what
    assert "Fixed" in caught.value.what


def test_what_a_policy_needs_is_checked_before_the_run():
    task = ToyTask()
    with pytest.raises(QueristError, match="ByValue needs the field 'value'; ToyTask offers spread, both"):
        ByValue().check(task)

    class Wants(ByValue):
        fields = ("spread",)
        needs = (KnowsTruth,)

    Wants().check(task)
    Wants.needs = (KnowsTruth, Embeds)
    with pytest.raises(QueristError, match="Wants needs a task that Embeds, and ToyTask does not"):
        Wants().check(task)
    with pytest.raises(QueristError, match="offers none"):
        ByValue().check(SimpleNamespace(fields={}))  # type: ignore[arg-type]


def test_a_policy_without_memory_keeps_none():
    policy = ByValue()
    assert policy.snapshot() == {}
    policy.restore({})
    with pytest.raises(ValueError, match="keeps no state"):
        policy.restore({"weights": np.zeros(1)})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Schema((Field("a", (2,)),), (), ("sky", "car")), "class-free"),
        (Schema((Field("a", ()),), (), ("heaven", "car")), "2 classes): sky there, heaven here"),
        (Schema((Field("a", ()),), (), ("car", "sky")), "the classes are in another order"),
        (Schema((Field("a", (), 0.0, 9.0),), (), ("sky", "car")), "their values have other ranges"),
    ],
)
def test_two_schemas_are_told_apart_in_words(given, words):
    trained = Schema((Field("a", (), 0.0, 1.0),), (), None if words == "class-free" else ("sky", "car"))
    told = str(schema_mismatch("ralis/faithful", trained, given))
    assert f"trained on schema {trained.hash()} (candidates: a" in told
    assert f"gives schema {given.hash()} (candidates: a" in told
    assert words in told
