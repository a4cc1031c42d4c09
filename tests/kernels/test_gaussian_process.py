import numpy as np
import pytest
import torch

from querist.kernels.gaussian_process import Posterior, greedy_variance, usual_distance

BANDWIDTH, NOISE = 1.5, 0.2


def rows(n, seed=0, d=3):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def kernel(a, b):
    return torch.exp(-(torch.cdist(a, b) ** 2) / (2 * BANDWIDTH**2))


def mean_variance(references, known):
    """Of the references, by inverting the whole matrix."""
    if not len(known):
        return 1.0
    told = torch.linalg.inv(kernel(known, known) + NOISE * torch.eye(len(known), dtype=torch.float64))
    cross = kernel(references, known)
    return float((1 - (cross @ told * cross).sum(dim=1)).mean())


@pytest.mark.parametrize("labelled", [0, 1, 6])
def test_each_fall_is_that_of_inverting_everything_again(labelled):
    candidates, references, known = rows(9, 1), rows(7, 2), rows(labelled, 3)
    posterior = Posterior(candidates, references, known, BANDWIDTH, NOISE)
    before = mean_variance(references, known)
    expected = [before - mean_variance(references, torch.cat([known, c[None]])) for c in candidates]
    np.testing.assert_allclose(posterior.falls(), expected, rtol=1e-8)


def test_by_hand():
    """One reference on a candidate: its variance falls from 1 to noise / (1 + noise)."""
    posterior = Posterior(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(0, 1), 1.0, 0.25)
    assert posterior.falls().tolist() == [pytest.approx(1 / 1.25)]
    posterior.learn(0)
    assert posterior.variance.tolist() == [pytest.approx(0.2)]
    assert posterior.falls().tolist() == [pytest.approx(0.2**2 / 0.45)]


def test_picks_are_the_greedy_ones():
    candidates, references, known = rows(12, 4), rows(20, 5), rows(3, 6)
    picks, falls = greedy_variance(Posterior(candidates, references, known, BANDWIDTH, NOISE), 5)
    told = known
    for pick, fall in zip(picks.tolist(), falls.tolist(), strict=True):
        after = [mean_variance(references, torch.cat([told, c[None]])) for c in candidates]
        rest = [a if i not in picks[: picks.tolist().index(pick)].tolist() else np.inf for i, a in enumerate(after)]
        assert int(np.argmin(rest)) == pick
        assert fall == pytest.approx(mean_variance(references, told) - after[pick], rel=1e-8)
        told = torch.cat([told, candidates[pick][None]])


def test_what_is_the_same_is_not_picked_twice_but_all_can_be_had():
    candidates = torch.tensor([[0.0], [0.0], [5.0]])
    picks, falls = greedy_variance(Posterior(candidates, candidates, torch.zeros(0, 1), 1.0, 0.1), 3)
    assert picks.tolist() == [0, 2, 1]
    assert falls[2] < falls[1]
    with pytest.raises(ValueError, match="4 picks of 3"):
        greedy_variance(Posterior(candidates, candidates, candidates, 1.0, 0.1), 4)


def test_the_usual_distance():
    line = torch.arange(6.0)[:, None]
    assert usual_distance(line, torch.tensor([0, 2]), neighbours=2) == pytest.approx(1.0)  # of 2 and 1, the lower
    assert usual_distance(line, torch.tensor([0]), neighbours=99) == pytest.approx(5.0)
    assert usual_distance(torch.zeros(1, 2), torch.tensor([0])) == 0.0
    with pytest.raises(ValueError, match="neighbours"):
        usual_distance(line, torch.tensor([0]), 0)


@pytest.mark.parametrize("numbers", [(0.0, 1.0), (1.0, 0.0)])
def test_what_must_be_positive(numbers):
    with pytest.raises(ValueError, match="positive"):
        Posterior(rows(2), rows(2), rows(2), *numbers)
