import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.kernels.mmd import MovingDiscrepancy, discrepancy, median_bandwidth


def straightforward(L, U, bandwidth):
    def mean(A, B):
        return np.mean([[math.exp(-np.sum((a - b) ** 2) / (2 * bandwidth)) for b in B] for a in A])

    return mean(L, L) + mean(U, U) - 2 * mean(L, U)


def rows(seed, n, d=3):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_by_hand():
    """One point each: k(x, x) = 1 twice, and once exp(-4 / 2)."""
    assert discrepancy(torch.zeros(1, 1), torch.full((1, 1), 2.0), 1.0) == pytest.approx(2 - 2 * math.exp(-2))
    two = torch.tensor([[0.0], [1.0]])
    k = math.exp(-0.5)
    assert discrepancy(two, torch.zeros(1, 1), 1.0) == pytest.approx((2 + 2 * k) / 4 + 1 - 2 * (1 + k) / 2)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 6), st.floats(0.1, 10))
def test_against_loops_and_never_negative(seed, n, m, bandwidth):
    L, U = rows(seed, n), rows(seed + 1, m) + 0.3
    found = discrepancy(L, U, bandwidth)
    assert 0 <= found <= 2
    assert found == pytest.approx(straightforward(L.numpy(), U.numpy(), bandwidth), abs=1e-12)
    assert found == pytest.approx(discrepancy(U, L, bandwidth), abs=1e-12)


def test_equal_sets_have_none():
    L = rows(0, 30)
    assert discrepancy(L, L, 1.0) == 0
    assert discrepancy(L, L[torch.randperm(30)], 1.0) == pytest.approx(0, abs=1e-12)
    assert discrepancy(L, L.repeat(3, 1), 1.0) == pytest.approx(0, abs=1e-12)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.integers(3, 20), st.data())
def test_moving_rows_equals_computing_anew(seed, n, data):
    table = rows(seed, n)
    labelled = torch.zeros(n, dtype=torch.bool)
    labelled[data.draw(st.integers(0, n - 1))] = True
    moving = MovingDiscrepancy(table, labelled, 2.0)
    assert moving.value == pytest.approx(discrepancy(table[labelled], table[~labelled], 2.0), abs=1e-12)
    order = data.draw(st.permutations([i for i in range(n) if not labelled[i]]))
    for i in order[:-1]:
        moving.move(i)
        labelled[i] = True
        assert moving.value == pytest.approx(discrepancy(table[labelled], table[~labelled], 2.0), abs=1e-12)
    moving.move(order[-1])
    with pytest.raises(ValueError, match="nothing left"):
        _ = moving.value


def test_the_bandwidth_is_the_median_of_squared_distances():
    assert median_bandwidth(torch.tensor([[0.0], [1.0], [3.0]])) == 4.0  # of 1, 4 and 9
    assert median_bandwidth(torch.zeros(5, 2)) == 1.0


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (lambda: discrepancy(torch.zeros(0, 2), torch.zeros(1, 2), 1.0), "neither empty"),
        (lambda: discrepancy(torch.zeros(1, 2), torch.zeros(1, 3), 1.0), "must be"),
        (lambda: discrepancy(torch.zeros(1, 2), torch.zeros(1, 2), 0.0), "must be positive"),
        (lambda: median_bandwidth(torch.zeros(1, 2)), "n >= 2"),
        (lambda: median_bandwidth(torch.full((2, 2), torch.nan)), "finite"),
        (lambda: MovingDiscrepancy(torch.zeros(3, 2), torch.zeros(2, dtype=torch.bool), 1.0), "labelled must be"),
        (lambda: MovingDiscrepancy(torch.zeros(3, 2), torch.zeros(3, dtype=torch.bool), 1.0), "neither empty"),
        (lambda: MovingDiscrepancy(torch.zeros(3, 2), torch.tensor([True, False, False]), 1.0).move(0), "row 0 is no"),
        (lambda: MovingDiscrepancy(torch.zeros(3, 2), torch.tensor([True, False, False]), 1.0).move(3), "row 3 is no"),
    ],
)
def test_refusals(act, match):
    with pytest.raises(ValueError, match=match):
        act()
