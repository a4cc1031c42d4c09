from dataclasses import replace

import numpy as np
import pytest

from querist.core.answers import Labels
from querist.errors import QueristError
from querist.tasks.pose.batches import Batches, answered_joints, labelled_places
from querist.tasks.pose.frame import in_frame, normalised
from querist.tasks.pose.training import Training
from tiny_pose_task import GIVEN, about, depths, limbs, tiny_task


def batches(task, labels, new, phase, steps=6, batch=4, replay=0.5):
    training, stream = Training(batch=batch, replay=replay), np.random.default_rng(0)
    return Batches(task.data, task.images, labels, new, training, phase, steps, stream)


def test_the_scale_of_the_network_is_from_edge_to_edge():
    data = limbs()
    assert normalised(data, np.array([-0.5, 15.5, 31.5])).tolist() == [-1, 0, 1]
    np.testing.assert_allclose(in_frame(data, normalised(data, data.joints)), data.joints, atol=1e-5)
    hands = depths()
    np.testing.assert_array_equal(normalised(hands, hands.joints), hands.joints)


def test_answers_come_back_from_the_file():
    task = tiny_task()
    sources = np.array([9, 3])
    answers = task.truth(sources)
    np.testing.assert_allclose(answers[1], 2 * task.data.joints[3] + [10, 20], rtol=1e-6)
    np.testing.assert_allclose(answered_joints(task.data, sources, answers), task.data.joints[sources], atol=1e-5)
    answers[0][1, 0] = np.nan  # half of a place is none
    found = answered_joints(task.data, sources, answers)
    assert np.isnan(found[0, 1]).all()
    assert np.isfinite(found).sum() == 10


@pytest.mark.parametrize("wrong", [np.zeros((2, 2)), np.full((3, 2), np.inf), np.array(True)])
def test_answers_of_another_kind_are_refused(wrong):
    with pytest.raises(QueristError, match="p09"):
        answered_joints(limbs(), np.array([9]), [wrong])


def test_all_come_once_before_any_comes_again():
    task = tiny_task()
    labels = about(task, [8, 9], GIVEN)
    found = batches(task, labels, labels, "start", steps=5, batch=4)
    sources = np.concatenate([found[i][0] for i in range(5)])
    assert sorted(sources[:10].tolist()) == sorted(sources[10:].tolist()) == [*range(10)]
    np.testing.assert_allclose(found[2][1], normalised(task.data, task.data.joints[found[2][0]]), atol=1e-5)


def test_a_step_mixes_the_newest_with_what_was_there():
    task = tiny_task()
    labels, new = about(task, [8, 9, 10], [0, 1]), about(task, [10])
    for replay, counts in ((0.5, [2, 2]), (0.0, [4, 0]), (1.0, [0, 4])):
        for step in range(3):
            sources = batches(task, labels, new, "step", replay=replay)[step][0]
            assert [(sources == 10).sum(), (sources != 10).sum()] == counts
    assert set(batches(task, labels, about(task), "step")[0][0]) <= {0, 1, 8, 9, 10}
    assert set(batches(task, new, new, "step")[0][0]) == {10}


def test_images_without_a_joint_are_passed_over():
    data = limbs()
    joints = data.joints.copy()
    joints[0] = np.nan
    joints[1, 2] = np.nan
    task = tiny_task(replace(data, joints=joints, visible=np.isfinite(joints).all(axis=2)))
    answer = np.full((3, 2), np.nan, np.float32)
    labels = Labels(np.array([8]), (answer,), np.array([0, 1]))
    sources, places = labelled_places(task.data, task.images, labels)
    assert sources.tolist() == [1]
    assert np.isnan(places[0, 2]).all()
    assert batches(task, replace(labels, given=np.array([0])), labels, "final").empty
