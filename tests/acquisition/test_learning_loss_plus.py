import numpy as np
import pytest
import torch

from querist.acquisition.learning_loss_plus import LearningLossPlus
from querist.acquisition.loss_prediction import learn_losses
from querist.core.observation import Field, Groups, Observation, Schema


def test_the_largest_first():
    values = np.array([[[0.2], [0.9], [0.5]]], dtype=np.float32)
    groups = Groups(np.array([[4, 5, 6]]), np.ones((1, 3), dtype=bool))
    seen = Observation(groups, values, Schema((Field("predicted_loss"),)), groups.units[:, :, None])
    assert LearningLossPlus().select(seen, 2, np.random.default_rng(0)).indices.tolist() == [[1, 2]]


def test_it_learns_how_much_worse_and_not_only_which():
    """Of a pair with losses 9 and 1 the shares are 9/10 and 1/10, so the two are to be ln 9 apart; the order says 1."""
    levels, losses = torch.tensor([[1.0], [-1.0]]).repeat(32, 1), torch.tensor([9.0, 1.0]).repeat(32)
    gaps = {}
    for ranking in (LearningLossPlus.ranking, "hinge"):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = learn_losses(levels, losses, (1,), ranking, 800, torch.Generator().manual_seed(1))
        found = module(levels).detach()
        gaps[ranking] = float(found[0] - found[1])
    assert gaps["share"] == pytest.approx(np.log(9), abs=0.05)
    assert 1 <= gaps["hinge"] < 1.5


def test_a_number_that_never_varied_decides_nothing():
    """Its weights had no gradient; a hundredth of it must not outweigh what was learned."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.cat([torch.rand(100, 1, generator=generator), torch.zeros(100, 1)], dim=1)
    losses = levels[:, 0] + 0.1
    module = learn_losses(levels, losses, (2,), "share", 400, generator)
    offered = torch.tensor([[0.1, 0.0], [0.1, 0.01], [0.9, 0.0], [0.9, 0.01]])
    told = module(offered).detach()
    assert told[:2].max() < told[2:].min()
