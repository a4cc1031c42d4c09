import pytest
import torch

from querist.kernels.distances import nearest_squared, squared_distance_blocks


def rows(n, d=5, seed=0, shift=0.0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


@pytest.mark.parametrize("cells", [1, 30, 10**6])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_blocks_make_up_the_distance_matrix(cells, shift):
    x, y = rows(17, shift=shift), rows(9, seed=1, shift=shift)
    expected = (x[:, None].double() - y[None].double()).square().sum(dim=2)
    whole = torch.full((17, 9), -1.0)
    for where, block in squared_distance_blocks(x, y, cells):
        assert where.stop - where.start == len(block) <= max(1, cells // 9)
        whole[where] = block
    torch.testing.assert_close(whole.double(), expected, rtol=1e-4, atol=1e-3)
    assert float(whole.min()) >= 0


def test_the_nearest_by_hand_and_ties_to_the_lowest():
    line = torch.tensor([[0.0], [4.0], [9.0]])
    squared, index = nearest_squared(torch.tensor([[1.0], [2.0], [30.0]]), line, cells=3)
    assert index.tolist() == [0, 0, 2]  # 2 lies between 0 and 4
    assert squared.tolist() == pytest.approx([1.0, 4.0, 441.0], rel=1e-5)


def test_no_rows_give_no_blocks():
    assert list(squared_distance_blocks(rows(0), rows(3))) == []


@pytest.mark.parametrize(
    ("x", "y", "cells", "message"),
    [
        (rows(2), rows(0), 9, "m > 0"),
        (rows(2, 3), rows(2, 4), 9, "must be"),
        (rows(2), rows(2)[0], 9, "must be"),
        (rows(2), rows(2), 0, "cells"),
    ],
)
def test_refuses_what_it_cannot_answer(x, y, cells, message):
    with pytest.raises(ValueError, match=message):
        list(squared_distance_blocks(x, y, cells))
