"""Networks of users: whatever they do wrong is said before anything is trained, with their name."""

import numpy as np
import pytest
import torch
from torch import nn

from querist.acquisition.registry import strategy
from querist.core.capabilities import Embeds
from querist.errors import QueristError
from querist.tasks.pose.network import PoseNetwork, Seen
from querist.tasks.pose.task import PoseTask
from tiny_pose_task import limbs

JOINTS = 3


class Gives(nn.Module):
    """A convolution whose output is passed through a function."""

    def __init__(self, change, in_training=False):
        super().__init__()
        self.layer = nn.Conv2d(3, JOINTS, 3, stride=4)
        self.change, self.in_training = change, in_training

    def forward(self, images):
        maps = self.layer(images)
        return maps if self.in_training and not self.training else self.change(maps)


class Looks(PoseNetwork):
    """One that shows what it sees, wrongly."""

    def __init__(self, seen, width=4, head=True):
        super().__init__(dropout=0.0)
        self.layer = nn.Conv2d(3, 4, 3, stride=4)
        self.seen, self.appearance_width = seen, width
        if head:
            self.head = nn.Conv2d(4, JOINTS, 1)

    def look(self, images):
        maps = self.layer(images)
        return self.seen(maps)


def right(maps):
    return Seen(maps, (maps,), maps.mean(dim=(2, 3)))


def fails(maps):
    raise KeyError("no such layer")


def make(model, **more):
    torch.manual_seed(0)
    return PoseTask(limbs(), model, device="cpu", **more)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (lambda: Gives(lambda maps: {"maps": maps}), "the model Gives gives a dict"),
        (lambda: Gives(lambda maps: (maps, maps)), "the model Gives gives a tuple"),
        (lambda: Gives(lambda maps: [maps]), "the model Gives gives a list"),
        (lambda: Gives(fails), "the model Gives cannot take images .*no such layer"),
        (lambda: Gives(lambda maps: maps[:, :2]), r"the model gives \(1, 2, "),
        (lambda: Gives(lambda maps: maps).requires_grad_(False), "nothing of the model Gives can be learned"),
        (lambda: Looks(right, head=False), "the model Looks cannot take images .*head"),
        (lambda: Looks(right, width=5), "appearance of one image, and appearance_width is 5"),
        (lambda: Looks(lambda maps: tuple(right(maps))), r"the model Looks cannot take|Looks\.look\(\) gives no Seen"),
        (lambda: Looks(lambda maps: right(maps)._replace(appearance=None)), r"Looks\.look\(\) gives no Seen"),
        (lambda: Looks(lambda maps: right(maps)._replace(levels=(maps[0],))), "a level"),
    ],
)
def test_a_network_that_will_not_do_is_refused(model, says):
    with pytest.raises(QueristError, match=says):
        make(model())


@pytest.mark.parametrize(
    ("change", "says"), [(lambda maps: [maps, maps], "gives a list"), (lambda maps: maps[:, :2], "when it is trained")]
)
def test_what_it_gives_in_training_is_looked_at_too(change, says):
    task = make(Gives(change, in_training=True))
    labels = task_labels(task)
    with pytest.raises(QueristError, match=says):
        task.fit(labels, new=labels, steps=1, phase="start", rng=np.random.default_rng(0))


def task_labels(task):
    from querist.core.answers import Labels

    units = np.arange(8)
    return Labels(units, tuple(task.truth(units)), np.zeros(0, dtype=np.int64))


class Keeps(nn.Module):
    """Makes a layer and a tensor when it first sees images, and keeps both."""

    def __init__(self):
        super().__init__()
        self.layer, self.grid = nn.LazyConv2d(JOINTS, 3, stride=4), None

    def forward(self, images):
        maps = self.layer(images)
        if self.grid is None:
            self.grid = torch.linspace(0, 1, maps.shape[-1])
        return maps + self.grid


def test_what_a_network_makes_when_it_first_looks_can_be_learned_from():
    task = make(Keeps())
    before = task.model.layer.weight.detach().clone()
    labels = task_labels(task)
    task.fit(labels, new=labels, steps=1, phase="start", rng=np.random.default_rng(0))
    assert not torch.equal(before, task.model.layer.weight)


def test_what_losses_are_learned_from_holds_the_appearance():
    bare, task = make(Looks(lambda maps: right(maps)._replace(levels=()))), make(Looks(right))
    assert (bare.level_widths, bare.fields["levels"].shape) == ((4,), (4,))
    assert (task.level_widths, task.fields["levels"].shape) == ((4, 4), (8,))
    units = np.arange(3)
    seen = task.describe(units, ("levels", "appearance"), np.random.default_rng(0))
    np.testing.assert_array_equal(seen["levels"][:, 4:], seen["appearance"])
    np.testing.assert_allclose(seen["levels"][:, :4], seen["appearance"], rtol=1e-6)  # both are means of one map


def test_a_plain_network_is_told_what_it_lacks():
    task = make(Gives(lambda maps: maps))
    assert not task.can(Embeds)
    with pytest.raises(QueristError, match="CoreSet needs a task that Embeds") as told:
        strategy("core_set/global", task)
    assert "derive the model from querist.tasks.pose.network.PoseNetwork" in told.value.fix
