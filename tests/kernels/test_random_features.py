import math

import numpy as np
import pytest
import torch

from querist.kernels.mmd import discrepancy
from querist.kernels.random_features import (
    characteristic_discrepancy,
    characteristic_sums,
    discrepancy_error,
    gaussian_frequencies,
)

COLUMNS = (slice(0, 5), slice(3, 6))


def rows(seed, n, d=6):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def frequencies(count, bandwidth=3.0, seed=0):
    widths = (c.stop - c.start for c in COLUMNS)
    return [gaussian_frequencies(w, count, bandwidth, np.random.default_rng(seed + i)) for i, w in enumerate(widths)]


def estimated(L, U, count, seed=0):
    sums = [characteristic_sums(some, COLUMNS, frequencies(count, seed=seed)) for some in (L, U)]
    return characteristic_discrepancy(sums[0], len(L), sums[1], len(U))


def exact(L, U):
    return torch.tensor([discrepancy(L[:, c], U[:, c], 3.0) for c in COLUMNS], dtype=torch.float64)


@pytest.mark.parametrize("count", [64, 512, 4096])
def test_it_stays_within_its_bound(count):
    """T1; and far within, because the terms spread by about the value itself."""
    L, U = rows(1, 40), rows(2, 70) * 1.2 + 0.5
    for seed in range(5):
        error = (estimated(L, U, count, 10 * seed) - exact(L, U)).abs()
        assert bool((error <= discrepancy_error(count, 0.999)).all())
        assert bool((error <= 5 * exact(L, U) / math.sqrt(count)).all())


def test_it_is_unbiased():
    L, U = rows(1, 15), rows(2, 20) + 0.4
    found = torch.stack([estimated(L, U, 128, 10 * seed) for seed in range(200)])
    spread = found.std(dim=0) / math.sqrt(200)
    assert bool(((found.mean(dim=0) - exact(L, U)).abs() <= 4 * spread).all())


def test_equal_sets_have_none_and_sums_add_up():
    L = rows(3, 50)
    assert estimated(L, L, 32).tolist() == [0, 0]
    parts = [characteristic_sums(some, COLUMNS, frequencies(32)) for some in (L[:20], L[20:])]
    whole = characteristic_sums(L, COLUMNS, frequencies(32))
    torch.testing.assert_close(parts[0] + parts[1], whole, atol=1e-5, rtol=0)


def test_blocks_and_memory_maps_change_nothing(tmp_path, monkeypatch):
    table = rows(4, 1000)
    whole = characteristic_sums(table, COLUMNS, frequencies(16))
    np.save(tmp_path / "rows.npy", table.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "rows.npy", mmap_mode="r+"))
    monkeypatch.setattr("querist.kernels.random_features._CELLS", 16 * 7)
    torch.testing.assert_close(characteristic_sums(mapped, COLUMNS, frequencies(16)), whole, atol=1e-3, rtol=0)


def test_the_kernel_behind_the_frequencies():
    """The mean of cos ω·x over frequencies is exp(-|x|² / (2 σ²))."""
    ω = gaussian_frequencies(2, 200_000, 4.0, np.random.default_rng(0))
    x = torch.tensor([1.0, 2.0])
    assert float((x @ ω).cos().mean()) == pytest.approx(math.exp(-5 / 8), abs=0.005)


def test_the_bound():
    assert discrepancy_error(1024, 0.95) == pytest.approx(math.sqrt(8 * math.log(40) / 1024))


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (lambda: gaussian_frequencies(3, 4, 0.0, np.random.default_rng(0)), "positive"),
        (lambda: characteristic_sums(rows(0, 2), COLUMNS, frequencies(4)[:1]), "as many sets"),
        (lambda: characteristic_sums(rows(0, 2), COLUMNS[::-1], frequencies(4)), "space 0 has"),
        (lambda: characteristic_sums(torch.full((2, 6), torch.nan), COLUMNS, frequencies(4)), "not finite"),
        (lambda: characteristic_discrepancy(torch.zeros(1, 2, 4), 0, torch.zeros(1, 2, 4), 1), "over 0 rows"),
        (lambda: discrepancy_error(0), "0 frequencies"),
    ],
)
def test_refusals(act, match):
    with pytest.raises(ValueError, match=match):
        act()
