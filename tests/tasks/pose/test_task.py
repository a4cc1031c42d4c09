import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from querist.core.capabilities import (
    CountsAnswers,
    DrawsPictures,
    Embeds,
    HasSkeleton,
    KnowsTruth,
    LocatesUnits,
    Rehearses,
    SamplesPredictions,
)  # fmt: skip
from querist.errors import QueristError
from querist.kernels.peaks import multi_peak_entropy
from querist.nn.optimiser import Optimiser
from querist.nn.weights import save_model
from querist.tasks.pose.frame import in_frame, normalised
from querist.tasks.pose.heatmaps import read_places
from querist.tasks.pose.metric import pck
from querist.tasks.pose.objectives import pose_losses
from tiny_pose_task import (
    GIVEN,
    POOL,
    SIZE,
    TEST,
    PlainCoordinates,
    TinyMaps,
    about,
    depths,
    hands_task,
    limbs,
    tiny_schedule,
    tiny_task,
)  # fmt: skip


def rng(seed=0):
    return np.random.default_rng(seed)


def start(task, seed=0, steps=3):
    labels = about(task, given=GIVEN)
    return task.fit(labels, new=labels, steps=steps, phase="start", rng=rng(seed))


def step(task, units, new, seed=1, steps=2):
    return task.fit(about(task, units, GIVEN), new=about(task, new), steps=steps, phase="step", rng=rng(seed))


def same(a, b):
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a)


