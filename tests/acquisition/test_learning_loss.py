import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from querist.acquisition.learning_loss import LearningLoss
from querist.acquisition.learning_loss_plus import LearningLossPlus
from querist.core.observation import Field, Groups, Observation, Schema
from querist.core.split import Role
from querist.core.step import offer
from querist.errors import QueristError
from toy_poses import ToyPoses, poses_game, poses_split


class Wrong(ToyPoses):
    """Its loss is e to the power of the first number that it sees of an image; the second depth is constant."""

    fields = {**ToyPoses.fields, "levels": Field("levels", (3,))}  # noqa: RUF012
    level_widths = (2, 1)

    def describe(self, units, fields, rng):
        if list(fields) != ["levels"]:
            return super().describe(units, fields, rng)
        return {"levels": np.c_[self.looks[units][:, :2], np.ones(len(units))].astype(np.float32)}

    def losses(self, units, answers):
        assert np.allclose(answers, self.truth(units))
        found = np.exp(self.looks[units, 0]).astype(np.float32)
        found[:3] = np.nan  # nothing is known of these joints
        return found


def test_the_largest_first():
    values = np.array([[[0.2], [0.9], [0.5]]], dtype=np.float32)
    groups = Groups(np.array([[4, 5, 6]]), np.ones((1, 3), dtype=bool))
    seen = Observation(groups, values, Schema((Field("predicted_loss"),)), groups.units[:, :, None])
    found = LearningLoss().select(seen, 2, np.random.default_rng(0))
    assert found.indices.tolist() == [[1, 2]]
    np.testing.assert_allclose(found.scores, [[0.9, 0.5]])


@pytest.mark.parametrize("kind", [LearningLoss, LearningLossPlus])
def test_it_learns_from_what_is_labelled(kind, tmp_path):
    """30 images are labelled; the order of the 24 others follows from what the model sees of them."""
    task, policy = Wrong(), kind()
    policy.check(task)
    observations = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        game = poses_game(tmp_path / name, task, policy.own_featuriser(task))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(len(observations))  # nothing hangs on the state of the process
            observations.append(offer(game, 0))
    units, found = observations[0].groups.units[0], observations[0].field("predicted_loss")[0]
    np.testing.assert_array_equal(found, observations[1].field("predicted_loss")[0])
    assert spearmanr(found, task.looks[units, 0]).statistic > 0.8


def test_pairs_are_needed(tmp_path):
    split = poses_split()
    split.roles[np.flatnonzero(split.roles == Role.START)[4:]] = Role.UNUSED  # four are left, three of them unknown
    task, policy = Wrong(), LearningLoss()
    with pytest.raises(QueristError, match="and there are 1 images"):
        offer(poses_game(tmp_path, task, policy.own_featuriser(task), split), 0)


def test_refusals():
    with pytest.raises(QueristError, match="0 steps"):
        LearningLoss(0)
    with pytest.raises(QueristError, match="TellsLosses"):
        LearningLoss().check(ToyPoses())
