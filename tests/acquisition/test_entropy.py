import numpy as np

from querist.acquisition.entropy import Entropy
from querist.core.observation import Field, Groups, Observation, Schema

SCHEMA = Schema((Field("other"), Field("entropy")))
VALUES = np.array([[0.1, 0.9, 0.5, 0.7], [0.4, 0.2, 0.2, 0.8]], dtype=np.float32)


def choose(mask, k):
    units = np.where(mask, np.arange(8).reshape(2, 4), -1)
    candidates = np.stack([-VALUES, VALUES], axis=2)
    seen = Observation(Groups(units, mask), candidates, SCHEMA, units[:, :, None])
    return Entropy().select(seen, k, np.random.default_rng(0))


def test_the_most_spread_out_prediction_is_asked_first():
    found = choose(np.ones((2, 4), dtype=bool), 3)
    assert found.indices.tolist() == [[1, 3, 2], [3, 0, 1]]  # the tie of 0.2 goes to the earlier candidate
    np.testing.assert_array_equal(found.scores, np.float32([[0.9, 0.7, 0.5], [0.8, 0.4, 0.2]]))


def test_the_mask_is_kept():
    mask = np.array([[True, False, True, True], [False, False, False, True]])
    assert choose(mask, 2).indices.tolist() == [[3, 2], [3, -1]]


def test_it_asks_the_task_for_entropy_alone():
    assert Entropy.fields == ("entropy",)
    assert Entropy.needs == ()
