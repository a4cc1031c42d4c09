"""The Bayesian objective in a task: doubt is learned beside coordinates; what asks the model meets these alone."""

import numpy as np
import pytest
import torch
from torch import nn

from querist.core.capabilities import TellsLosses
from querist.errors import QueristError
from querist.tasks.pose.measures import Metric
from querist.tasks.pose.network import PoseNetwork, Seen
from querist.tasks.pose.objectives import pose_losses
from tiny_pose_task import GIVEN, POOL, about, depths, tiny_schedule, tiny_task


class TinyDoubt(PoseNetwork):
    """Coordinates of depth images, and log-scales of their errors."""

    def __init__(self, doubt=True):
        super().__init__(dropout=0.3)
        self.appearance_width, self.doubts = 16, doubt
        self.body = nn.Sequential(nn.Conv2d(1, 4, 4, stride=8), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(64, 9), nn.Unflatten(1, (3, 3)))
        self.scale = nn.Sequential(nn.Linear(64, 9), nn.Unflatten(1, (3, 3)))

    def look(self, x):
        found = self.body(x)
        return Seen(found.flatten(1), (found,), found.mean(dim=1).flatten(1))

    def forward(self, x):
        last = self.look(x).last
        doubts = [self.scale(last)] if self.doubts and self.training else []
        return torch.cat([self.head(last), *doubts], dim=2)


def bayesian(doubt=True, objective="coordinate_bayesian"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = TinyDoubt(doubt)
    return tiny_task(depths(), model, metric=Metric("mm"), objective=objective, schedule=tiny_schedule(3e-2))


def start(task, steps):
    labels = about(task, given=GIVEN)
    return task.fit(labels, new=labels, steps=steps, phase="start", rng=np.random.default_rng(0))


def test_it_learns_both_and_the_same_again():
    tasks = [bayesian(), bayesian()]
    before = tasks[0].evaluate(GIVEN).value
    scale = tasks[0].snapshot()["model/scale.0.weight"].copy()
    assert start(tasks[0], 30) == start(tasks[1], 30)
    assert tasks[0].evaluate(GIVEN).value > before
    learned = [task.snapshot() for task in tasks]
    assert all(np.array_equal(learned[0][name], learned[1][name]) for name in learned[0])
    assert not np.array_equal(learned[0]["model/scale.0.weight"], scale)


def test_what_asks_the_model_meets_coordinates():
    task = bayesian()
    start(task, 3)
    units, stream = POOL[:4], np.random.default_rng(0)
    found = task.describe(units, ("pose", "pose_mean", "pose_spread", "appearance", "levels"), stream)
    assert {name: table.shape[1] for name, table in found.items()} == {
        "pose": 9, "pose_mean": 9, "pose_spread": 9, "appearance": 16, "levels": 4 + 16,
    }  # fmt: skip
    nearest, weights = np.array([[0, 1]] * 4), np.full((4, 2), 0.5, dtype=np.float32)
    for scope in ("head", "all"):
        lengths = task.expected_gradients(units, GIVEN, None, nearest, weights, scope)
        assert (lengths > 0).all()
    assert task.rehearsal(np.arange(20)).fields["pose"].size == 9


def test_images_are_judged_by_their_squared_error():
    task = bayesian()
    start(task, 3)
    assert isinstance(task, TellsLosses)
    answers = task.truth(POOL)
    images = torch.from_numpy(task.data.batch(POOL)).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = pose_losses(task.model(images), torch.from_numpy(task.joints(POOL, answers)), "coordinate_mse")
    np.testing.assert_allclose(task.losses(POOL, answers), expected.numpy(), rtol=1e-4)


@pytest.mark.parametrize(("doubt", "objective"), [(False, "coordinate_bayesian"), (True, "coordinate_mse")])
def test_model_and_objective_must_agree(doubt, objective):
    with pytest.raises(QueristError, match="how sure it is"):
        bayesian(doubt, objective)
