import numpy as np
import pytest

from querist.errors import QueristError
from querist.tasks.pose.measures import Metric
from querist.tasks.pose.metric import joint_error, pck, pckh
from tiny_pose_task import depths, limbs


def test_each_name_is_its_metric():
    data, sources = limbs(), np.arange(5)
    guess = data.joints[sources] + np.random.default_rng(0).normal(0, 3, (5, 3, 2)).astype(np.float32)
    for metric, expected in (
        (Metric(), pck(data, sources, guess, 0.2)), (Metric("pck-torso", 0.4), pck(data, sources, guess, 0.4)),
        (Metric("pckh"), pckh(data, sources, guess, 0.5)),
        (Metric("pckh", 0.2, 1.0), pckh(data, sources, guess, 0.2, 1.0)),
    ):  # fmt: skip
        np.testing.assert_array_equal(metric(data, sources, guess).statistics, expected.statistics)
    hands = depths()
    found = Metric("mm")(hands, sources, hands.joints[sources] + np.float32(0.01))
    np.testing.assert_array_equal(
        found.statistics, joint_error(hands, sources, hands.joints[sources] + np.float32(0.01)).statistics
    )
    assert found.value < 0


def test_what_tables_say():
    told = [(m.name, m.unit) for m in (Metric(), Metric("pckh"), Metric("pck-torso", 0.25), Metric("mm"))]
    assert told == [("PCK@0.2", "%"), ("PCKh@0.5", "%"), ("PCK@0.25", "%"), ("negative joint error", "mm")]


@pytest.mark.parametrize("wrong", [{"measure": "oks"}, {"threshold": 0.0}, {"head_factor": 0.0}])
def test_what_does_not_exist_is_refused(wrong):
    with pytest.raises(QueristError):
        Metric(**wrong)
