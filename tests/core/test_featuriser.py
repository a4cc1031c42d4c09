from types import SimpleNamespace

import numpy as np
import pytest

from querist.core.answers import Labels
from querist.core.featuriser import EmbeddingFeaturiser, FieldFeaturiser, labelled_answers, labelled_units
from querist.core.observation import Groups
from querist.core.pool import PairPool
from querist.errors import QueristError
from toy import ToyTask


class Counting(ToyTask):
    def describe(self, units, fields, rng):
        self.described = units.tolist()
        return super().describe(units, fields, rng)


def observe(task, groups, names=("spread", "both")):
    view = SimpleNamespace(asked_per_source=lambda: np.arange(20))
    game = SimpleNamespace(task=task, pool=task.pool, view=view, stream=lambda name, step: np.random.default_rng(step))
    return FieldFeaturiser(task, names).observe(game, groups, 0)


def test_fields_stand_side_by_side_and_nothing_outside_the_mask():
    task = Counting()
    units = np.array([[9, 2, -1], [40, -1, -1]])
    seen = observe(task, Groups(units, units >= 0))
    x = task.x.ravel()
    expected = np.zeros((2, 3, 3), dtype=np.float32)
    for place, unit in (((0, 0), 9), ((0, 1), 2), ((1, 0), 40)):
        expected[place] = [abs(x[unit]), x[unit], -x[unit]]
    np.testing.assert_array_equal(seen.candidates, expected)
    assert seen.candidates.dtype == np.float32
    assert seen.sources[units >= 0].tolist() == [[2], [0], [10]]
    assert seen.sources.shape == (2, 3, 1)
    assert seen.asked.tolist() == list(range(20))
    np.testing.assert_array_equal(seen.field("both")[0, 1], np.float32([x[2], -x[2]]))


def test_groups_that_overlap_are_described_once():
    task = Counting()
    seen = observe(task, Groups(np.array([[9, 2], [2, 9]]), np.ones((2, 2), dtype=bool)))
    assert task.described == [2, 9]
    np.testing.assert_array_equal(seen.candidates[0], seen.candidates[1, ::-1])


def test_nothing_is_described_for_nobody_or_without_fields():
    task = Counting()
    assert observe(task, Groups(np.full((2, 2), -1), np.zeros((2, 2), dtype=bool))).candidates.shape == (2, 2, 3)
    assert observe(task, Groups(np.array([[1]]), np.ones((1, 1), dtype=bool)), ()).candidates.shape == (1, 1, 0)
    assert not hasattr(task, "described")


def test_only_fields_by_class_tie_a_policy_to_the_classes():
    task = ToyTask()
    assert FieldFeaturiser(task, ["spread"]).schema.classes is None
    assert FieldFeaturiser(task, ["both"]).schema.classes == ("even", "odd")
    hashes = {FieldFeaturiser(task, names).schema.hash() for names in (["spread"], ["both"], ["both", "spread"], [])}
    assert len(hashes) == 4


class Embedding(Counting):
    """The embedding of a unit is (unit, -unit)."""

    def embedding_width(self):
        return 2

    def embed(self, units):
        return np.stack([units, -units], axis=1).astype(np.float32)

    def describe(self, units, fields, rng):
        found = super().describe(units, [name for name in fields if name != "embedding"], rng)
        return found | ({"embedding": self.embed(units)} if "embedding" in fields else {})


def embedded(task, units, labels, names=(), labelled=True, classes=False):
    units = np.array(units)
    view = SimpleNamespace(asked_per_source=lambda: np.arange(20), labels=lambda: labels)
    game = SimpleNamespace(task=task, pool=task.pool, view=view, stream=lambda name, step: np.random.default_rng(step))
    return EmbeddingFeaturiser(task, names, labelled, classes).observe(game, Groups(units, units >= 0), 0)


def labels(units, given=()):
    answers = tuple(np.zeros(2) for _ in units)
    return Labels(np.array(units, dtype=np.int64), answers, np.array(given, dtype=np.int64))


