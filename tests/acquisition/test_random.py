from types import SimpleNamespace

import numpy as np

from querist.acquisition.random import Random
from querist.core.observation import Groups, Observation, Schema


def seen(mask):
    units = np.where(mask, np.arange(mask.size).reshape(mask.shape), -1)
    return Observation(Groups(units, mask), np.zeros((*mask.shape, 0)), Schema(()), units[:, :, None])


def test_every_candidate_has_the_same_chance():
    mask = np.array([[True, False, True, True, True], [True, True, False, False, True]])
    observation, counts = seen(mask), np.zeros(mask.shape)
    rounds = 3000
    for step in range(rounds):
        found = Random().select(observation, 2, np.random.default_rng(step)).indices
        np.put_along_axis(counts, found, np.take_along_axis(counts, found, 1) + 1, axis=1)
    expected = np.where(mask, 2 * rounds / mask.sum(axis=1, keepdims=True), 0)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(rounds / 4)
    assert (counts[~mask] == 0).all()


def test_picks_do_not_depend_on_each_other():
    observation = seen(np.ones((1, 4), dtype=bool))
    pairs = np.zeros((4, 4))
    for step in range(3000):
        a, b = Random().select(observation, 2, np.random.default_rng(step)).indices[0]
        pairs[a, b] += 1
    assert (np.diag(pairs) == 0).all()
    assert np.abs(pairs[~np.eye(4, dtype=bool)] - 250).max() < 5 * np.sqrt(250)


def test_the_stream_decides_and_nothing_is_needed_of_the_task():
    observation = seen(np.ones((2, 50), dtype=bool))
    first, again, other = (Random().select(observation, 3, np.random.default_rng(s)).indices for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    Random().check(SimpleNamespace(fields={}))  # type: ignore[arg-type]
