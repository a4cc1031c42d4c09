import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from querist.core.capabilities import EstimatesDeepInfluence
from querist.nn.runtime import seeded
from querist.tasks.segmentation.influence import Cells
from tiny import CLASSES, VOID, SplitNet, TinyNet, labels_of, tiny_data, tiny_task

REWARD = np.array([1, 3])
UNITS = np.array([0, 4, 13, 31, 40])


class Backed(SplitNet):
    """The same behind something that does not count."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.backbone = nn.Conv2d(3, 3, 1)

    def features(self, images, /):
        return super().features(self.backbone(images))


def a_task(net=SplitNet):
    with seeded(0):
        task = tiny_task(tiny_data(), net(len(CLASSES)))
    labels = labels_of(task, [], [5, 2])
    task.fit(labels, new=labels, steps=10, phase="start", rng=np.random.default_rng(0))
    return task


def gradient(task, masks, weights, learn):
    """Of the weighted sum of losses over the labelled cells of some images, by autograd."""
    images = torch.cat([images for _, images in task._batches(np.array(list(masks)))])
    features = task.model.features(images)
    chances = task.model.classify(features, tuple(features.shape[2:])).log_softmax(1)
    cells = Cells.of(tuple(features.shape[2:]), task.data.size)
    target = torch.from_numpy(np.stack([cells.sampled(mask) for mask in masks.values()]).astype(np.int64))
    loss = functional.nll_loss(chances, target, weights, ignore_index=VOID, reduction="sum")
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, learn)]), target


@pytest.mark.parametrize("net", [SplitNet, Backed])
def test_it_is_the_inner_product_of_two_gradients_behind_the_backbone(net):
    task = a_task(net)
    learn = [p for name, p in task.model.named_parameters() if not name.startswith("backbone")]
    masks = {int(s): task.data.mask(int(s)) for s in REWARD}
    _, target = gradient(task, masks, None, learn)
    known = target[target != VOID]
    weights = (torch.bincount(known, minlength=3) / len(known)) ** -0.5
    reference = gradient(task, masks, weights, learn)[0] / weights[known].sum()
    found = task.deep_influence(UNITS, task.truth(UNITS), REWARD)
    for unit, value in zip(UNITS, found, strict=True):
        source, window = int(unit) // 9, task.grid.window(int(unit) % 9)
        only = np.full_like(task.data.mask(source), VOID)
        only[window] = task.data.mask(source)[window]
        own, _ = gradient(task, {source: only}, weights, learn)
        assert value == pytest.approx(float(own @ reference), rel=0.02, abs=0.02 * float(np.abs(found).max()))


def test_the_model_stays_as_it_is():
    task = a_task()
    before = copy.deepcopy(task.model.state_dict())
    task.deep_influence(UNITS, None, REWARD)
    for name, tensor in task.model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_what_is_expected_needs_no_answers_and_is_another_number():
    task = a_task()
    expected = task.deep_influence(UNITS, None, REWARD)
    assert expected.dtype == np.float32
    assert np.isfinite(expected).all()
    assert not np.allclose(expected, task.deep_influence(UNITS, task.truth(UNITS), REWARD))


def test_a_model_that_cannot_be_split_cannot_tell():
    assert not tiny_task(tiny_data(), TinyNet(len(CLASSES))).can(EstimatesDeepInfluence)


def test_a_model_that_fails_to_look_is_put_back(monkeypatch):
    task = a_task()
    before = copy.deepcopy(task.model.state_dict())
    plain, looks = type(task.model).features, []

    def fails(model, images, /):
        looks.append(1)
        if len(looks) > 2:  # after the look at the reference, and the one with the weights as they are
            raise RuntimeError("out of memory")
        return plain(model, images)

    monkeypatch.setattr(type(task.model), "features", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        task.deep_influence(UNITS, None, REWARD)
    for name, tensor in task.model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_weights_that_take_no_part_do_not_matter():
    task, other = a_task(), a_task()
    other.model.spare = nn.Linear(2, 2)
    np.testing.assert_allclose(
        other.deep_influence(UNITS, None, REWARD), task.deep_influence(UNITS, None, REWARD), rtol=1e-2, atol=1e-3
    )
