import numpy as np
import pytest

from querist.acquisition.bald import Bald
from querist.core.observation import Field, Groups, Observation, Schema
from querist.errors import QueristError
from tiny import SplitNet, tiny_task

SCHEMA = Schema((Field("other"), Field("mutual_information")))
VALUES = np.array([[0.1, 0.9, 0.5, 0.7], [0.4, 0.2, 0.2, 0.8]], dtype=np.float32)


def choose(mask, k):
    units = np.where(mask, np.arange(8).reshape(2, 4), -1)
    candidates = np.stack([-VALUES, VALUES], axis=2)
    seen = Observation(Groups(units, mask), candidates, SCHEMA, units[:, :, None])
    return Bald().select(seen, k, np.random.default_rng(0))


def test_the_largest_disagreement_is_asked_about_first():
    found = choose(np.ones((2, 4), dtype=bool), 3)
    assert found.indices.tolist() == [[1, 3, 2], [3, 0, 1]]  # the tie of 0.2 goes to the earlier candidate
    np.testing.assert_array_equal(found.scores, np.float32([[0.9, 0.7, 0.5], [0.8, 0.4, 0.2]]))


def test_the_mask_is_kept():
    mask = np.array([[True, False, True, True], [False, False, False, True]])
    assert choose(mask, 2).indices.tolist() == [[3, 2], [3, -1]]


def test_a_model_without_a_head_apart_is_refused_before_the_run():
    Bald().check(tiny_task(model=SplitNet(3)))
    with pytest.raises(QueristError, match="needs the field 'mutual_information'"):
        Bald().check(tiny_task())
