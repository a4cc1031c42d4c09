import numpy as np
import pytest
import torch

from querist.kernels.gaussian_process import Posterior, Process, greedy_variance

BANDWIDTH, NOISE = 1.5, 0.2


def rows(n, seed=0, d=3):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def kernel(a, b):
    return torch.exp(-(torch.cdist(a, b) ** 2) / (2 * BANDWIDTH**2))


def after(known, candidates, references):
    return Posterior(Process(known, BANDWIDTH, NOISE), candidates, references)


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
    posterior = after(known, candidates, references)
    before = mean_variance(references, known)
    expected = [before - mean_variance(references, torch.cat([known, c[None]])) for c in candidates]
    np.testing.assert_allclose(posterior.falls(), expected, rtol=1e-8)


def test_by_hand():
    """One reference on a candidate: its variance falls from 1 to noise / (1 + noise)."""
    posterior = Posterior(Process(torch.zeros(0, 1), 1.0, 0.25), torch.zeros(1, 1), torch.zeros(1, 1))
    assert posterior.falls().tolist() == [pytest.approx(1 / 1.25)]
    posterior.learn(0)
    assert posterior.variance.tolist() == [pytest.approx(0.2)]
    assert posterior.falls().tolist() == [pytest.approx(0.2**2 / 0.45)]


def test_picks_are_the_greedy_ones():
    candidates, references, known = rows(12, 4), rows(20, 5), rows(3, 6)
    picks, falls = greedy_variance(after(known, candidates, references), 5)
    told = known
    for pick, fall in zip(picks.tolist(), falls.tolist(), strict=True):
        left = [mean_variance(references, torch.cat([told, c[None]])) for c in candidates]
        rest = [a if i not in picks[: picks.tolist().index(pick)].tolist() else np.inf for i, a in enumerate(left)]
        assert int(np.argmin(rest)) == pick
        assert fall == pytest.approx(mean_variance(references, told) - left[pick], rel=1e-8)
        told = torch.cat([told, candidates[pick][None]])


def test_what_is_the_same_is_not_picked_twice_but_all_can_be_had():
    candidates = torch.tensor([[0.0], [0.0], [5.0]])
    picks, falls = greedy_variance(Posterior(Process(torch.zeros(0, 1), 1.0, 0.1), candidates, candidates), 3)
    assert picks.tolist() == [0, 2, 1]
    assert falls[2] < falls[1]
    with pytest.raises(ValueError, match="4 picks of 3"):
        greedy_variance(Posterior(Process(candidates, 1.0, 0.1), candidates, candidates), 4)


def test_the_mean_is_that_of_inverting_the_matrix():
    known, told, others = rows(6, 7), rows(6, 8, 2), rows(4, 9)
    inverse = torch.linalg.inv(kernel(known, known) + NOISE * torch.eye(6, dtype=torch.float64))
    np.testing.assert_allclose(
        Process(known, BANDWIDTH, NOISE).mean(others, told), kernel(others, known) @ inverse @ told
    )
    assert not Process(known[:0], BANDWIDTH, NOISE).mean(others, told[:0]).any()


@pytest.mark.parametrize("labelled", [0, 5])
def test_each_gain_is_that_of_learning_everything_again(labelled):
    known, told, candidates, truth = rows(labelled, 1), rows(labelled, 2, 2), rows(8, 3), rows(8, 4, 2)
    references, theirs = rows(10, 5), rows(10, 6, 2)
    process = Process(known, BANDWIDTH, NOISE)
    theirs[3, 1] = torch.nan
    errors = theirs - process.mean(references, told)
    found = Posterior(process, candidates, references).gains(truth - process.mean(candidates, told), errors)
    for gain, row, label in zip(found.tolist(), candidates, truth, strict=True):
        again = Process(torch.cat([known, row[None]]), BANDWIDTH, NOISE)
        left = theirs - again.mean(references, torch.cat([told, label[None]]))
        assert gain == pytest.approx(float((errors.square() - left.square()).nansum()) / 10, rel=1e-8)


@pytest.mark.parametrize("numbers", [(0.0, 1.0), (1.0, 0.0)])
def test_what_must_be_positive(numbers):
    with pytest.raises(ValueError, match="positive"):
        Process(rows(2), *numbers)
