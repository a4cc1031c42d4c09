from types import SimpleNamespace

import numpy as np

from querist.core.featuriser import FieldFeaturiser
from querist.core.observation import Groups
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
