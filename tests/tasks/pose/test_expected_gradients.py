import numpy as np
import pytest
import torch
from torch import nn

from querist.core.capabilities import ExpectsGradients, TellsLosses
from querist.errors import QueristError
from querist.tasks.pose.deep_prior import DeepPrior
from querist.tasks.pose.expected_gradients import ExpectedGradients, Targets
from querist.tasks.pose.hourglass import StackedHourglass
from querist.tasks.pose.network import PoseNetwork, Seen
from querist.tasks.pose.objectives import pose_losses
from tiny_pose_task import GIVEN, POOL, TinyMaps, hands_task, tiny_task


class Linear(PoseNetwork):
    """Coordinates of one joint in space from two numbers."""

    appearance_width = 2

    def __init__(self):
        super().__init__(0.0)
        self.head = nn.Sequential(nn.Linear(2, 3), nn.Unflatten(1, (1, 3)))
        nn.init.zeros_(self.head[0].weight)
        nn.init.zeros_(self.head[0].bias)

    def look(self, x):
        return Seen(x, (), x)


class Odd(TinyMaps):
    """Its head has layers that take each other's place, change things in place and come twice."""

    def __init__(self, joints=3):
        super().__init__(joints)
        mixing = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.head = nn.Sequential(mixing, nn.ReLU(inplace=True), mixing, nn.ReLU(inplace=True), nn.Conv2d(6, joints, 1))


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return make().eval()


def gradients(network, objective, images, size=2):
    """With sources that are rows of some images."""

    def batches(sources):
        for start in range(0, len(sources), size):
            some = sources[start : start + size]
            yield some, images[torch.from_numpy(some)]

    return ExpectedGradients(network, objective, 1.0, batches)


def distance(output, target, objective):
    """The losses, written out."""
    stages = output if output.ndim == 5 else output[:, None]
    targets = target if output.ndim == 5 else target[:, None]
    if objective in ("cross_entropy", "soft_argmax"):
        each = -(targets.flatten(-2).softmax(-1) * stages.flatten(-2).log_softmax(-1)).sum(-1)
    else:
        each = (stages - targets).square().flatten(3).mean(-1)
    return each.sum(dim=1).mean()


def one_by_one(network, objective, images, known, nearest, weights, parameters):
    """A plain double loop."""
    found = []
    for i, rows in enumerate(nearest):
        total = 0.0
        for row, weight in zip(rows, weights[i], strict=True):
            target = network(images[known[row]][None]).detach()
            loss = distance(network(images[i][None]), target, objective)
            grads = torch.autograd.grad(loss, parameters, allow_unused=True)
            total += float(weight) * sum(float(g.square().sum()) for g in grads if g is not None)
        found.append(total)
    return found


@pytest.mark.parametrize("scope", ["head", "all"])
def test_by_hand(scope):
    """All estimates are 0. Of the loss, the mean of three squares, the slope towards (3, 0, 0) is 2/3 * -3 = -2."""
    images = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    targets = Targets(torch.tensor([[[3.0, 0.0, 0.0]], [[0.0, 1.5, -1.5]]]), torch.ones(2, 1, dtype=torch.bool))
    nearest, weights = torch.tensor([[0, 1], [1, 0]]), torch.tensor([[0.5, 0.25], [1.0, 0.0]])
    found = gradients(Linear(), "coordinate_mse", images).expected(np.arange(2), targets, nearest, weights, scope)
    # Of length 4 and 2; times the squared length of the image, 25 or 1, and 1 for the bias.
    assert found.tolist() == pytest.approx([0.5 * 4 * 26 + 0.25 * 2 * 26, 2 * 2])
    unknown = targets._replace(counts=torch.zeros(2, 1, dtype=torch.bool))
    none = gradients(Linear(), "coordinate_mse", images).expected(np.arange(2), unknown, nearest, weights, scope)
    assert none.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("make", "objective"),
    [
        (TinyMaps, "cross_entropy"),
        (TinyMaps, "soft_argmax"),
        (TinyMaps, "heat_map_mse"),
        (Odd, "cross_entropy"),
        (lambda: DeepPrior(3, 2, 7, 4, 40), "coordinate_mse"),
        (lambda: DeepPrior(3, 2, 7, None, 40, batch_norm=True), "coordinate_smooth_l1"),
    ],
)
@pytest.mark.parametrize("scope", ["head", "all"])
def test_it_is_what_a_double_loop_of_autograd_finds(make, objective, scope):
    network = seeded(make)
    size, channels = (40, 1) if isinstance(network, DeepPrior) else (32, 3)
    images = torch.randn(5, channels, size, size, generator=torch.Generator().manual_seed(0))
    known = np.array([3, 4, 0])
    nearest, weights = torch.tensor([[0, 1], [1, 2], [2, 0]]), torch.tensor([[0.5, 0.4], [1.0, 0.0], [0.25, 0.5]])
    ours = gradients(network, objective, images)
    found = ours.expected(np.arange(3), ours.predicted(known), nearest, weights, scope)
    parameters = list((network.head if scope == "head" else network).parameters())
    expected = one_by_one(network, objective, images, known, nearest, weights, parameters)
    assert found.tolist() == pytest.approx(expected, rel=1e-3)
    assert min(expected) > 0