def tensor(data, sources):
    """What the model sees, by hand."""
    images = (data.batch(np.asarray(sources)) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return torch.from_numpy(images.transpose(0, 3, 1, 2)).float()


@pytest.mark.parametrize("make", [tiny_task, hands_task])
def test_the_same_stream_gives_the_same_bits(make):
    snapshots = []
    for seed in (0, 0, 7):
        task = make()
        start(task, seed)
        step(task, [8, 9, 10], [10])
        snapshots.append(task.snapshot())
    assert same(snapshots[0], snapshots[1])
    assert not same(snapshots[0], snapshots[2])


def test_training_leaves_the_global_generators_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    start(tiny_task())
    assert torch.equal(torch.rand(3), expected)


def test_restored_in_another_process_it_goes_on_bit_by_bit():
    task = tiny_task()
    start(task)
    step(task, [8, 9], [9])
    kept = task.snapshot()
    step(task, [8, 9, 10], [10], seed=2)
    whole = task.snapshot()
    resumed = tiny_task(model=TinyMaps())  # other weights, until it is restored
    resumed.restore(kept)
    assert same(resumed.snapshot(), kept)
    resumed.describe(POOL, tuple(resumed.fields), rng())  # looking changes nothing
    step(resumed, [8, 9, 10], [10], seed=2)
    assert same(resumed.snapshot(), whole)
    moments = [name for name in kept if "exp_avg" in name]
    resumed.restore(kept | {name: np.zeros_like(kept[name]) for name in moments})
    step(resumed, [8, 9, 10], [10], seed=2)
    assert moments
    assert not same(resumed.snapshot(), whole)


def test_a_final_training_does_not_touch_the_trajectory():
    task = tiny_task()
    start(task)
    first = task.snapshot()
    step(task, [8], [8])
    trajectory = task.snapshot()
    task.restore(first)
    labels = about(task, [8], GIVEN)
    task.fit(labels, new=labels, steps=3, phase="final", rng=rng(3))
    task.restore(trajectory)
    step(task, [8, 9], [9], seed=2)
    resumed = tiny_task()
    resumed.restore(trajectory)
    step(resumed, [8, 9], [9], seed=2)
    assert same(task.snapshot(), resumed.snapshot())


@pytest.mark.parametrize("phase", ["start", "step", "final"])
def test_joints_that_were_neither_given_nor_answered_have_no_influence(phase):
    plain = limbs()
    joints = plain.joints.copy()
    joints[10:] = 16 + 0.1 * joints[10:]
    tasks = [tiny_task(replace(plain, joints=j)) for j in (plain.joints, joints)]
    for task in tasks:
        task.fit(about(task, [8, 9], GIVEN), new=about(task, [9]), steps=3, phase=phase, rng=rng())
    assert same(tasks[0].snapshot(), tasks[1].snapshot())


@pytest.mark.parametrize("objective", ["cross_entropy", "soft_argmax"])
def test_losses_are_those_of_training_on_the_plain_images(objective):
    task = tiny_task(objective=objective)
    units = np.array([9, 8, 7, 6, 5, 4])
    answers = task.truth(units)
    answers[1][:] = np.nan
    answers[2][0] = np.nan
    found = task.losses(units, answers)
    with torch.no_grad():
        places = torch.from_numpy(task.joints(units, answers))
        expected = pose_losses(task.model(tensor(task.data, units)), places, objective).numpy()
    np.testing.assert_allclose(np.delete(found, 1), np.delete(expected, 1), rtol=1e-4)
    assert np.isnan(found[1])  # nothing is known: no loss, rather than none
    assert task.losses(units[:0], []).shape == (0,)


def test_levels_are_means_of_maps_of_every_depth_and_the_appearance():
    task = tiny_task()
    assert task.level_widths == (6, 6, 6)
    found = task.describe(POOL, ("levels",), rng())["levels"]
    with torch.no_grad():
        seen = task.model.look(tensor(task.data, POOL))
    expected = torch.cat([*(m.mean(dim=(2, 3)) for m in seen.levels), seen.appearance], dim=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert "levels" not in hands_task().fields


def test_nothing_to_learn_from_changes_nothing():
    task = tiny_task()
    before, nothing = task.snapshot(), about(task)
    assert task.fit(nothing, new=nothing, steps=5, phase="step", rng=rng()) == {}
    assert start(task, steps=0) == {}
    assert same(task.snapshot(), before)


@pytest.mark.parametrize("make", [tiny_task, lambda: hands_task(schedule=tiny_schedule(3e-2))])
def test_training_learns_and_leaves_the_model_in_eval_mode(make):
    task = make()
    before = task.evaluate(GIVEN).value
    first = start(task, steps=2)
    assert set(first) == {"loss"}
    start(task, steps=30)
    assert not task.model.training
    assert start(task, steps=6)["loss"] < first["loss"]
    assert task.evaluate(GIVEN).value > before


def test_a_loss_that_explodes_is_said():
    schedule = tiny_schedule()
    task = hands_task(schedule=replace(schedule, start=replace(schedule.start, optimiser=Optimiser("sgd", 1e30))))
    with pytest.raises(QueristError, match="start training"):
        start(task, steps=4)


def test_a_pose_is_what_the_model_says_of_the_image():
    task = tiny_task()
    start(task)
    sources = np.array([5, 25, 0, 7, 1, 2, 3])
    with torch.no_grad():
        maps = task.model.eval()(tensor(task.data, sources))
        expected = read_places(maps, "peak_mean").numpy()
    found = list(task.predict(sources))
    np.testing.assert_array_equal(np.concatenate([s for s, _ in found]), sources)
    np.testing.assert_allclose(np.concatenate([j for _, j in found]), in_frame(task.data, expected), atol=1e-3)
    fields = task.describe(sources, ("pose", "multi_peak_entropy", "appearance", "embedding"), rng())
    np.testing.assert_allclose(fields["pose"], expected.reshape(7, 6), atol=1e-5)
    np.testing.assert_allclose(fields["multi_peak_entropy"], multi_peak_entropy(maps, 5, 1), atol=1e-5)
    looks = task.model.look(tensor(task.data, sources)).appearance.detach()
    np.testing.assert_allclose(fields["appearance"], looks, atol=1e-5)
    np.testing.assert_array_equal(fields["embedding"], fields["appearance"])
    np.testing.assert_array_equal(task.embed(sources), fields["embedding"])
    metric = pck(task.data, sources, in_frame(task.data, expected), 0.5)
    np.testing.assert_array_equal(task.evaluate(sources).statistics, metric.statistics)
    assert len(task.evaluate(TEST).part_values) == len(task.parts) == 3


def test_units_may_come_twice_and_in_any_order():
    task = tiny_task()
    found = task.describe(np.array([9, 4, 9]), ("pose",), rng())["pose"]
    np.testing.assert_array_equal(found[0], found[2])
    # In a batch of another size sums may be ordered otherwise, in the last bit.
    np.testing.assert_allclose(found[1:2], task.describe(np.array([4]), ("pose",), rng())["pose"], rtol=1e-5)
    empty = task.describe(np.zeros(0, dtype=np.int64), tuple(task.fields), rng())
    assert {name: table.shape for name, table in empty.items()} == {n: (0, *f.shape) for n, f in task.fields.items()}


def test_random_passes_give_mean_and_spread():
    task = tiny_task(passes=7)
    units = np.arange(4)
    found = task.describe(units, ("pose_mean", "pose_spread"), rng(3))
    again = task.describe(units, ("pose_spread", "pose_mean"), rng(3))
    np.testing.assert_array_equal(found["pose_mean"], again["pose_mean"])
    (batch,) = list(task.sample_predictions(units, 7, rng(3)))
    passes = normalised(task.data, np.stack(list(batch[1]))).reshape(7, 4, 6)
    np.testing.assert_allclose(found["pose_mean"], passes.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found["pose_spread"], passes.std(axis=0), atol=1e-5)
    assert found["pose_spread"].max() > 0
    assert "pose_mean" not in tiny_task(model=TinyMaps(dropout=0.0)).fields


def test_answers_are_counted_joint_by_joint():
    task = tiny_task()
    answers = [a.copy() for a in task.truth(np.array([8, 9]))]
    answers[1][2] = np.nan
    assert task.amounts(np.array([8, 9]), answers).tolist() == [[1, 1, 1], [1, 1, 0]]
    assert task.amounts(np.array([], dtype=int), []).shape == (0, 3)
    np.testing.assert_allclose(
        task.joints(np.array([8, 9]), answers)[0], normalised(task.data, task.data.joints[8]), atol=1e-5
    )
    assert np.isnan(task.joints(np.array([8, 9]), answers)[1, 2]).all()
    assert {a.dtype for a in answers} == {np.dtype(np.float32)}


def test_what_nobody_labelled_cannot_be_revealed():
    data = limbs()
    joints = data.joints.copy()
    joints[9] = np.nan
    task = tiny_task(replace(data, joints=joints, visible=np.isfinite(joints).all(axis=2)))
    with pytest.raises(QueristError, match="p09"):
        task.truth(np.array([8, 9]))


def test_units_are_located_in_the_file(tmp_path):
    task = tiny_task()
    # A pixel is two of the file and the first one's middle is (10, 20): it covers 9.5 to 11.5.
    assert task.locate(np.array([3])) == [{"image": "p03", "box": [10, 20, 64, 64], "joints": list(task.parts)}]
    data = limbs(paths=tuple(tmp_path / f"{i}.png" for i in range(26)))
    assert tiny_task(data).locate(np.array([3]))[0]["image"] == str(tmp_path / "3.png")
    (hand,) = hands_task().locate(np.array([0]))
    assert hand["box"] == [20, 30, 60, 60]  # half a cube is 30 pixels around (50, 60)


@pytest.mark.parametrize("make", [tiny_task, hands_task])
def test_poses_are_drawn(make):
    task = make()
    units = np.array([8, 9])
    sheet = Image.open(io.BytesIO(task.picture(units)))
    assert sheet.size == (404, 200)
    task.data.joints[8] = np.nan  # nothing is known of it, so nothing is drawn
    blank = np.asarray(Image.open(io.BytesIO(task.picture(units)))).astype(int)
    changed = np.abs(blank - np.asarray(sheet).astype(int)).max(axis=(0, 2)) > 60
    assert changed[:200].any()
    assert not changed[208:].any()
    assert Image.open(io.BytesIO(task.picture(units[:0]))).size == (1, 1)


def test_it_can_what_it_says():
    always = (KnowsTruth, CountsAnswers, LocatesUnits, DrawsPictures, HasSkeleton)
    for task, more in ((tiny_task(), True), (hands_task(), False)):
        assert all(task.can(capability) for capability in always)
        assert all(task.can(capability) == more for capability in (Embeds, SamplesPredictions, Rehearses))
    assert hands_task().fields.keys() == {"pose"}
    with pytest.raises(QueristError, match="PoseNetwork"):
        hands_task().embedding_width()
    task = tiny_task()
    assert task.bones.tolist() == [[0, 1], [0, 2]]
    assert task.part_bones == ((0, 1),)


@pytest.mark.parametrize(
    ("model", "changes", "words"),
    [
        (TinyMaps(4), {}, "gives"),
        (TinyMaps(), {"objective": "coordinate_mse"}, "gives heat maps"),
        (PlainCoordinates(3, 2), {"data": "depths"}, "gives"),
        (TinyMaps(), {"data": "depths"}, r"cannot take images \(1, 1, 32, 32\)"),
    ],
)
def test_a_model_of_another_shape_is_refused_at_once(model, changes, words):
    data = depths() if changes.pop("data", None) else limbs()
    with pytest.raises(QueristError, match=words):
        tiny_task(data, model, **changes)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    task = tiny_task()
    start(task)
    task.save(tmp_path / "own.safetensors")
    fresh = tiny_task(model=TinyMaps())
    fresh.load(tmp_path / "own.safetensors")
    np.testing.assert_array_equal(fresh.embed(POOL), task.embed(POOL))
    save_model(TinyMaps(width=4), tmp_path / "other.safetensors")
    with pytest.raises(QueristError, match="cannot be loaded into the model"):
        task.load(tmp_path / "other.safetensors")
    with pytest.raises(QueristError, match="snapshot does not fit"):
        task.restore(tiny_task(model=TinyMaps(width=4)).snapshot())
    assert task.data.size == SIZE
