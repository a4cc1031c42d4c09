import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.kernels.gradient_embedding import factorised_kmeans_plus_plus, hallucinated_factor


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def whole_numbers(n, width, seed):
    """Small integers: every product and sum is exact, so two forms must agree to the last bit."""
    return torch.randint(-3, 4, (n, width), generator=seeded(seed)).double()


def multiplied_out(a, h, k, generator, turns=None):
    """The same law on the (n, C * d) matrix of gradients, distances from differences."""
    points = (a[:, :, None] * h[:, None, :]).flatten(1)
    picks = []
    for number in range(k):
        turn = torch.arange(len(points)) if turns is None else turns[number]
        if number == 0:
            picks.append(int(turn[points[turn].square().sum(dim=1).argmax()]))
            continue
        nearest = (points[:, None] - points[picks][None]).square().sum(dim=2).amin(dim=1)[turn]
        if nearest.sum() == 0:
            nearest = torch.tensor([float(int(row) not in picks) for row in turn], dtype=torch.float64)
        spot = torch.rand(1, generator=generator, dtype=torch.float64) * nearest.sum()
        picks.append(int(turn[int((nearest.cumsum(0) <= spot).sum())]))
    return picks


def test_the_factor_by_hand():
    p = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    assert hallucinated_factor(p).tolist() == [[0.25, -0.25], [-0.5, 0.5]]
    assert p.tolist() == [[0.25, 0.75], [0.5, 0.5]]  # left alone


@settings(max_examples=60)
@given(st.integers(1, 25), st.integers(1, 4), st.integers(1, 5), st.data())
def test_equals_the_sampler_on_the_gradients_themselves(n, classes, width, data):
    a, h = whole_numbers(n, classes, n), whole_numbers(n, width, n + 1)
    k = data.draw(st.integers(0, n))
    seed = data.draw(st.integers(0, 99))
    found = factorised_kmeans_plus_plus(a, h, k, seeded(seed)).tolist()
    assert found == multiplied_out(a, h, k, seeded(seed))
    assert len(set(found)) == k


def test_turns_equal_the_sampler_too():
    a, h = whole_numbers(12, 3, 0), whole_numbers(12, 4, 1)
    turns = [torch.arange(0, 5), torch.arange(5, 9), torch.arange(9, 12)] * 2
    for seed in range(20):
        found = factorised_kmeans_plus_plus(a, h, 6, seeded(seed), turns).tolist()
        assert found == multiplied_out(a, h, 6, seeded(seed), turns)
        assert all(pick in turn for pick, turn in zip(found, turns, strict=True))


def test_the_longest_gradient_is_first_and_chances_go_by_squared_distance():
    """Gradients on a line: 0, 1, 3 and -10. From -10 the squared distances are 100, 121 and 169."""
    a, h = torch.ones(4, 1, dtype=torch.float64), torch.tensor([[0.0], [1.0], [3.0], [-10.0]], dtype=torch.float64)
    counts = torch.zeros(4)
    generator = seeded()
    for _ in range(2000):
        first, second = factorised_kmeans_plus_plus(a, h, 2, generator).tolist()
        assert first == 3
        counts[second] += 1
    expected = 2000 * torch.tensor([100.0, 121.0, 169.0, 0.0]) / 390
    assert float((counts - expected).abs().max()) < 5 * 2000**0.5 / 2


def test_points_on_top_of_each_other_are_drawn_once_each():
    a, h = torch.ones(6, 2), torch.ones(6, 3)
    for seed in range(5):
        assert sorted(factorised_kmeans_plus_plus(a, h, 6, seeded(seed)).tolist()) == list(range(6))


def test_a_first_pick_can_be_given():
    a, h = torch.ones(3, 1), torch.tensor([[0.0], [0.0], [5.0]])
    assert factorised_kmeans_plus_plus(a, h, 2, seeded(), first=0).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("a", "h", "k", "options", "message"),
    [
        (torch.ones(3, 2), torch.ones(4, 2), 1, {}, "factors"),
        (torch.ones(3, 2), torch.ones(3, 2).double(), 1, {}, "factors"),
        (torch.ones(3, 2).int(), torch.ones(3, 2).int(), 1, {}, "floating"),
        (torch.ones(3, 2), torch.ones(3, 2), 4, {}, "k must"),
        (torch.ones(3, 2), torch.full((3, 2), torch.nan), 1, {}, "finite"),
        (torch.ones(3, 2), torch.ones(3, 2), 1, {"first": 3}, "first"),
        (torch.ones(3, 2), torch.ones(3, 2), 2, {"turns": [torch.tensor([0])]}, "turns"),
        (torch.ones(3, 2), torch.ones(3, 2), 1, {"turns": [torch.tensor([], dtype=torch.int64)]}, "turns"),
        (torch.ones(3, 2), torch.ones(3, 2), 2, {"turns": [torch.tensor([0])] * 2}, "not taken"),
    ],
)
def test_refuses_what_it_cannot_answer(a, h, k, options, message):
    with pytest.raises(ValueError, match=message):
        factorised_kmeans_plus_plus(a, h, k, seeded(), **options)
