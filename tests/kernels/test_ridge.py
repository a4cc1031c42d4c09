import numpy as np
import pytest
import torch

from querist.kernels.ridge import masked_ridge


def sample(seed=0, n=7, c=3, d=4, o=3):
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, c, d, generator=g).double(), torch.randn(n, c, o, generator=g).double()
    return x, y, torch.rand(n, o, generator=g) < 0.6


@pytest.mark.parametrize("seed", range(4))
def test_each_output_is_an_ordinary_ridge_of_what_it_counts(seed):
    x, y, counts = sample(seed)
    found = masked_ridge(x, y, counts, 0.1)
    for o in range(3):
        rows = x[counts[:, o]].reshape(-1, 4).numpy()
        target = y[counts[:, o]][..., o].reshape(-1).numpy()
        penalty = np.sqrt(0.1 * len(rows)) * np.eye(4)  # as further rows of a least-squares problem
        expected = np.linalg.lstsq(np.vstack([rows, penalty]), np.append(target, np.zeros(4)), rcond=None)[0]
        np.testing.assert_allclose(found[:, o], expected, atol=1e-9)


def test_what_does_not_count_has_no_influence():
    x, y, counts = sample()
    other = torch.where(counts[:, None], y, 1e6)
    torch.testing.assert_close(masked_ridge(x, y, counts, 0.1), masked_ridge(x, other, counts, 0.1))


def test_an_output_that_counts_nowhere_is_zero():
    x, y, counts = sample()
    counts[:, 1] = False
    found = masked_ridge(x, y, counts, 0.1)
    assert not found[:, 1].any()
    assert found[:, 0].all()


def test_by_hand():
    # One cell each, x = 1 and 1, y = 1 and 3: w = mean(xy) / (mean(xx) + 1) = 2 / 2.
    x, y = torch.ones(2, 1, 1), torch.tensor([1.0, 3.0]).view(2, 1, 1)
    assert masked_ridge(x, y, torch.ones(2, 1, dtype=torch.bool), 1.0).item() == pytest.approx(1.0)


def test_what_does_not_fit_is_refused():
    x, y, counts = sample()
    for wrong in ((x, y[:, :2], counts, 0.1), (x, y, counts[:3], 0.1), (x, y, counts, 0.0)):
        with pytest.raises(ValueError, match="expected"):
            masked_ridge(*wrong)
