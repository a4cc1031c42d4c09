"""What a pose task must offer before a team of MATAL is trained on it, and that the advice is true."""

import numpy as np
import pytest
from torch import nn

from querist.agents.matal.agent import AGENT
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.tasks.pose.measures import Metric
from tiny_pose_task import TEST, hands_task, limbs, tiny_task


class PlainMaps(nn.Module):
    """A user's own module, nothing but ``forward``: heat maps."""

    def __init__(self, joints=3):
        super().__init__()
        self.body = nn.Conv2d(3, joints, 5, stride=4, padding=2)

    def forward(self, x):
        return self.body(x)


def split(start=20):
    roles = np.full(26, Role.POOL, dtype=np.int8)
    roles[:start], roles[TEST] = Role.START, Role.TEST
    return Split(roles)


def check(task, profile="sound", changes=None, rehearsal=True):
    AGENT.check_task(task, split(), profile, changes or {}, rehearsal)


@pytest.mark.parametrize("rehearsal", [True, False])
@pytest.mark.parametrize("profile", ["sound", "faithful"])
@pytest.mark.parametrize("make", [lambda: tiny_task(model=PlainMaps()), hands_task])
def test_a_model_that_gives_poses_alone_is_refused_either_way(make, profile, rehearsal):
    with pytest.raises(QueristError, match=r"gives poses alone.*\n?.*PoseNetwork \(look\(\) and head\)"):
        check(make(), profile, rehearsal=rehearsal)


def test_without_its_stand_in_a_task_cannot_pay_each_image():
    task = tiny_task()
    check(task)
    with pytest.raises(QueristError, match=r"(?s)influence of each image.*rehearsal=true.*matal/sound\.reward=metric"):
        check(task, rehearsal=False)
    check(task, changes={"reward": "metric"}, rehearsal=False)  # as it was advised
    check(task, "faithful", rehearsal=False)


def test_a_task_without_a_stand_in_is_told_both_settings_at_once(monkeypatch):
    task = tiny_task()
    monkeypatch.setattr(type(task), "can", lambda self, kind: kind.__name__ == "HasSkeleton")
    with pytest.raises(QueristError) as caught:
        check(task)
    assert "--set train.rehearsal=false --set train.settings.matal/sound.reward=metric" in str(caught.value)
    assert "rehearsal=true" not in str(caught.value)
    check(task, changes={"reward": "metric"}, rehearsal=False)


def test_the_rewards_must_be_measurable():
    heads = np.where(np.arange(26) < 20, np.nan, 9.0)
    data = limbs(heads=heads, skeleton=type(limbs().skeleton)(limbs().skeleton.names, limbs().skeleton.bones))
    task = tiny_task(data, metric=Metric("pckh"))
    task.metric.check(data, TEST)
    with pytest.raises(QueristError, match="has a head box"):
        check(task)


def test_looking_changes_nothing():
    task = tiny_task()
    before = task.snapshot()
    check(task)
    after = task.snapshot()
    assert all(np.array_equal(before[name], after[name]) for name in before)