def test_embeddings_of_candidates_and_of_what_is_labelled():
    """Source 2 is given: its units are 8 to 11. Bought ones come first, in the order of the answers."""
    task = Embedding()
    seen = embedded(task, [[9, 2, -1], [40, -1, -1]], labels([7, 1], [2]))
    np.testing.assert_array_equal(seen.candidates[..., 0], [[9, 2, 0], [40, 0, 0]])
    np.testing.assert_array_equal(seen.candidates[..., 1], -seen.candidates[..., 0])
    np.testing.assert_array_equal(seen.state, np.array([[u, -u] for u in (7, 1, 8, 9, 10, 11)]))
    assert seen.state.dtype == seen.candidates.dtype == np.float32
    assert task.described == [1, 2, 7, 8, 9, 10, 11, 40]  # all together, each once
    assert seen.sources[0, :2, 0].tolist() == [2, 0]
    assert seen.asked.tolist() == list(range(20))


def test_fields_stand_beside_the_embedding():
    seen = embedded(Embedding(), [[9, 2]], labels([7]), ("both", "spread"), labelled=False)
    x = ToyTask().x.ravel()
    np.testing.assert_array_equal(seen.field("embedding")[0], [[9, -9], [2, -2]])
    np.testing.assert_array_equal(seen.field("both")[0], np.float32([[x[9], -x[9]], [x[2], -x[2]]]))
    np.testing.assert_array_equal(seen.field("spread")[0], np.float32(np.abs(x[[9, 2]])))
    assert seen.state.shape == (0,)
    assert seen.schema.state == ()
    assert seen.schema.classes == ("even", "odd")  # of "both"


def test_nothing_labelled_and_nobody_offered():
    assert embedded(Embedding(), [[3]], labels([])).state.shape == (0, 2)
    task = Embedding()
    nobody = embedded(task, [[-1, -1]], labels([3]))
    assert nobody.candidates.shape == (1, 2, 2)
    assert nobody.state.shape == (0, 2)
    assert not hasattr(task, "described")


def test_an_embedding_is_free_of_classes_unless_they_are_named():
    schemas = [EmbeddingFeaturiser(Embedding(), (), True, classes).schema for classes in (False, True)]
    assert [schema.classes for schema in schemas] == [None, ("even", "odd")]
    assert schemas[0].width == 2
    assert schemas[0].state[0].shape == (2,)


def test_the_units_of_whole_sources_need_a_pool_that_lists_them():
    view = SimpleNamespace(labels=lambda: labels([1], [2]))
    game = SimpleNamespace(view=view, pool=PairPool(["a", "b", "c"]))
    with pytest.raises(QueristError, match="PairPool cannot list their units"):
        labelled_units(game)
    view.labels = lambda: labels([1])
    assert labelled_units(game).tolist() == [1]


def test_answers_stand_in_the_order_of_the_units():
    """Answers bought are told as they came (zeros here); those of source 2, which was given, are the task's own."""
    task = ToyTask()
    game = SimpleNamespace(view=SimpleNamespace(labels=lambda: labels([7, 1], [2])), pool=task.pool, task=task)
    units, answers = labelled_answers(game)
    x, y = task.x.ravel(), task.y.ravel()
    assert units.tolist() == [7, 1, 8, 9, 10, 11]
    np.testing.assert_array_equal(answers, [[0, 0], [0, 0], *([x[u], y[u]] for u in (8, 9, 10, 11))])


def test_a_starting_set_whose_labels_nobody_shows():
    task = ToyTask()
    view = SimpleNamespace(labels=lambda: labels([7], [2]))
    game = SimpleNamespace(view=view, pool=task.pool, task=object())
    with pytest.raises(QueristError, match="object cannot show the labels of its starting set") as raised:
        labelled_answers(game, "set labelled_side: estimated")
    assert raised.value.fix == "give it truth(units), or set labelled_side: estimated"
    view.labels = lambda: labels([7])
    assert labelled_answers(game)[0].tolist() == [7]  # nothing was given: nobody is asked
