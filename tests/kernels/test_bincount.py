import pytest
import torch

from querist.kernels.bincount import narrowest_integer, rowwise_bincount


@pytest.mark.parametrize(
    ("stop", "dtype"),
    [
        (1, torch.uint8),
        (256, torch.uint8),
        (257, torch.int16),
        (32768, torch.int16),
        (32769, torch.int32),
        (2**31 + 1, torch.int64),
    ],
)
def test_narrowest_integer_holds_the_largest_value(stop, dtype):
    assert narrowest_integer(stop) == dtype
    assert torch.tensor(stop - 1, dtype=dtype).item() == stop - 1


def test_rowwise_bincount_by_hand():
    ids = torch.tensor([[0, 2, 2], [1, 1, 1]], dtype=torch.uint8)
    counts = rowwise_bincount(ids, 4)
    assert counts.tolist() == [[1, 0, 2, 0], [0, 3, 0, 0]]
    assert counts.dtype == torch.int64


def test_no_rows_and_no_columns():
    assert rowwise_bincount(torch.zeros(0, 3, dtype=torch.uint8), 2).shape == (0, 2)
    assert rowwise_bincount(torch.zeros(2, 0, dtype=torch.uint8), 2).tolist() == [[0, 0], [0, 0]]
