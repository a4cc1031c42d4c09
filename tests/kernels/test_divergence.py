import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from querist.kernels import divergence
from querist.kernels.divergence import (
    divergence_histograms,
    floored,
    kl_divergences,
    merge_duplicates,
    subsample_bound,
)

LARGEST = math.log(1e7)


def some(n: int, C: int = 6, seed: int = 0) -> Tensor:
    """(n, C) float64 distributions, half of the classes absent."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, 100, (n, C), generator=generator)
    return floored(counts.where(torch.rand(n, C, generator=generator) < 0.5, 0).double())


def by_sums(p: Tensor, q: Tensor) -> Tensor:
    """(n, m): every divergence from its definition."""
    return (p[:, None] * (p[:, None] / q[None]).log()).sum(dim=-1)


def by_numpy(scores: Tensor, bins: int, span: tuple[float, float] | None, weights: Tensor | None = None) -> np.ndarray:
    """(n, bins) histograms of (n, m) scores, row by row, in double precision."""
    rows = []
    for row in scores.numpy():
        values = row if span is None else np.clip(row, *span)
        counts = np.histogram(values, bins, span, weights=None if weights is None else weights.numpy())[0]
        rows.append(counts / counts.sum())
    return np.stack(rows)


def away_from_edges(scores: Tensor, bins: int, span: tuple[float, float] | None, by: float = 1e-3) -> bool:
    """Whether no score is so near an inner edge that rounding could decide its bin."""
    low, high = (scores.amin(1, keepdim=True), scores.amax(1, keepdim=True)) if span is None else span
    place = (scores - low) / (high - low) * bins
    near = (place - place.round()).abs() < by
    return not bool((near & (place > by) & (place < bins - by)).any())


def test_floored_by_hand():
    distributions = floored(torch.tensor([[3, 0, 1], [0, 0, 0]]), floor=0.5)
    expected = torch.tensor([[3 / 4.5, 0.5 / 4.5, 1 / 4.5], [1 / 3, 1 / 3, 1 / 3]])
    torch.testing.assert_close(distributions, expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.float16, torch.float32, torch.float64, torch.bool])
def test_floored_takes_any_number(dtype):
    distributions = floored(torch.tensor([[0, 1, 1]]).to(dtype))
    assert distributions.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert distributions[0].tolist() == pytest.approx([5e-8, 0.5, 0.5], rel=1e-5)


@pytest.mark.parametrize(
    "counts", [torch.tensor([1.0]), torch.tensor([[-1, 2]]), torch.tensor([[float("nan"), 1.0]]), torch.ones(1, 2) * 1j]
)
def test_floored_refuses_what_are_no_counts(counts):
    with pytest.raises(ValueError, match="counts"):
        floored(counts)


def test_floored_refuses_a_floor_of_zero():
    with pytest.raises(ValueError, match="floor"):
        floored(torch.ones(1, 2), floor=0.0)


def test_divergences_by_hand():
    p, q = torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    # Half of ln 2 and of ln 2/3; and a class that p lacks adds nothing.
    expected = [[0.0, 0.5 * math.log(2) + 0.5 * math.log(2 / 3)], [math.log(2), math.log(4)]]
    torch.testing.assert_close(kl_divergences(p, q), torch.tensor(expected))


@settings(max_examples=25)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 20), st.integers(0, 100))
def test_divergences_equal_direct_sums(n, m, C, seed):
    p, q = some(n, C, seed), some(m, C, seed + 1)
    torch.testing.assert_close(kl_divergences(p, q), by_sums(p, q), atol=1e-12, rtol=0)
    single = kl_divergences(p.float(), q.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, by_sums(p, q).float(), atol=4e-5, rtol=0)


def test_divergences_are_never_negative_and_zero_from_oneself():
    p = some(50, 20).float()
    scores = kl_divergences(p, p)
    assert scores.min() >= 0
    assert scores.diagonal().max() < 2e-6


@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        (torch.ones(1, 2), torch.ones(1, 3), "n, C"),
        (torch.ones(2), torch.ones(1, 2), "n, C"),
        (torch.ones(1, 2, dtype=torch.int64), torch.ones(1, 2), "floating"),
        (torch.full((1, 2), 7.0), torch.ones(1, 2), "p must hold distributions"),
        (torch.ones(1, 2), torch.tensor([[1.0, 0.0]]), "without zeros"),
        (torch.ones(1, 2), torch.tensor([[1.0, float("nan")]]), "without zeros"),
    ],
)
def test_divergences_refuse_what_are_no_distributions(p, q, message):
    for function in (kl_divergences, divergence_histograms):
        with pytest.raises(ValueError, match=message):
            function(p, q)


def test_histogram_by_hand():
    p = torch.tensor([[1.0, 0.0]])
    q = torch.tensor([[1.0, 1e-9], [math.exp(-1.5), 0.5], [math.exp(-1.7), 0.5], [math.exp(-9), 0.5]])
    # Divergences 0, 1.5, 1.7 and 9, in bins of one nat; 9 lies beyond the span.
    assert divergence_histograms(p, q, bins=4, span=(0.0, 4.0)).tolist() == [[0.25, 0.5, 0.0, 0.25]]
    assert divergence_histograms(p, q, bins=2, span=(1.0, 1.6)).tolist() == [[0.25, 0.75]]
    # From 0 to 9 in bins of three.
    assert divergence_histograms(p, q, bins=3, span=None).tolist() == [[0.75, 0.0, 0.25]]


@pytest.mark.parametrize("span", [(0.0, LARGEST), (0.7, 6.0), None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "m", "bins"), [(7, 40, 32), (3, 1, 5), (70, 9, 33), (2, 30, 300)])
def test_histograms_equal_numpys(span, dtype, n, m, bins):
    p, q = some(n, seed=3), some(m, seed=4)
    scores = by_sums(p, q)
    if m > 1:
        keep = [away_from_edges(row[None], bins, span) for row in scores]
        assert sum(keep) > n / 2
        p, scores = p[keep], scores[keep]
    found = divergence_histograms(p.to(dtype), q.to(dtype), bins=bins, span=span)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), by_numpy(scores, bins, span), atol=1e-6)


@settings(max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.booleans(), st.integers(0, 1000))
def test_rows_sum_to_one_and_merging_changes_nothing(n, m, bins, fixed, seed):
    generator = torch.Generator().manual_seed(seed)
    p = some(n, seed=seed)
    q = some(m, seed=seed + 1)[torch.randint(0, m, (2 * m,), generator=generator)]
    span = (0.0, LARGEST) if fixed else None
    whole = divergence_histograms(p, q, bins=bins, span=span)
    torch.testing.assert_close(whole.sum(dim=1), torch.ones(n))
    unique, multiplicity = merge_duplicates(q)
    merged = divergence_histograms(p, unique, bins=bins, span=span, weights=multiplicity)
    assert torch.equal(merged, whole)


@pytest.mark.parametrize("span", [(0.0, LARGEST), None])
def test_pieces_and_threads_change_no_digit(span, monkeypatch):
    p, q = some(200, seed=5).float(), some(50, seed=6).float()
    assert len(p) > divergence._rows_of_block(len(q), 32, p.device)  # so that there is something to share out
    weights = torch.arange(50) // 10
    whole = divergence_histograms(p, q, span=span, weights=weights)
    threads = torch.get_num_threads()
    try:
        for other in (1, 2, 3):
            torch.set_num_threads(other)
            assert torch.equal(divergence_histograms(p, q, span=span, weights=weights), whole)
            assert torch.get_num_threads() == other
    finally:
        torch.set_num_threads(threads)
    monkeypatch.setattr(divergence, "_COUNTERS", 4 * 32)  # blocks of four rows
    monkeypatch.setattr(divergence, "_CACHE_CELLS", 28)  # pieces of seven references
    assert torch.equal(divergence_histograms(p, q, span=span, weights=weights), whole)


def test_threads_take_tensors_of_inference_mode():
    p, q = some(200, seed=5), some(50, seed=6)
    expected = divergence_histograms(p, q)
    with torch.inference_mode():
        assert torch.equal(divergence_histograms(p.clone(), q.clone()), expected)


def test_weights_need_not_be_whole():
    p, q = some(4, seed=7), some(9, seed=8)
    weights = torch.linspace(0.5, 2, 9, dtype=torch.float64)
    scores = by_sums(p, q)
    assert away_from_edges(scores, 8, None)
    found = divergence_histograms(p, q, bins=8, span=None, weights=weights)
    np.testing.assert_allclose(found.numpy(), by_numpy(scores, 8, None, weights), atol=1e-6)


def test_half_precision_is_computed_in_single():
    p, q = some(6, seed=13).half(), some(8, seed=14).clamp_min(1e-3).half()
    for span in ((0.0, LARGEST), None):
        single = divergence_histograms(p.float(), q.float(), span=span)
        assert torch.equal(divergence_histograms(p, q, span=span), single)


@pytest.mark.parametrize("bins", [1, 32, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_scores_lie_in_one_middle_bin(bins, dtype):
    p = some(5, 20).to(dtype)
    q = some(1, 20, seed=1).to(dtype)
    rotated = q.roll(1, dims=1)  # equal distances from the uniform distribution, up to rounding
    uniform = torch.full((1, 20), 1 / 20, dtype=dtype)
    middle = torch.zeros(bins)
    middle[bins // 2] = 1
    same = divergence_histograms(p, q.expand(100, -1), bins=bins, span=None)
    assert torch.equal(same, middle.expand(5, -1))
    nearly = divergence_histograms(uniform, torch.cat([q, rotated]), bins=bins, span=None)
    assert torch.equal(nearly, middle[None])


def test_a_candidate_among_its_references_is_in_the_first_bin():
    p = some(40, 20, seed=9).float()
    for span in ((0.0, LARGEST), None):
        assert (divergence_histograms(p, p, span=span)[:, 0] >= 1 / 40).all()


@pytest.mark.parametrize("span", [(0.0, 1.0), None])
def test_nothing_to_compare_is_all_zero(span):
    assert torch.equal(divergence_histograms(some(3), some(0), bins=4, span=span), torch.zeros(3, 4))
    none = divergence_histograms(some(3), some(0), span=span, weights=torch.zeros(0))
    assert torch.equal(none, torch.zeros(3, 32))
    assert divergence_histograms(some(0), some(3), span=span).shape == (0, 32)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bins": 0}, "bins"),
        ({"bins": 5000}, "bins"),
        ({"span": (1.0, 1.0)}, "span"),
        ({"span": (-1.0, 1.0)}, "span"),
        ({"span": (0.0, math.inf)}, "span"),
        ({"weights": torch.ones(3)}, "weights"),
        ({"weights": torch.tensor([-1, 2])}, "weights"),
        ({"weights": torch.zeros(2)}, "weights"),
    ],
)
def test_histograms_refuse_bad_settings(wrong, message):
    with pytest.raises(ValueError, match=message):
        divergence_histograms(some(1), some(2), **wrong)


def test_threads_are_as_before_after_an_error(monkeypatch):
    threads = torch.get_num_threads()

    def failing(*_: object) -> Tensor:
        raise RuntimeError("stopped")

    monkeypatch.setattr(divergence, "_count", failing)
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="stopped"):
            divergence_histograms(some(1), some(2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_merged_rows_by_hand():
    q = torch.tensor([[0.2, 0.8], [1.0, 0.0], [0.2, 0.8], [0.2, 0.8]])
    unique, multiplicity = merge_duplicates(q)
    assert torch.equal(unique, q[:2])
    assert multiplicity.tolist() == [3, 1]
    empty, none = merge_duplicates(q[:0])
    assert empty.shape == (0, 2)
    assert none.shape == (0,)


def test_bounds_of_a_sample_are_those_tabulated():
    """ALGORITHMS T5."""
    bounds = [subsample_bound(m) for m in (512, 1024, 2048, 4096)]
    assert bounds == pytest.approx([0.060, 0.042, 0.030, 0.021], abs=5e-4)


def test_a_sample_stays_within_its_bound():
    p, q = some(5, 20, seed=10), some(2000, 20, seed=11)
    drawn = torch.randint(0, len(q), (512,), generator=torch.Generator().manual_seed(12))
    exact, sampled = divergence_histograms(p, q), divergence_histograms(p, q[drawn])
    bound = subsample_bound(512, confidence=1 - 0.001)
    assert (exact.cumsum(dim=1) - sampled.cumsum(dim=1)).abs().max() <= bound
    assert (exact - sampled).abs().max() <= 2 * bound


@pytest.mark.parametrize(("references", "confidence"), [(0, 0.95), (10, 0.0), (10, 1.0)])
def test_bounds_refuse_an_empty_sample_or_certainty(references, confidence):
    with pytest.raises(ValueError, match="references"):
        subsample_bound(references, confidence)
