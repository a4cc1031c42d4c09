import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from querist.kernels.whitening import fit_whitening, mean_squared_distance


def cloud(n=40, d=5, seed=0, dtype=torch.float64):
    """Correlated columns of very different sizes, far from the origin."""
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(n, d, generator=draw, dtype=torch.float64) @ torch.randn(d, d, generator=draw).double()
    return (mixed * torch.logspace(-1, 1, d).double() + 7.0).to(dtype)


def mahalanobis(u, v, rows, shrinkage):
    """As it is written: (u - v)' S^-1 (u - v), the inverse by numpy."""
    covariance = np.cov(rows.double().numpy(), rowvar=False, bias=True)
    d = len(covariance)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / d * np.eye(d)
    difference = (u - v).double().numpy()
    return difference @ np.linalg.inv(shrunk) @ difference


@given(st.integers(0, 30), st.sampled_from([0.0, 0.1, 0.7, 1.0]))
def test_distances_of_whitened_rows_are_mahalanobis_distances(seed, shrinkage):
    rows = cloud(seed=seed)
    white = fit_whitening(rows, shrinkage)(rows)
    for i, j in ((0, 1), (3, 17), (39, 2)):
        expected = mahalanobis(rows[i], rows[j], rows, shrinkage)
        assert float((white[i] - white[j]).square().sum()) == pytest.approx(expected, rel=1e-6)


def test_without_shrinkage_the_covariance_becomes_the_identity():
    rows = cloud(n=9000, d=3)  # more than are brought to double precision at a time
    white = fit_whitening(rows, 0.0)(rows)
    covariance = white.T @ white / len(white)
    torch.testing.assert_close(covariance, torch.eye(3).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(white.mean(dim=0), torch.zeros(3).double(), atol=1e-9, rtol=0)


def test_by_hand():
    """Variances 4 and 1, no correlation: steps along the first axis count a quarter."""
    rows = torch.tensor([[2.0, 1.0], [2.0, -1.0], [-2.0, 1.0], [-2.0, -1.0]])
    white = fit_whitening(rows, 0.0)(rows)
    torch.testing.assert_close(white, rows / torch.tensor([2.0, 1.0]))
    half = fit_whitening(rows, 0.5)(rows)  # variances (4 + 2.5) / 2 and (1 + 2.5) / 2
    torch.testing.assert_close(half, rows / torch.tensor([3.25, 1.75]).sqrt())


def test_full_shrinkage_leaves_euclidean_distances_but_for_a_factor():
    rows = cloud()
    white = fit_whitening(rows, 1.0)(rows)
    ratios = torch.pdist(white) / torch.pdist(rows)
    torch.testing.assert_close(ratios, ratios[:1].expand_as(ratios))


def test_single_precision_stays_single_and_is_as_good():
    rows = cloud(dtype=torch.float32)
    white = fit_whitening(rows, 0.1)(rows)
    assert white.dtype == torch.float32
    expected = torch.pdist(fit_whitening(rows.double(), 0.1)(rows.double()))
    torch.testing.assert_close(torch.pdist(white).double(), expected, rtol=1e-4, atol=1e-4)


def test_more_columns_than_rows_need_shrinkage():
    rows = cloud(n=4, d=9)
    assert bool(fit_whitening(rows, 0.1)(rows).isfinite().all())
    with pytest.raises(ValueError, match="singular"):
        fit_whitening(torch.tensor([[1.0, 2.0], [3.0, 2.0]]), 0.0)


def test_rows_without_any_spread_are_left_alone():
    rows = torch.full((5, 3), 0.1)
    torch.testing.assert_close(fit_whitening(rows, 0.1)(rows + 1), torch.ones(5, 3))


@pytest.mark.parametrize("rows", [torch.zeros(0, 3), torch.zeros(3)])
def test_no_rows_have_no_covariance(rows):
    with pytest.raises(ValueError, match="n > 0"):
        fit_whitening(rows)


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, float("nan")])
def test_shrinkage_is_a_share(shrinkage):
    with pytest.raises(ValueError, match="shrinkage"):
        fit_whitening(cloud(), shrinkage)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_no_number_is_refused(bad):
    rows = cloud()
    rows[1, 1] = bad
    with pytest.raises(ValueError, match="not finite"):
        fit_whitening(rows)


@given(st.integers(2, 12), st.integers(0, 20))
def test_the_mean_distance_of_all_pairs(n, seed):
    rows = cloud(n, seed=seed)
    assert mean_squared_distance(rows) == pytest.approx(float(torch.pdist(rows).square().mean()))


def test_one_row_has_no_pairs():
    assert mean_squared_distance(cloud(1)) == 0.0
