import pytest
import torch

from querist.kernels import distances
from querist.kernels.typicality import typicality


def test_on_a_line_by_hand():
    """0, 1, 3, 10 with two neighbours: mean distances (1+3)/2, (1+2)/2, (2+3)/2, (7+9)/2."""
    line = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    assert typicality(line, 2).tolist() == pytest.approx([1 / 2, 1 / 1.5, 1 / 2.5, 1 / 8], rel=1e-4)
    assert typicality(line, 20).tolist() == pytest.approx([3 / 14, 3 / 12, 3 / 12, 3 / 26], rel=1e-4)


@pytest.mark.parametrize("cells", [7, 10**6])
def test_equals_sorted_distances(cells, monkeypatch):
    monkeypatch.setattr(distances.squared_distance_blocks, "__defaults__", (cells,))
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gaps = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").sort(dim=1).values
    torch.testing.assert_close(typicality(features, 5), 1 / gaps[:, 1:6].mean(dim=1))


def test_equal_rows_are_as_typical_as_can_be_and_a_lonely_one_is_not():
    found = typicality(torch.tensor([[2.0, 1.0]] * 3), 2)
    assert bool(torch.isfinite(found).all())
    assert float(found.min()) > 1e6
    assert typicality(torch.ones(1, 3)).tolist() == [0.0]


@pytest.mark.parametrize(
    ("features", "neighbours"), [(torch.zeros(3, 1), 0), (torch.zeros(0, 2), 1), (torch.zeros(3), 1)]
)
def test_refuses_what_it_cannot_answer(features, neighbours):
    with pytest.raises(ValueError, match=r"neighbours|rows"):
        typicality(features, neighbours)
