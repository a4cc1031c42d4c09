import numpy as np
import pytest

from querist.pairs.likeness import match_probability


def test_one_half_is_in_the_middle_and_the_ends_are_alike():
    found = match_probability(np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert found[2] == 0.5
    np.testing.assert_allclose(found + found[::-1], 1.0)
    assert found[4] == pytest.approx(1 / (1 + np.exp(-4.0)))
    assert (np.diff(found) > 0).all()
