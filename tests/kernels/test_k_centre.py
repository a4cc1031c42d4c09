import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.kernels.k_centre import k_centre_greedy


def distances(a, b):
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def brute_force(features, k, centres=None, first=None):
    """Farthest-first traversal read off a full float64 distance matrix."""
    points = features.double()
    gaps = distances(points, points)
    nearest = torch.full((len(points),), torch.inf, dtype=torch.float64)
    if centres is not None:
        nearest = torch.cdist(points, centres.double(), compute_mode="donot_use_mm_for_euclid_dist").amin(dim=1)
    picks, radii = [], []
    for step in range(k):
        free = [i for i in range(len(points)) if i not in picks]
        pick = first if step == 0 and first is not None else max(free, key=lambda i: float(nearest[i]))
        picks.append(pick)
        radii.append(float(nearest[pick]))
        nearest = torch.minimum(nearest, gaps[pick])
    return picks, radii


def covering_radius(features, picks):
    return float(torch.cdist(features.double(), features[list(picks)].double()).amin(dim=1).max())


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
@pytest.mark.parametrize("far_from_origin", [0.0, 100.0])
def test_equals_the_full_distance_matrix(block, far_from_origin):
    features = torch.randn(300, 16, generator=torch.Generator().manual_seed(3)) + far_from_origin
    centres = features[50:60] + 0.5
    indices, radii = k_centre_greedy(features, 40, centres=centres, block=block)
    picks, expected = brute_force(features, 40, centres=centres)
    assert indices.tolist() == picks
    assert radii.tolist() == pytest.approx(expected, rel=1e-4)


def test_many_centres_cross_the_inner_blocks():
    features = torch.randn(4200, 3, generator=torch.Generator().manual_seed(0))
    centres = torch.randn(1100, 3, generator=torch.Generator().manual_seed(1)) * 2
    indices, radii = k_centre_greedy(features, 3, centres=centres)
    picks, expected = brute_force(features, 3, centres=centres)
    assert indices.tolist() == picks
    assert radii.tolist() == pytest.approx(expected, rel=1e-4)


def test_on_a_line_by_hand():
    line = torch.tensor([[0.0], [1.0], [4.0], [10.0]])
    indices, radii = k_centre_greedy(line, 4, first=0)
    assert indices.tolist() == [0, 3, 2, 1]
    assert radii.tolist() == pytest.approx([torch.inf, 10.0, 4.0, 1.0])


def test_starts_at_the_row_nearest_the_mean():
    indices, radii = k_centre_greedy(torch.tensor([[0.0], [3.5], [4.0], [10.0]]), 2)  # the mean is 4.375
    assert indices.tolist() == [2, 3]
    assert radii.tolist() == pytest.approx([torch.inf, 6.0])


def test_ties_go_to_the_lowest_row_across_blocks():
    square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    assert k_centre_greedy(square, 3, first=0, block=2)[0].tolist() == [0, 1, 2]


def test_duplicates_are_picked_once_each():
    same = torch.full((5, 3), 0.1)
    indices, radii = k_centre_greedy(same, 5, first=2)
    assert indices.tolist() == [2, 0, 1, 3, 4]
    assert radii[1:].tolist() == [0.0] * 4


def test_double_precision_and_a_strided_view_are_accepted():
    wide = torch.randn(60, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    indices, radii = k_centre_greedy(wide[::2, ::2], 10, first=4)
    assert indices.tolist() == brute_force(wide[::2, ::2], 10, first=4)[0]
    assert radii.dtype == torch.float64


def test_leaves_its_inputs_alone():
    features, centres = torch.randn(20, 4), torch.randn(3, 4)
    before = features.clone(), centres.clone()
    k_centre_greedy(features, 5, centres=centres)
    assert torch.equal(features, before[0])
    assert torch.equal(centres, before[1])


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (torch.zeros(3), {"k": 1}, "features"),
        (torch.zeros(3, 2, dtype=torch.int64), {"k": 1}, "floating"),
        (torch.zeros(3, 2), {"k": 4}, "k must"),
        (torch.zeros(3, 2), {"k": 1, "first": 3}, "first"),
        (torch.zeros(3, 2), {"k": 1, "block": 0}, "block"),
        (torch.zeros(3, 2), {"k": 1, "centres": torch.zeros(1, 3)}, "centres"),
        (torch.zeros(3, 2), {"k": 1, "centres": torch.full((1, 2), torch.nan)}, "centres"),
        (torch.tensor([[0.0], [torch.nan]]), {"k": 1}, "finite"),
    ],
)
def test_refuses_what_it_cannot_answer(features, options, message):
    with pytest.raises(ValueError, match=message):
        k_centre_greedy(features, **options)


points = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=2, max_size=9, unique=True).map(
    lambda rows: torch.tensor(rows, dtype=torch.float32)
)


@settings(max_examples=40)
@given(points, st.data())
def test_radii_fall_and_cover_within_twice_the_optimum(features, data):
    k = data.draw(st.integers(1, len(features)))
    first = data.draw(st.integers(0, len(features) - 1))
    indices, radii = k_centre_greedy(features, k, first=first, block=4)
    assert len(set(indices.tolist())) == k
    assert all(earlier >= later for earlier, later in itertools.pairwise(radii.tolist()))
    optimum = min(covering_radius(features, c) for c in itertools.combinations(range(len(features)), k))
    assert covering_radius(features, indices.tolist()) <= 2 * optimum + 1e-3
