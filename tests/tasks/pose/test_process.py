import numpy as np
import pytest
import torch

from querist.kernels.gaussian_process import NOISE
from querist.tasks.pose.process import Images, as_places, bandwidth_of, gains

BANDWIDTH = 1.3


def images(n, seed):
    rng = np.random.default_rng(seed)
    return Images(torch.from_numpy(rng.normal(size=(n, 4))), torch.from_numpy(rng.normal(size=(n, 3, 2))))


def squared_error(known, measured, joint, middle):
    """Of the mean measured image that has the joint, after a regression of one joint on the known that show it."""

    def kernel(a, b):
        return torch.exp(-(torch.cdist(a, b) ** 2) / (2 * BANDWIDTH**2))

    shown = torch.isfinite(known.places[:, joint, 0])
    looks, told = known.looks[shown], known.places[shown, joint] - middle[joint]
    inverse = torch.linalg.inv(kernel(looks, looks) + NOISE * torch.eye(len(looks), dtype=torch.float64))
    missed = measured.places[:, joint] - middle[joint] - kernel(measured.looks, looks) @ inverse @ told
    return float(missed.nan_to_num(0.0).square().sum()) / len(measured.looks)


def test_a_gain_is_the_fall_of_the_error_when_everything_is_learned_again():
    known, asked, measured = images(7, 0), images(5, 1), images(6, 2)
    known.places[2:4, 1] = torch.nan
    asked.places[0, 2] = torch.nan
    measured.places[3, 0] = torch.nan
    middle = known.places.nanmean(dim=0)
    found = gains(known, asked, measured, BANDWIDTH)
    for place in range(5):
        more = Images(
            torch.cat([known.looks, asked.looks[place][None]]), torch.cat([known.places, asked.places[place][None]])
        )
        falls = (squared_error(known, measured, j, middle) - squared_error(more, measured, j, middle) for j in range(3))
        assert float(found[place]) == pytest.approx(sum(falls), rel=1e-5)


def test_a_joint_that_nobody_showed_is_expected_in_the_middle():
    known, asked, measured = images(3, 0), images(4, 1), images(2, 2)
    known.places[:, 1] = torch.nan
    assert torch.isfinite(gains(known, asked, measured, BANDWIDTH)).all()
    assert torch.isfinite(gains(Images(known.looks[:0], known.places[:0]), asked, measured, BANDWIDTH)).all()


def test_the_bandwidth_follows_the_appearances():
    looks = torch.tensor([[0.0], [2.0], [4.0]])
    assert bandwidth_of(looks) == pytest.approx(0.75 * 2)
    assert bandwidth_of(10 * looks) == pytest.approx(0.75 * 20)


def test_half_a_joint_is_none():
    half = np.array([[[1.0, np.nan], [2.0, 3.0]]])
    assert torch.isnan(as_places(half)[0, 0]).all()
    assert as_places(half)[0, 1].tolist() == [2.0, 3.0]
