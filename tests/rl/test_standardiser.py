import numpy as np
import pytest
import torch

from querist.errors import QueristError
from querist.rl.standardiser import FrozenStandardiser

ROWS = torch.tensor([[1.0, 5.0, 100.0], [3.0, 5.0, 300.0]])


def test_by_hand():
    standardiser = FrozenStandardiser(3)
    standardiser.set(ROWS)
    # Means 2, 5, 200; deviations 1, none (so 1), 100; clamped at 5.
    values = torch.tensor([[[3.0, 5.5, 100.0]], [[9.0, -9.0, 200.0]]])
    assert standardiser(values).tolist() == [[[1.0, 0.5, -1.0]], [[5.0, -5.0, 0.0]]]


def test_it_does_not_depend_on_the_mode_or_the_batch():
    standardiser = FrozenStandardiser(3)
    standardiser.set(ROWS)
    assert torch.equal(standardiser.train()(ROWS)[:1], standardiser.eval()(ROWS[:1]))


def test_large_offsets_and_small_deviations_survive():
    rows = torch.from_numpy(np.array([[1e6 + 4], [1e6 - 4]], dtype=np.float32))
    standardiser = FrozenStandardiser(1)
    standardiser.set(rows)
    assert standardiser.deviation.tolist() == [4.0]


def test_it_travels_with_the_weights():
    standardiser, other = FrozenStandardiser(3), FrozenStandardiser(3)
    standardiser.set(ROWS)
    other.load_state_dict(standardiser.state_dict())
    assert torch.equal(other(ROWS), standardiser(ROWS))
    assert not list(standardiser.parameters())


def test_it_is_set_once_and_before_use():
    standardiser = FrozenStandardiser(3)
    with pytest.raises(QueristError, match="set_standardiser"):
        standardiser(ROWS)
    standardiser.set(ROWS)
    with pytest.raises(ValueError, match="before"):
        standardiser.set(ROWS)


@pytest.mark.parametrize("rows", [torch.zeros(0, 3), torch.zeros(2, 4), torch.tensor([[0.0, 0.0, torch.nan]])])
def test_what_are_no_examples_is_refused(rows):
    with pytest.raises(ValueError, match="rows"):
        FrozenStandardiser(3).set(rows)