def test_all_stages_of_a_stack_count():
    network = seeded(lambda: StackedHourglass(3, 2, 8))
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    nearest, weights = torch.tensor([[0], [1]]), torch.tensor([[1.0], [0.5]])
    known = np.array([1, 2])
    ours = gradients(network, "heat_map_mse", images)
    found = [ours.expected(np.arange(2), ours.predicted(known), nearest, weights, s) for s in ("head", "all")]
    expected = one_by_one(network, "heat_map_mse", images, known, nearest, weights, list(network.parameters()))
    assert found[1].tolist() == pytest.approx(expected, rel=1e-3)
    # Of the head, what each stage took is as it is: the first stage's maps have no way through the second hourglass.
    lasts = network.look(images).last.detach()
    by_head = []
    for i in range(2):
        outputs = [network.head(lasts[i : i + 1]), network.head(lasts[i + 1 : i + 2]).detach()]
        grads = torch.autograd.grad(distance(*outputs, "heat_map_mse"), list(network.head.parameters()))
        by_head.append(float(weights[i]) * sum(float(g.square().sum()) for g in grads))
    assert found[0].tolist() == pytest.approx(by_head, rel=1e-3)


@pytest.mark.parametrize("objective", ["cross_entropy", "heat_map_mse"])
@pytest.mark.parametrize("scope", ["head", "all"])
def test_with_the_truth_it_is_the_gradient_that_training_would_take(objective, scope):
    """An unknown joint, and one outside of the image, teach nothing."""
    task = tiny_task(objective=objective)
    answers = task.truth(GIVEN[:2])
    answers[0][1], answers[1][2] = np.nan, 900.0
    units, nearest, weights = POOL[:2], np.array([[0, 1], [1, 0]]), np.array([[0.5, 0.25], [1.0, 0.0]])
    found = task.expected_gradients(units, GIVEN[:2], answers, nearest, weights, scope)
    places = torch.from_numpy(task.joints(GIVEN[:2], answers)).float()
    parameters = list((task.model.head if scope == "head" else task.model).parameters())
    images = torch.cat([batch for _, batch in task._batches(units)])
    for i in range(2):
        expected = 0.0
        for row, weight in zip(nearest[i], weights[i], strict=True):
            loss = pose_losses(task.model(images[i : i + 1]), places[row : row + 1], objective, 1.0).sum()
            grads = torch.autograd.grad(loss, parameters, allow_unused=True)
            expected += weight * sum(float(g.square().sum()) for g in grads if g is not None)
        assert found[i] == pytest.approx(expected, rel=1e-3)


def test_the_model_is_left_alone():
    task = tiny_task()
    before = task.snapshot()
    nearest, weights = np.array([[0, 1]]), np.array([[0.5, 0.5]])
    for scope in ("head", "all"):
        first, again = (task.expected_gradients(POOL[:1], GIVEN[:2], None, nearest, weights, scope) for _ in range(2))
        np.testing.assert_array_equal(first, again)
    after = task.snapshot()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert not task.model.head._forward_hooks
    assert all(p.grad is None for p in task.model.parameters())


def test_other_layers_in_the_head_are_refused():
    network = TinyMaps()
    network.head = nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6), nn.Conv2d(6, 3, 1))
    nearest, weights = np.array([[0]]), np.array([[1.0]])
    task = tiny_task(model=network)
    with pytest.raises(QueristError, match=r"parameter '1\.weight'"):
        task.expected_gradients(POOL[:1], GIVEN[:1], None, nearest, weights, "head")
    assert task.expected_gradients(POOL[:1], GIVEN[:1], None, nearest, weights, "all")[0] > 0


def test_a_plain_module_shows_too_little():
    assert tiny_task().can(ExpectsGradients)
    assert tiny_task().can(TellsLosses)
    assert not hands_task().can(ExpectsGradients)
    assert not hands_task().can(TellsLosses)
