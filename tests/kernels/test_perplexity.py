import math

import numpy as np
import pytest
import torch

from querist.kernels.perplexity import neighbour_weights


def rows(seed, n, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_each_row_has_the_perplexity_that_was_asked_for():
    weights, places = neighbour_weights(rows(0, 6), rows(1, 50) * 3, perplexity=8, keep=50, tolerance=1e-6)
    entropy = torch.special.entr(weights).sum(dim=1)
    torch.testing.assert_close(entropy, torch.full((6,), math.log(8), dtype=torch.float64), atol=1e-5, rtol=0)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(6, dtype=torch.float64))
    assert all(sorted(row.tolist()) == list(range(50)) for row in places)


def test_weights_are_gaussian_with_one_width_for_each_row():
    X, Y = rows(2, 4), rows(3, 20)
    weights, places = neighbour_weights(X, Y, perplexity=5, keep=20)
    for x, w, at in zip(X, weights, places, strict=True):
        squared = (Y[at] - x).square().sum(dim=1)
        slope = (w.log()[1:] - w.log()[0]) / (squared[1:] - squared[0])
        np.testing.assert_allclose(slope, float(slope[0]), rtol=1e-6)
        assert (squared.diff() >= 0).all()


def test_the_largest_are_kept_as_they_were():
    X, Y = rows(4, 5), rows(5, 40)
    all_weights, all_places = neighbour_weights(X, Y, keep=40)
    weights, places = neighbour_weights(X, Y, keep=7)
    assert torch.equal(weights, all_weights[:, :7])
    assert torch.equal(places, all_places[:, :7])
    assert float(weights.sum()) < 5


def test_fewer_references_than_the_perplexity_are_all_as_likely():
    weights, _ = neighbour_weights(rows(0, 2), rows(1, 3), perplexity=20)
    np.testing.assert_allclose(weights, 1 / 3, atol=0.03)
    same, _ = neighbour_weights(rows(0, 2), torch.zeros(4, 3, dtype=torch.float64), perplexity=2)
    np.testing.assert_allclose(same, 0.25)


def test_far_references_do_not_underflow():
    weights, _ = neighbour_weights(rows(0, 2), rows(1, 30) + 1e4, perplexity=5)
    assert float(weights[:, 0].min()) > 0


@pytest.mark.parametrize("options", [{"perplexity": 1.0}, {"keep": 0}, {"tolerance": 0.0}])
def test_refusals(options):
    with pytest.raises(ValueError, match="perplexity"):
        neighbour_weights(rows(0, 2), rows(1, 3), **options)
