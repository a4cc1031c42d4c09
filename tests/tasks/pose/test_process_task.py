import numpy as np
import pytest
import torch

from querist.core.answers import Labels
from querist.errors import QueristError
from querist.kernels.gaussian_process import NOISE, Process
from querist.tasks.pose.frame import in_frame, normalised
from querist.tasks.pose.process import bandwidth_of
from querist.tasks.pose.process_task import PoseProcessTask
from querist.tasks.pose.task import PoseTask
from tiny_pose_task import GIVEN, POOL, TEST, PlainCoordinates, TinyMaps, about, depths, limbs, tiny_schedule

FIELDS = ("pose", "appearance", "embedding")


def made(kind: type[PoseTask] = PoseProcessTask, data=None):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return kind(data or limbs(), TinyMaps(), schedule=tiny_schedule(), device="cpu", inference_batch=5)


def fit(task, units: object = (), given: object = GIVEN, phase="step", steps=3):
    labels = about(task, units, given)
    return task.fit(labels, new=labels, steps=steps, phase=phase, rng=np.random.default_rng(0))


def predicted(task, sources=TEST):
    ((_, found),) = task.predict(sources)
    return found


@pytest.fixture
def task():
    started = made()
    fit(started, phase="start")
    return started


def test_the_network_learns_the_start_and_then_stays(task):
    network = made(PoseTask)
    fit(network, phase="start")
    for bought, phase in ((0, "step"), (4, "step"), (6, "final")):
        assert fit(task, POOL[:bought], phase=phase) == {}
        for name, told in network.describe(POOL, FIELDS, np.random.default_rng(0)).items():
            np.testing.assert_allclose(task.describe(POOL, (name,), np.random.default_rng(0))[name], told, atol=1e-5)


def test_a_process_learns_what_is_bought(task):
    fit(task, POOL[:4])
    looks = torch.from_numpy(task.describe(np.arange(26), ("appearance",), np.random.default_rng(0))["appearance"])
    known = np.concatenate([POOL[:4], GIVEN])
    places = torch.from_numpy(normalised(task.data, task.data.joints)).flatten(1)
    process = Process(looks[known], bandwidth_of(looks[GIVEN]), NOISE)
    middle = places[known].mean(dim=0)
    found = middle + process.mean(looks[TEST], places[known] - middle)
    np.testing.assert_allclose(predicted(task), in_frame(task.data, found.view(-1, 3, 2).numpy()), atol=1e-3)
    value = task.metric(task.data, TEST, predicted(task)).value
    assert task.evaluate(TEST).value == value


def test_the_order_of_labels_and_the_length_of_a_training_do_not_matter(task):
    fit(task, POOL[:4])
    once = predicted(task)
    fit(task, POOL[:2])
    assert not np.allclose(predicted(task), once, atol=1e-3)
    fit(task, POOL[[3, 1, 2, 0]], steps=0, phase="final")
    np.testing.assert_allclose(predicted(task), once, atol=1e-3)


def test_a_joint_is_learned_from_the_images_that_show_it(task):
    answers = task.truth(POOL[:4])
    for answer in answers[:3]:
        answer[1] = np.nan
    labels = Labels(POOL[:4], tuple(answers), GIVEN)
    task.fit(labels, new=labels, steps=1, phase="step", rng=np.random.default_rng(0))
    partly = predicted(task)
    fit(task, POOL[:4])
    np.testing.assert_allclose(partly[:, [0, 2]], predicted(task)[:, [0, 2]], atol=1e-3)
    fit(task, POOL[3:4])
    np.testing.assert_allclose(partly[:, 1], predicted(task)[:, 1], atol=1e-3)


def test_without_any_label_the_middle_is_expected():
    task = made()
    fit(task, given=(), phase="start")
    np.testing.assert_allclose(predicted(task), in_frame(task.data, np.zeros((6, 3, 2), np.float32)), atol=1e-5)


def test_a_single_label_is_enough_to_begin_with():
    task = made()
    fit(task, given=GIVEN[:1], phase="start")
    own = in_frame(task.data, normalised(task.data, task.data.joints[GIVEN[:1]]))
    np.testing.assert_allclose(predicted(task), np.repeat(own, 6, axis=0), atol=1e-3)  # it is the middle itself


def test_a_snapshot_holds_all(task):
    fit(task, POOL[:4])
    kept, found, described = task.snapshot(), predicted(task), task.describe(POOL, ("pose",), np.random.default_rng(0))
    other = made()
    other.restore(kept)
    np.testing.assert_array_equal(predicted(other), found)
    np.testing.assert_array_equal(other.describe(POOL, ("pose",), np.random.default_rng(0))["pose"], described["pose"])
    fit(task, given=GIVEN[:3], phase="start", steps=9)
    assert not np.allclose(predicted(task), found, atol=1e-3)
    task.restore(kept)
    np.testing.assert_array_equal(predicted(task), found)


def test_a_checkpoint_brings_its_own_appearances(task, tmp_path):
    before = task.describe(POOL, ("appearance",), np.random.default_rng(0))["appearance"]
    made().save(tmp_path / "first.safetensors")
    task.load(tmp_path / "first.safetensors")
    after = task.describe(POOL, ("appearance",), np.random.default_rng(0))["appearance"]
    assert not np.allclose(before, after, atol=1e-4)


def test_a_module_that_shows_nothing_before_its_head_is_refused():
    with pytest.raises(QueristError, match="does not show what it sees before its head"):
        PoseProcessTask(depths(), PlainCoordinates(), objective="coordinate_mse", device="cpu")


def test_labels_without_a_known_joint_teach_nothing(task):
    before = predicted(task)
    nothing = Labels(POOL[:1], (np.full((3, 2), np.nan, np.float32),), np.zeros(0, dtype=np.int64))
    task.fit(nothing, new=nothing, steps=1, phase="step", rng=np.random.default_rng(0))
    np.testing.assert_array_equal(predicted(task), before)
