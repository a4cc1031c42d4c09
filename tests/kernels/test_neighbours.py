import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from querist.kernels.neighbours import nearest_neighbours


def points(n, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_brute_force(rows, k):
    """Every other row sorted by (distance, row): sums of squares of differences, no product."""
    found = []
    for i in range(len(rows)):
        squared = (rows - rows[i]).square().sum(dim=1).tolist()
        found.append(sorted((d, j) for j, d in enumerate(squared) if j != i)[:k])
    return [[d for d, _ in row] for row in found], [[j for _, j in row] for row in found]


@pytest.mark.parametrize("cells", [1, 40, 2**22])
@pytest.mark.parametrize("k", [1, 5, 18])
def test_the_same_as_sorting_all_distances(cells, k):
    rows = points(19)
    squared, neighbours = nearest_neighbours(rows, k, cells)
    expected, order = by_brute_force(rows, k)
    assert neighbours.tolist() == order
    torch.testing.assert_close(squared, torch.tensor(expected, dtype=torch.float64))
    assert neighbours.dtype == torch.int64


def test_by_hand():
    squared, neighbours = nearest_neighbours(torch.tensor([[0.0], [1.0], [3.0], [7.0]]), 2)
    assert neighbours.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    torch.testing.assert_close(squared, torch.tensor([[1.0, 9], [1, 4], [4, 9], [16, 36]]))


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=2, max_size=12), st.data())
def test_equal_distances_go_to_the_lowest_row(grid, data):
    """Whole numbers have exact distances, and plenty of equal ones, twins among them."""
    k = data.draw(st.integers(1, len(grid) - 1))
    # Mirrored, so that their mean is exactly zero and centring rounds nothing either.
    rows = torch.tensor([*grid, *((-x, -y) for x, y in grid)], dtype=torch.float64)
    squared, neighbours = nearest_neighbours(rows, k, data.draw(st.sampled_from([1, 30, 1000])))
    expected, order = by_brute_force(rows, k)
    assert squared.tolist() == expected
    assert neighbours.tolist() == order


def test_nobody_is_asked_for():
    squared, neighbours = nearest_neighbours(points(3), 0)
    assert squared.shape == neighbours.shape == (3, 0)
    assert nearest_neighbours(points(0), 0)[0].shape == (0, 0)


@pytest.mark.parametrize(
    ("rows", "k"), [(points(3), 3), (points(3), -1), (points(3)[0], 1), (torch.zeros(3, 2, dtype=torch.int64), 1)]
)
def test_shapes_that_do_not_fit_are_refused(rows, k):
    with pytest.raises(ValueError, match=r"0..n-1"):
        nearest_neighbours(rows, k)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_no_number_has_no_neighbours(bad):
    rows = points(4)
    rows[2, 1] = bad
    with pytest.raises(ValueError, match="not finite"):
        nearest_neighbours(rows, 1)
