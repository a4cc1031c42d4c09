from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.core.capabilities import EstimatesInfluence
from querist.errors import QueristError
from querist.nn.runtime import seeded
from querist.tasks.segmentation.grid import Grid
from querist.tasks.segmentation.influence import Cells, cell_worth, of_regions
from querist.tasks.segmentation.readout import ReadoutTask
from querist.tasks.segmentation.task import SegmentationTask
from tiny import CLASSES, VOID, SplitNet, labels_of, tiny_data, tiny_task

REWARD = np.array([1, 3])
UNITS = np.array([0, 4, 13, 31, 40])


def a_task():
    with seeded(0):
        return tiny_task(tiny_data(), SplitNet(len(CLASSES)))


def a_readout():
    readout = ReadoutTask(a_task(), np.arange(6))
    labels = labels_of(readout, [], [5, 2])
    readout.fit(labels, new=labels, steps=20, phase="start", rng=np.random.default_rng(0))
    return readout


def cells_of(readout, source, window=None):
    """Features and classes of the labelled cells, one by one, of an image or of one of its regions."""
    rows = []
    for r, c in np.ndindex(12, 16):
        at = 2 * r + 1, 2 * c + 1
        inside = window is None or (
            window[0].start <= at[0] < window[0].stop and window[1].start <= at[1] < window[1].stop
        )
        if inside and readout.data.mask(source)[at] != VOID:
            rows.append((readout._features.of([source])[0, r, c], int(readout.data.mask(source)[at])))
    return torch.stack([f for f, _ in rows]).double(), torch.tensor([y for _, y in rows])


def weighted_loss(weight, features, classes, weights):
    chances = (features @ weight).log_softmax(1)[torch.arange(len(classes)), classes]
    return -(chances * weights[classes])


def test_of_a_readout_it_is_what_a_small_gradient_step_gains():
    readout = a_readout()
    found = readout.influence(UNITS, readout.truth(UNITS), REWARD)
    features, classes = (torch.cat(x) for x in zip(*[cells_of(readout, int(s)) for s in REWARD], strict=True))
    frequency = torch.bincount(classes, minlength=3).double() / len(classes)
    weights = frequency.clamp_min(1e-3) ** -0.5
    start, rate = readout.model.weight.double(), 1e-7

    def measured(weight):
        return weighted_loss(weight, features, classes, weights).sum() / weights[classes].sum()

    for unit, value in zip(UNITS, found, strict=True):
        x, y = cells_of(readout, int(unit) // 9, readout.grid.window(int(unit) % 9))
        moved = start.clone().requires_grad_()
        weighted_loss(moved, x, y, weights).sum().backward()
        gained = float(measured(start) - measured(start - rate * moved.grad)) / rate
        assert value == pytest.approx(gained, rel=0.02, abs=0.02)


@pytest.mark.parametrize("make", [a_task, a_readout], ids=["model", "readout"])
def test_what_is_expected_is_the_mean_over_labels_drawn_from_the_model(make):
    """For a region whose cells are all of one class with certainty, the expectation is the value of that answer."""
    task = make()
    assert task.can(EstimatesInfluence)
    expected = task.influence(UNITS, None, REWARD)
    assert expected.shape == (5,)
    assert expected.dtype == np.float32
    assert np.isfinite(expected).all()
    assert expected.std() > 0
    known = task.influence(UNITS, task.truth(UNITS), REWARD)
    assert not np.allclose(expected, known)
    np.testing.assert_allclose(task.influence(UNITS[::-1], None, REWARD), expected[::-1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", [a_task, a_readout], ids=["model", "readout"])
def test_an_answer_without_a_labelled_pixel_is_worth_nothing(make):
    task = make()
    void = [np.full_like(answer, VOID) for answer in task.truth(UNITS[:2])]
    assert task.influence(UNITS[:2], void, REWARD).tolist() == [0.0, 0.0]


def test_the_yardstick_of_a_readout_follows_its_weights():
    readout = a_readout()
    before = readout.influence(UNITS, None, REWARD)
    kept = readout.snapshot()
    labels = labels_of(readout, [0, 13], [5, 2])
    readout.fit(labels, new=labels, steps=20, phase="step", rng=np.random.default_rng(0))
    assert not np.allclose(readout.influence(UNITS, None, REWARD), before)
    readout.restore(kept)
    np.testing.assert_array_equal(readout.influence(UNITS, None, REWARD), before)
    assert not np.allclose(readout.influence(UNITS, None, REWARD[:1]), before)


def test_cells_belong_to_the_region_of_their_centre():
    """An image of 5 x 6 in regions of 2 x 3 (its last row is in none), a map of 5 x 3: centres at columns 1, 3, 5."""
    cells = Cells.of((5, 3), (5, 6))
    assert cells.columns.tolist() == [1, 3, 5]
    regions = cells.regions(Grid.of((5, 6), (2, 3)), (5, 6))
    assert regions.tolist() == [[0, 1, 1], [0, 1, 1], [2, 3, 3], [2, 3, 3], [-1, -1, -1]]
    values = torch.arange(15.0).view(1, 5, 3)
    assert of_regions(values, regions, 4).tolist() == [[0 + 3, 1 + 2 + 4 + 5, 6 + 9, 7 + 8 + 10 + 11]]


def test_void_cells_are_worth_nothing():
    values, shares = torch.tensor([-4.0, 2.0, 6.0]).expand(1, 1, 2, 3), torch.tensor([0.5, 0.25, 0.25])
    found = cell_worth(values, shares, np.array([[[1, VOID]]], dtype=np.uint8), VOID)
    torch.testing.assert_close(found, torch.tensor([[[2.0, 0.0]]]))
    torch.testing.assert_close(cell_worth(values, shares, None, VOID), torch.zeros(1, 1, 2))  # -2 + 0.5 + 1.5


def test_a_reward_set_without_labels_is_refused():
    for task in (a_task(), a_readout()):
        masks = task.data.masks.copy()
        masks[REWARD] = VOID
        task.data = replace(task.data, masks=masks)
        for name in ("influence", "deep_influence") if isinstance(task, SegmentationTask) else ("influence",):
            with pytest.raises(QueristError, match="no labelled pixel"):
                getattr(task, name)(UNITS, None, REWARD)
