from dataclasses import replace

import numpy as np
import pytest

from querist.errors import QueristError
from querist.tasks.pose.measures import Metric
from querist.tasks.pose.metric import joint_error, pck, pckh
from querist.tasks.pose.skeleton import Skeleton
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
    assert Metric("pckh", head_factor=1.0).name == "PCKh@0.5 (head factor 1)"
    assert Metric("mm", head_factor=1.0).name == "negative joint error"  # where it has no part


@pytest.mark.parametrize("wrong", [{"measure": "oks"}, {"threshold": 0.0}, {"head_factor": 0.0}])
def test_what_does_not_exist_is_refused(wrong):
    with pytest.raises(QueristError):
        Metric(**wrong)


BARE = Skeleton(("hip", "left foot", "right foot"), ((0, 1), (0, 2)))


def test_data_whose_truth_can_be_measured_pass():
    """The truth as its own estimate is perfect, whatever is unknown; that it is measured is all that is asked."""
    unknown = limbs().joints.copy()
    unknown[20, 2] = np.nan
    visible = np.isfinite(unknown).all(axis=2)
    sources = np.arange(20, 26)
    for metric, data, perfect in (
        (Metric(), limbs(), 100.0), (Metric("pckh"), limbs(), 100.0), (Metric("mm"), depths(), 0.0),
        (Metric(), limbs(joints=unknown, visible=visible), 100.0),
        (Metric("pckh"), limbs(skeleton=BARE, heads=np.full(26, 9.0)), 100.0),
    ):  # fmt: skip
        metric.check(data, sources)
        assert metric(data, sources, data.joints[sources]).value == pytest.approx(perfect, abs=1e-4)


@pytest.mark.parametrize(
    ("metric", "data", "words"),
    [
        (Metric(), limbs(skeleton=BARE), r"PCK@0\.2 on the 6 images of the test set: the skeleton names no torso"),
        (Metric("pckh"), limbs(skeleton=BARE), "the skeleton names no head"),
        (Metric("mm"), limbs(), "colour images have no millimetres"),
        (Metric(), depths(), "depth images have no correct keypoints"),
        (Metric("mm"), replace(depths(), joints=np.full((26, 3, 3), np.nan), visible=np.zeros((26, 3), bool)),
         "has a known joint"),
        (Metric("pckh"), limbs(skeleton=replace(BARE, head=(0, 1), unscored=(0, 1)), joints=np.where(
            np.arange(3)[:, None] == 2, np.nan, limbs().joints), visible=np.tile([True, True, False], (26, 1))),
         "leaves unscored"),
    ],
)  # fmt: skip
def test_a_measure_that_cannot_be_taken_is_named(metric, data, words):
    with pytest.raises(QueristError, match=words):
        metric.check(data, np.arange(20, 26))
