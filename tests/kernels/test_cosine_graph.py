import pytest
import torch

from querist.kernels.cosine_graph import CosineGraph


def dense(rows):
    X = rows / rows.norm(dim=1, keepdim=True)
    A = X @ X.T - torch.eye(len(X), dtype=rows.dtype)
    return A @ torch.diag(1 / A.sum(dim=0).clamp_min(1)) + torch.eye(len(X), dtype=rows.dtype)


@pytest.mark.parametrize("seed", range(3))
def test_products_equal_those_with_the_matrix(seed):
    torch.manual_seed(seed)
    rows, values = torch.rand(9, 4, dtype=torch.float64), torch.randn(9, 3, dtype=torch.float64)
    torch.testing.assert_close(CosineGraph(rows).spread(values), dense(rows) @ values)


def test_by_hand():
    """Two equal rows and one at a right angle: sums 1, 1 and 0, of which the last counts as 1."""
    graph = CosineGraph(torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 5.0]]))
    assert graph.spread(torch.tensor([[1.0], [10.0], [100.0]])).tolist() == [[11.0], [11.0], [100.0]]


def test_gradients_and_zeros():
    values = torch.randn(3, 1, requires_grad=True)
    graph = CosineGraph(torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]))
    graph.spread(values)[1].backward()
    assert values.grad.tolist() == [[0.0], [1.0], [0.0]]  # a row of zeros hears nobody else


@pytest.mark.parametrize("rows", [torch.zeros(3), torch.zeros(0, 2), torch.tensor([[torch.nan]])])
def test_refusals(rows):
    with pytest.raises(ValueError, match="rows must be"):
        CosineGraph(rows)


def test_values_must_fit():
    with pytest.raises(ValueError, match="values must be"):
        CosineGraph(torch.ones(2, 2)).spread(torch.ones(3, 1))
