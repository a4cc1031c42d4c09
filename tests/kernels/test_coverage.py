import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.kernels.coverage import covered_by, greedy_coverage, purity_radius

LINE = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0], [11.0], [20.0]])


def balls(features, radius):
    """(n, n) bool: who covers whom, from differences."""
    near = (features[:, None].double() - features[None].double()).square().sum(dim=2) < radius**2
    return near | torch.eye(len(features), dtype=torch.bool)


def greedy_on_sets(features, radius, k, covered):
    """The same choice on explicit sets."""
    graph = balls(features, radius)
    sets = [set(row.nonzero().flatten().tolist()) for row in graph]
    bare = set(range(len(features))) - set(covered.nonzero().flatten().tolist())
    picks, gains = [], []
    for _ in range(k):
        pick = max((i for i in range(len(features)) if i not in picks), key=lambda i: len(sets[i] & bare))
        picks.append(pick)
        gains.append(len(sets[pick] & bare))
        bare -= sets[pick]
    return picks, gains


def test_coverage_on_a_line_by_hand():
    """Radius 1.5: 1 covers 0 1 2; then 10 covers 10 11; then 2 covers 3, and so does 3: the lower; then 20."""
    indices, gains = greedy_coverage(LINE, 1.5, 5)
    assert indices.tolist() == [1, 4, 2, 6, 0]
    assert gains.tolist() == [3, 2, 1, 1, 0]


def test_what_is_covered_from_the_start_does_not_count():
    covered = covered_by(LINE, torch.tensor([[0.5], [10.5]]), 1.6)  # all of 0 1 2 and 10 11
    assert covered.tolist() == [True, True, True, False, True, True, False]
    indices, gains = greedy_coverage(LINE, 1.5, 2, covered)
    assert indices.tolist() == [2, 6]
    assert gains.tolist() == [1, 1]
    assert not covered_by(LINE, LINE[:0], 5.0).any()


points = st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=1, max_size=14).map(
    lambda rows: torch.tensor(rows, dtype=torch.float64)
)


@settings(max_examples=60)
@given(points, st.integers(0, 60), st.data())
def test_equals_greedy_on_explicit_sets(features, square, data):
    radius = math.sqrt(square + 0.5)  # squared distances are whole numbers: none lies on the rim
    k = data.draw(st.integers(0, len(features)))
    covered = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(features), max_size=len(features))))
    indices, gains = greedy_coverage(features, radius, k, covered)
    assert (indices.tolist(), gains.tolist()) == greedy_on_sets(features, radius, k, covered)


@settings(max_examples=30)
@given(points, st.integers(0, 60), st.data())
def test_greedy_covers_its_guaranteed_share_of_the_best(features, square, data):
    radius = math.sqrt(square + 0.5)
    k = data.draw(st.integers(1, min(3, len(features))))
    graph = balls(features, radius)
    best = max(int(graph[list(c)].any(dim=0).sum()) for c in itertools.combinations(range(len(features)), k))
    assert int(greedy_coverage(features, radius, k)[1].sum()) >= (1 - 1 / math.e) * best - 1e-9


def test_an_infinite_radius_covers_all_at_once_and_none_covers_itself():
    assert greedy_coverage(LINE, math.inf, 2)[1].tolist() == [7, 0]
    assert greedy_coverage(LINE, 0.0, 2)[1].tolist() == [1, 1]


def test_the_purity_radius_by_hand():
    """Labels 0 0 0 0 1 1 2: the nearest row of another label lies at 10 9 8 7 7 8 9."""
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2])
    assert purity_radius(LINE, labels, 1.0) == pytest.approx(7.0, rel=1e-5)
    assert purity_radius(LINE, labels, 0.95) == pytest.approx(7.0, rel=1e-5)
    assert purity_radius(LINE, labels, 5 / 7) == pytest.approx(8.0, rel=1e-5)
    assert purity_radius(LINE, labels, 0.6) == pytest.approx(8.0, rel=1e-5)
    assert purity_radius(LINE, labels, 0.95, rows=torch.tensor([0, 1])) == pytest.approx(9.0, rel=1e-5)
    assert purity_radius(LINE, torch.zeros(7, dtype=torch.int64)) == math.inf


@settings(max_examples=40)
@given(points, st.sampled_from([0.5, 0.8, 0.95, 1.0]), st.data())
def test_balls_of_the_purity_radius_are_pure_and_larger_ones_are_not(features, share, data):
    labels = torch.tensor(data.draw(st.lists(st.integers(0, 2), min_size=len(features), max_size=len(features))))
    radius = purity_radius(features, labels, share)

    def purity(r):
        mixed = balls(features, r) & (labels[:, None] != labels)
        return float((~mixed.any(dim=1)).double().mean())

    if math.isinf(radius):
        assert len(labels.unique()) == 1 or purity(1e9) >= share
    elif radius > 0.5:
        assert purity(radius - 1e-6) >= share - 1e-9
        assert purity(radius + 1e-6) < share


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: greedy_coverage(LINE, 1.0, 8), "k 8"),
        (lambda: greedy_coverage(LINE, -1.0, 1), "radius"),
        (lambda: greedy_coverage(LINE, math.nan, 1), "radius"),
        (lambda: greedy_coverage(LINE, 1.0, 1, torch.zeros(3, dtype=torch.bool)), "covered"),
        (lambda: purity_radius(LINE, torch.zeros(7), 0.0), "share"),
        (lambda: purity_radius(LINE[:0], torch.zeros(0)), "no rows"),
    ],
)
def test_refuses_what_it_cannot_answer(call, message):
    with pytest.raises(ValueError, match=message):
        call()
