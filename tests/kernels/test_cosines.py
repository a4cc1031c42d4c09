import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.kernels import cosines
from querist.kernels.cosines import (
    cosine_histograms,
    fixed_edges,
    landmark_error,
    largest_cosines,
    quantile_edges,
    unit_rows,
)

COLUMNS = (slice(0, 4), slice(4, 6))


def rows(seed, n, d=6):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def cosine(a, b):
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / lengths) if lengths else 0.0


def table(X, Y):
    """(spaces, n, m), pair by pair."""
    return np.array([[[cosine(x[c], y[c]) for y in Y.numpy()] for x in X.numpy()] for c in COLUMNS])


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(cosines, "_CELLS", 12)


@pytest.mark.usefixtures("small_blocks")
def test_the_largest_against_loops():
    X, Y = rows(0, 9), rows(1, 5)
    np.testing.assert_allclose(largest_cosines(X, Y, COLUMNS).numpy(), table(X, Y).max(axis=2).T, atol=1e-6)


def test_a_double_has_one_and_zeros_have_zero():
    X = rows(0, 20)
    assert largest_cosines(X, 3 * X.flip(0), COLUMNS).numpy() == pytest.approx(1, abs=1e-6)
    assert float(largest_cosines(X, X, COLUMNS).max()) <= 1
    X[0] = 0
    assert largest_cosines(X[:1], X[1:], COLUMNS).tolist() == [[0, 0]]
    assert not unit_rows(X, COLUMNS)[0][0].any()


def test_what_has_no_direction_is_the_double_of_its_like(monkeypatch):
    """Nothing is new about a pose whose part has collapsed, once such a one is labelled."""
    X, Y = rows(0, 6), rows(1, 4)
    X[[1, 4], COLUMNS[1]] = 0
    Y[2, COLUMNS[1]] = 0
    wanted = table(X, Y)
    wanted[1][[1, 4], 2] = 1
    for cells in (4, 2**17):
        monkeypatch.setattr(cosines, "_CELLS", cells)
        np.testing.assert_allclose(largest_cosines(X, Y, COLUMNS).numpy(), wanted.max(axis=2).T, atol=1e-6)
    shares = cosine_histograms(X, Y, COLUMNS, torch.tensor([[0.999999], [0.999999]]))
    assert shares[:, 1, 1].tolist() == [0, 0.25, 0, 0, 0.25, 0]
    whole = torch.zeros(3, X.shape[1])
    assert quantile_edges(whole, COLUMNS, 2).tolist() == [[1.0], [1.0]]


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(0, 6), st.integers(1, 6))
def test_a_running_maximum_is_exact(seed, first, second):
    """T7."""
    X, Y = rows(seed, 7), rows(seed + 1, first + second)
    known = largest_cosines(X, Y[:first], COLUMNS) if first else None
    grown = largest_cosines(X, Y[first:], COLUMNS, known)
    torch.testing.assert_close(grown, largest_cosines(X, Y, COLUMNS), atol=1e-6, rtol=0)
    assert torch.equal(largest_cosines(X, Y[:0], COLUMNS, grown), grown)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("own", [False, True])
def test_histograms_against_numpy(own):
    X = rows(0, 9)
    Y = X[3:8] if own else rows(1, 5)
    edges = torch.tensor([[-0.5, 0.1, 0.6], [-0.9, 0.0, 0.2]])
    itself = torch.tensor([-1] * 3 + [0, 1, 2, 3, 4] + [-1]) if own else None
    found = cosine_histograms(X, Y, COLUMNS, edges, itself).numpy()
    for s, cosines_of in enumerate(table(X, Y)):
        for i, values in enumerate(cosines_of):
            others = np.delete(values, i - 3) if own and 3 <= i < 8 else values
            bounds = [-1.01, *edges[s].tolist(), 1.01]
            counts, _ = np.histogram(others, bounds)
            np.testing.assert_allclose(found[i, s], counts / len(others), atol=1e-6)


def test_histograms_by_hand():
    """Cosines 1, 0 and -1 in four equal bins from -1 to 1; what lies on an edge lies above it."""
    X, Y = torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    found = cosine_histograms(X, Y, [slice(0, 2)], fixed_edges(1, 4))
    np.testing.assert_allclose(found, [[[1 / 3, 0, 1 / 3, 1 / 3]]])
    alone = cosine_histograms(X, X, [slice(0, 2)], fixed_edges(1, 4), torch.tensor([0]))
    assert alone.tolist() == [[[0, 0, 0, 0]]]  # nobody else


def test_quantile_edges_fill_bins_equally():
    X = rows(0, 60).abs() + 3  # cosines that crowd near 1
    edges = quantile_edges(X, COLUMNS, 5)
    assert float(edges[0].min()) > 0.8
    found = cosine_histograms(X, X, COLUMNS, edges, torch.arange(60)).mean(dim=0)
    np.testing.assert_allclose(found, 0.2, atol=0.002)
    crowded = cosine_histograms(X, X, COLUMNS, fixed_edges(2, 5), torch.arange(60)).mean(dim=0)
    assert float(crowded[0, -1]) > 0.99


@pytest.mark.parametrize("landmarks", [64, 512])
def test_landmarks_stay_within_their_bound(landmarks):
    """T5."""
    X = rows(0, 2000).abs()
    edges = quantile_edges(X[:200], COLUMNS, 10)
    truth = cosine_histograms(X[:20], X, COLUMNS, edges).cumsum(dim=2)
    chosen = torch.randperm(2000, generator=torch.Generator().manual_seed(3))[:landmarks]
    found = cosine_histograms(X[:20], X[chosen], COLUMNS, edges).cumsum(dim=2)
    error = (found - truth).abs().amax(dim=2)
    assert float((error <= landmark_error(landmarks)).float().mean()) >= 0.95
    assert bool((error <= landmark_error(landmarks, 1 - 1e-6)).all())


@pytest.mark.parametrize(("landmarks", "error"), [(512, 0.060), (1024, 0.042), (2048, 0.030), (4096, 0.021)])
def test_the_bound(landmarks, error):
    """The numbers of ALGORITHMS 7."""
    assert landmark_error(landmarks) == pytest.approx(error, abs=5e-4)


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (lambda X: largest_cosines(X, X[:0], COLUMNS), "nothing to compare"),
        (lambda X: largest_cosines(X, X[:, :3], COLUMNS), "must be"),
        (lambda X: largest_cosines(X, X, COLUMNS, X), "known must be"),
        (lambda X: largest_cosines(X, X, [slice(6, 6)]), "each needs a column"),
        (lambda X: largest_cosines(X * torch.nan, X, COLUMNS), "not finite"),
        (lambda X: cosine_histograms(X, X, COLUMNS, fixed_edges(1, 4)), "edges must be"),
        (lambda X: cosine_histograms(X, X, COLUMNS, -fixed_edges(2, 4)), "not fall"),
        (lambda X: cosine_histograms(X, X[:2], COLUMNS, fixed_edges(2, 4), torch.arange(3)), "itself must be"),
        (lambda X: quantile_edges(X[:1], COLUMNS, 3), "at least two rows"),
        (lambda X: landmark_error(0), "0 landmarks"),
    ],
)
def test_refusals(act, match):
    with pytest.raises(ValueError, match=match):
        act(rows(0, 3))
