from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from querist.nn.optimiser import Optimiser
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.grid import Grid
from querist.tasks.segmentation.training import Batches, Training, cross_entropy
from tiny import CLASSES, REGION, SIZE, VOID, SplitNet, labels_of, tiny_data, tiny_schedule, tiny_task

STEPS = 6


def addressed():
    """Images whose pixels tell where they are: row, column and source in the three channels."""
    where = np.zeros((6, *SIZE, 3), dtype=np.uint8)
    where[..., 0] = np.arange(24)[:, None]
    where[..., 1] = np.arange(32)
    where[..., 2] = np.arange(6)[:, None, None]
    plain = tiny_data()
    return SegmentationData(plain.names, where, plain.masks, plain.classes)


def batches(units, new, given=(), phase="step", batch=8, crop=(12, 16), replay=0.5, seed=0, data=None):
    task = tiny_task(data or addressed())
    training = Training(Optimiser(), batch, crop, replay)
    labels, late = labels_of(task, list(units), list(given)), labels_of(task, list(new))
    rng = np.random.default_rng(seed)
    made = Batches(task.data, task.grid, task.regions, labels, late, training, phase, STEPS, rng)
    return [made[step] for step in range(STEPS)]


@pytest.mark.parametrize("phase", ["start", "step", "final"])
def test_no_pixel_that_was_not_bought_reaches_training(phase):
    """Every pixel of every crop is traced to its place: bought or given, its label is the truth, else void."""
    units, given = [0, 4, 13, 22, 26, 31], [5]
    grid, plain = Grid.of(SIZE, REGION), tiny_data()
    expected = np.full((6, *SIZE), VOID, dtype=np.uint8)
    for unit in units:
        expected[unit // 9][grid.window(unit % 9)] = plain.mask(unit // 9)[grid.window(unit % 9)]
    expected[5] = plain.mask(5)
    found = batches(units, units[-2:], given, phase)
    for images, masks in found:
        assert (images.shape, masks.shape) == ((8, 12, 16, 3), (8, 12, 16))
        assert images.dtype == masks.dtype == np.uint8
        np.testing.assert_array_equal(masks, expected[images[..., 2], images[..., 0], images[..., 1]])
    seen = {int(s) for images, _ in found for s in images[:, 0, 0, 2]}
    assert seen <= {0, 1, 2, 3, 5}  # of image 4 nothing is labelled
    mirrored = [int(i[0, 0, 1]) > int(i[0, -1, 1]) for images, _ in found for i in images]
    assert 0.2 < np.mean(mirrored) < 0.8
    assert all((masks != VOID).any(axis=(1, 2)).any() for _, masks in found)


def sources(found):
    return [images[:, 0, 0, 2].astype(int).tolist() for images, _ in found]


@pytest.mark.parametrize(("replay", "old"), [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8)])
def test_a_share_of_every_batch_is_new(replay, old):
    """New: one region each of images 0..3. Old: given image 5 and a region of image 4."""
    found = sources(batches([36, 0, 9, 18, 27], [0, 9, 18, 27], [5], replay=replay))
    for batch in found:
        assert all(s < 4 for s in batch[: 8 - old])
    fresh = [s for batch in found for s in batch[: 8 - old]]
    counts = np.bincount(fresh, minlength=4)
    assert counts.sum() == STEPS * (8 - old)
    assert counts.max() - counts.min() <= 1  # in rounds: each new answer before any again
    again = [s for batch in found for s in batch[8 - old :]]
    assert set(again) == ({4, 5} if old else set())  # what is older, and what was given


def test_with_nothing_older_everything_is_new():
    assert {s for batch in sources(batches([0, 9], [0, 9])) for s in batch} == {0, 1}


def test_with_nothing_new_everything_is_old():
    """All of the last answers were "cannot tell"."""
    assert {s for batch in sources(batches([0, 9], [], [5])) for s in batch} == {0, 1, 5}


@pytest.mark.parametrize("phase", ["start", "final"])
def test_other_phases_treat_bought_images_alike_and_give_the_given_ones_their_share(phase):
    """Image 0 has five answers, image 1 one; half of every batch is given image 5."""
    found = sources(batches([0, 1, 2, 3, 4, 9], [9], [5], phase))
    assert np.bincount([s for batch in found for s in batch], minlength=6).tolist() == [12, 12, 0, 0, 0, 24]


def test_without_a_crop_images_come_whole():
    ((images, masks), *_) = batches([0], [0], crop=None)
    assert images.shape[1:3] == masks.shape[1:3] == SIZE


def test_the_stream_decides():
    first, again, other = (batches([0, 9, 18], [18], [5], seed=s) for s in (1, 1, 2))
    for (a, m), (b, n) in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(m, n)
    assert not all(np.array_equal(a, c) for (a, _), (c, _) in zip(first, other, strict=True))


@pytest.mark.parametrize("replay", [0.0, 1.0])
def test_a_task_trains_with_either_extreme(replay):
    task = tiny_task(schedule=tiny_schedule(replay))
    labels = labels_of(task, [0, 9, 20])
    for known in (labels, labels_of(task, [0, 9, 20], [5])):
        log = task.fit(known, new=labels, steps=2, phase="step", rng=np.random.default_rng(0))
        assert np.isfinite(log["loss"])


def test_the_loss_is_the_mean_over_labelled_pixels():
    logits = torch.randn(2, 3, 4, 5, requires_grad=True)
    masks = torch.randint(0, 4, (2, 4, 5))  # 3 is void
    expected = functional.cross_entropy(logits.permute(0, 2, 3, 1)[masks != 3], masks[masks != 3])
    torch.testing.assert_close(cross_entropy(logits, masks, 3), expected)
    nothing = cross_entropy(logits, torch.full_like(masks, 3), 3)
    nothing.backward()
    assert (float(nothing.detach()), float(logits.grad.abs().sum())) == (0.0, 0.0)


def test_no_loss_is_summed_over_maps_by_torch():
    """On a GPU that has no deterministic form, and torch refuses it."""

    class Watch(TorchDispatchMode):
        reductions: ClassVar[list] = []

        def __torch_dispatch__(self, function, types, arguments=(), named=None):
            if function.__name__.startswith("nll_loss2d_forward"):
                self.reductions.append(arguments[3])
            return function(*arguments, **(named or {}))

    task = tiny_task(tiny_data(), SplitNet(len(CLASSES)))
    labels = labels_of(task, [0, 4], [5, 2])
    with Watch():
        task.fit(labels, new=labels, steps=1, phase="start", rng=np.random.default_rng(0))
        task.deep_influence(np.array([13, 31]), None, np.array([1, 3]))
    assert len(Watch.reductions) >= 2
    assert set(Watch.reductions) == {0}  # none
