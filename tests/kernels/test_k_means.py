import pytest
import torch

from querist.kernels.k_means import k_means


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def spread(n=60, d=3, seed=0):
    return torch.randn(n, d, generator=seeded(seed), dtype=torch.float64)


def inertia(features, cluster, centres):
    return float((features - centres[cluster]).square().sum())


def plain_lloyd(features, centres, iterations):
    """Row by row and centre by centre."""
    centres = centres.clone()
    for _ in range(iterations):
        cluster = [min(range(len(centres)), key=lambda c: float((row - centres[c]).square().sum())) for row in features]
        for c in set(cluster):
            centres[c] = torch.stack([row for row, own in zip(features, cluster, strict=True) if own == c]).mean(dim=0)
    return centres


def test_on_a_line_by_hand():
    """From 0 and 1: {0 | 1 2 9 10} -> 0 and 5.5 -> {0 1 2 | 9 10} -> 1 and 9.5, where it stays."""
    line = torch.tensor([[0.0], [1.0], [2.0], [9.0], [10.0]])
    cluster, centres = k_means(line, 2, seeded(), initial=torch.tensor([[0.0], [1.0]]))
    assert cluster.tolist() == [0, 0, 0, 1, 1]
    assert centres.flatten().tolist() == pytest.approx([1.0, 9.5])
    once = k_means(line, 2, seeded(), initial=torch.tensor([[0.0], [1.0]]), iterations=1)[1]
    assert once.flatten().tolist() == pytest.approx([0.0, 5.5])


@pytest.mark.parametrize("iterations", [0, 1, 3, 7])
def test_equals_lloyd_written_out(iterations):
    features = spread()
    cluster, centres = k_means(features, 5, seeded(), iterations=iterations, initial=features[:5])
    expected = plain_lloyd(features, features[:5], iterations)
    torch.testing.assert_close(centres, expected)
    assert cluster.tolist() == torch.cdist(features, expected).argmin(dim=1).tolist()


def test_more_iterations_never_end_worse():
    features = spread(200)
    ends = [inertia(features, *k_means(features, 8, seeded(3), iterations=i)) for i in range(12)]
    assert ends == sorted(ends, reverse=True)


@pytest.mark.parametrize("seed", range(5))
def test_clusters_that_lie_apart_are_found(seed):
    places = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]], dtype=torch.float64)
    features = (places[:, None] + spread(100, 2, seed).view(4, 25, 2)).flatten(0, 1)
    cluster, centres = k_means(features, 4, seeded(seed))
    owners = cluster.view(4, 25)
    assert all(len(set(row.tolist())) == 1 for row in owners)
    assert len(set(owners[:, 0].tolist())) == 4
    torch.testing.assert_close(centres[owners[:, 0]], places, atol=1.0, rtol=0)


def test_a_part_of_very_many_rows_is_enough():
    places = torch.tensor([[0.0], [1000.0]], dtype=torch.float64)
    features = (places[:, None] + spread(4000, 1).view(2, 2000, 1)).flatten(0, 1)
    cluster, centres = k_means(features, 2, seeded(), per_centre=20)
    assert sorted(torch.bincount(cluster).tolist()) == [2000, 2000]
    assert not torch.isclose(centres.sort(dim=0).values[0], features[:2000].mean(dim=0), rtol=0, atol=1e-9)


def test_a_centre_without_rows_goes_to_the_farthest_row():
    line = torch.tensor([[0.0], [1.0], [2.0], [30.0]])
    cluster, centres = k_means(line, 2, seeded(), initial=torch.tensor([[1.0], [1000.0]]))
    assert cluster.tolist() == [0, 0, 0, 1]
    assert centres.flatten().tolist() == pytest.approx([1.0, 30.0])


def test_as_many_centres_as_rows_and_rows_that_are_equal():
    features = spread(6)
    assert sorted(k_means(features, 6, seeded())[0].tolist()) == list(range(6))
    assert k_means(torch.ones(5, 2), 3, seeded())[0].unique().numel() == 1


def test_the_generator_decides_and_inputs_are_left_alone():
    features, initial = spread(), spread(4, seed=1)
    before = features.clone(), initial.clone()
    first, again = (k_means(features, 6, seeded(2))[1] for _ in range(2))
    assert torch.equal(first, again)
    k_means(features, 4, seeded(), initial=initial)
    assert torch.equal(features, before[0])
    assert torch.equal(initial, before[1])


@pytest.mark.parametrize(
    ("features", "k", "options", "message"),
    [
        (torch.zeros(3), 1, {}, "features"),
        (torch.zeros(3, 2).int(), 1, {}, "floating"),
        (torch.zeros(3, 2), 0, {}, "k must"),
        (torch.zeros(3, 2), 4, {}, "k must"),
        (torch.zeros(3, 2), 1, {"iterations": -1}, "iterations"),
        (torch.zeros(3, 2), 1, {"per_centre": 0}, "per_centre"),
        (torch.zeros(3, 2), 1, {"initial": torch.zeros(1, 3)}, "initial"),
        (torch.full((3, 2), torch.inf), 1, {}, "finite"),
    ],
)
def test_refuses_what_it_cannot_answer(features, k, options, message):
    with pytest.raises(ValueError, match=message):
        k_means(features, k, seeded(), **options)
