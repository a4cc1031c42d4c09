import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.evaluation import paired_difference
from querist.errors import QueristError
from querist.tasks.pose.metric import joint_error, pck, pckh
from tiny_poses import LIMB, bodies, hands

ALL = np.arange(3)


def moved(data, *, by: dict) -> np.ndarray:
    """The truth, some joints of it moved in the frame; joints that are unknown are put anywhere."""
    joints = np.nan_to_num(data.joints.astype(np.float64), nan=77.0)
    for (source, joint), step in by.items():
        joints[source, joint] += step
    return joints


def test_pck_by_hand():
    data = bodies()  # torsos of 10, ? and 10 pixels of the file: a hit is up to 2, which is 1 of the frame
    got = pck(data, ALL, moved(data, by={(0, 0): (1, 0), (0, 2): (0.8, 0.8), (2, 1): (0.6, 0.6)}))
    assert got.statistics.tolist() == [[1, 1, 0, 1, 1, 1], [0] * 6, [1, 1, 1, 1, 1, 1]]
    assert got.value == pytest.approx(100 * 5 / 6)
    assert got.part_values == [100, 100, 50]
    assert got.left_out == 1


def test_the_threshold_is_a_share_of_the_torso():
    data = bodies()
    estimate = moved(data, by={(0, 0): (2.4, 0)})  # 4.8 pixels of the file, of 10
    assert [pck(data, ALL[:1], estimate[:1], share).value for share in (0.2, 0.47, 0.48, 1.0)] == pytest.approx(
        [200 / 3, 200 / 3, 100, 100]
    )


def test_pckh_by_hand():
    data = bodies()  # heads: a box of 10 -> 6; none, and no knee; none, but knee to foot is 2 sqrt(49 + 4) = 14.56
    estimate = moved(data, by={(0, 1): (1.5, 0), (0, 2): (1.51, 0), (2, 0): (3.64, 0), (2, 1): (3.65, 0)})
    got = pckh(data, ALL, estimate)
    assert got.statistics.tolist() == [[1, 1, 0, 1, 1, 1], [0] * 6, [1, 0, 1, 1, 1, 1]]
    assert got.value == pytest.approx(100 * 4 / 6)
    # With the whole diagonal, a hit is up to 5 pixels of the file where there is a box.
    wider = pckh(data, ALL, estimate, head_factor=1.0)
    assert wider.statistics[0].tolist() == [1, 1, 1, 1, 1, 1]
    assert wider.statistics[2].tolist() == got.statistics[2].tolist()
    assert pckh(data, ALL, estimate, threshold=0.5 / 0.6).value == wider.value + 100 / 6


def test_joints_that_are_not_scored_stay_among_the_parts():
    data = bodies(skeleton=dataclasses.replace(LIMB, unscored=(2,)))
    got = pck(data, ALL, moved(data, by={(0, 2): (5, 5), (2, 0): (5, 5)}))
    assert got.value == 75
    assert got.part_values == [50, 100, 50]


def test_the_joint_error_by_hand():
    data = hands()  # at 500 mm a step of u is 100 mm; at 600 mm 120
    estimate = moved(data, by={(0, 1): (0.3, 0.4, 0), (0, 2): (0.1, 0, 0), (1, 0): (0, 0, -0.2)})
    got = joint_error(data, np.arange(2), estimate)
    assert np.allclose(got.statistics, [[0, 50, 12, 1, 1, 1], [20, 0, 0, 1, 1, 0]])
    assert got.value == pytest.approx(-82 / 5)
    assert got.part_values == pytest.approx([-10, -25, -12])
    better = joint_error(data, np.arange(2), moved(data, by={(0, 1): (0.3, 0.4, 0)}))
    assert better.value > got.value


@given(st.lists(st.integers(0, 2), min_size=1, max_size=6), st.integers(0, 99))
def test_images_counted_twice_are_images_measured_twice(picked, seed):
    data = bodies()
    estimate = np.random.default_rng(seed).uniform(0, 8, (3, 3, 2))
    sources = np.array(picked)
    if (sources == 1).all():
        return  # no torso at all
    weights = np.bincount(sources, minlength=3)[None].astype(float)
    again = pck(data, sources, estimate[sources], 0.5)
    assert pck(data, ALL, estimate, 0.5).resampled(weights)[0] == pytest.approx(again.value)


def test_differences_have_a_standard_error():
    data = hands()
    worse = joint_error(data, np.arange(2), moved(data, by={(0, 1): (0, 0, 0.5), (1, 1): (0, 0, 0.5)}))
    gain, error = paired_difference(
        worse, joint_error(data, np.arange(2), moved(data, by={})), np.random.default_rng(0)
    )
    assert gain == pytest.approx(-worse.value)
    assert error > 0


@pytest.mark.parametrize(("metric", "what"), [(pck, "torso"), (pckh, "head")])
def test_a_skeleton_without_the_length_that_is_needed_is_named(metric, what):
    data = bodies()
    bare = dataclasses.replace(data, skeleton=dataclasses.replace(data.skeleton, torso=None, head=None), heads=None)
    with pytest.raises(QueristError, match=f"the skeleton names no {what}") as told:
        metric(bare, ALL, data.joints)
    assert f'"{what}": ["JOINT", "JOINT"] in skeleton.json' in told.value.fix


@pytest.mark.parametrize("metric", [pck, pckh])
def test_what_cannot_be_measured_is_named(metric):
    data = bodies()
    with pytest.raises(QueristError, match="none of 1 poses has"):
        metric(data, np.array([1]), data.joints[[1]] * 0)
    with pytest.raises(QueristError, match="'a' and of 1 more is not finite"):
        metric(data, ALL, np.full((3, 3, 2), [[[np.nan]], [[np.nan]], [[0]]]))
    with pytest.raises(QueristError, match="no correct keypoints"):
        metric(hands(), np.arange(2), np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match=r"estimated joints are \(3, 3, 3\)"):
        metric(data, ALL, np.zeros((3, 3, 3)))
    with pytest.raises(ValueError, match="threshold must be positive"):
        metric(data, ALL, np.zeros((3, 3, 2)), 0)


def test_other_faults_are_named():
    unknown = bodies(joints=np.full((3, 3, 2), np.nan, np.float32), visible=np.zeros((3, 3), bool))
    with pytest.raises(QueristError, match="has a known joint"):
        pck(unknown, ALL, np.zeros((3, 3, 2)))
    with pytest.raises(ValueError, match="head factor"):
        pckh(bodies(), ALL, np.zeros((3, 3, 2)), head_factor=0)
    with pytest.raises(QueristError, match="no millimetres"):
        joint_error(bodies(), ALL, np.zeros((3, 3, 2)))


def test_an_estimate_of_an_unknown_joint_may_be_anything():
    data = bodies()
    joints = moved(data, by={})
    joints[1, 1] = np.nan
    assert pck(data, ALL, joints).value == 100
