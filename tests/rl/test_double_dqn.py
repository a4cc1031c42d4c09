import copy

import numpy as np
import pytest
import torch
from torch import nn

from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.nn.runtime import seeded
from querist.rl.double_dqn import (
    DoubleDQN,
    DoubleDqnSettings,
    action_values,
    chosen_values,
    double_dqn_targets,
    td_loss,
)
from querist.rl.replay import Batch, Moment, Replay


class Network(nn.Module):
    """A small network that sees state and candidate; with a batch norm, so that modes matter."""

    def __init__(self, norm=False):
        super().__init__()
        self.norm = nn.BatchNorm1d(8) if norm else nn.Identity()
        self.first, self.second = nn.Linear(5, 8), nn.Linear(8, 1)

    def forward(self, state, candidates, mask):
        context = state.mean(dim=1)[:, None].expand(len(candidates), candidates.shape[1], -1)
        hidden = self.first(torch.cat([candidates, context], dim=2))
        return self.second(torch.tanh(self.norm(hidden.flatten(0, 1)).view_as(hidden)))[:, :, 0]


def network(seed=0, norm=False):
    with seeded(seed):
        return Network(norm)


def random_batch(seed=0, n=16, width=6):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    mask = torch.rand(n, width, generator=generator) < 0.7
    mask[:, 0] = True
    return Batch(
        states=normal(n, 4, 2),
        candidates=normal(n, width, 3),
        mask=mask,
        actions=torch.zeros(n, dtype=torch.int64),
        rewards=3 * normal(n),
        next_states=normal(n, 4, 2),
        next_candidates=normal(n, width, 3),
        next_mask=mask.flip(0),
        ended=torch.rand(n, generator=generator) < 0.3,
    )


@pytest.mark.parametrize("loss", ["huber", "squared"])
def test_torchrl_finds_the_same_loss_and_the_same_gradients(loss, monkeypatch):
    monkeypatch.setenv("RL_WARNINGS", "False")
    from tensordict import TensorDict
    from tensordict.nn import TensorDictModule
    from torchrl.modules import QValueActor
    from torchrl.objectives import DQNLoss

    batch = random_batch()
    online, target = network(0), network(1)
    theirs = copy.deepcopy(online)
    keys = ["state", "candidates", "mask"]
    module = TensorDictModule(theirs, in_keys=keys, out_keys=["action_value"])
    actor = QValueActor(module, in_keys=keys, action_space="categorical", action_mask_key="mask")
    kind = {"huber": "smooth_l1", "squared": "l2"}[loss]
    oracle = DQNLoss(actor, loss_function=kind, double_dqn=True, action_space="categorical")
    oracle.make_value_estimator(gamma=0.9)
    older = TensorDict.from_module(target).data
    oracle.target_value_network_params.data.update_({("module", "0", "module"): older})
    ended = batch.ended[:, None]
    following = {"state": batch.next_states, "candidates": batch.next_candidates, "mask": batch.next_mask}
    following |= {"reward": batch.rewards[:, None], "done": ended, "terminated": ended}
    now = {"state": batch.states, "candidates": batch.candidates, "mask": batch.mask, "action": batch.actions}
    expected = oracle(TensorDict(now | {"next": following}, batch_size=[16]))["loss"]
    expected.backward()

    values = chosen_values(batch, online)
    ours = td_loss(values, double_dqn_targets(batch, online, target, 0.9), loss)
    ours.backward()
    assert ours.item() == pytest.approx(expected.item(), rel=1e-6)
    for name, parameter in online.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(name).grad, rtol=1e-5, atol=1e-7)
    assert all(p.grad is None for p in target.parameters())


def test_an_update_by_hand():
    """One SGD step on the squared loss equals the same step taken with autograd alone."""
    settings = DoubleDqnSettings(gamma=0.9, loss="squared", optimiser=Optimiser("sgd", 0.1, 0.5, 0.01), period=3)
    learner = DoubleDQN(network(0), settings)
    learner.update(random_batch(0))  # fills the momentum; copies, being the first
    before, older = copy.deepcopy(learner.online), copy.deepcopy(learner.target)
    velocity = {
        name: p.grad + 0.01 * first
        for (name, p), first in zip(learner.online.named_parameters(), network(0).parameters(), strict=True)
    }
    log = learner.update(random_batch(1))

    batch = random_batch(1)
    values = chosen_values(batch, before)
    loss = (double_dqn_targets(batch, before, older, 0.9) - values).square().mean()
    gradients = torch.autograd.grad(loss, list(before.parameters()))
    for (name, p), gradient in zip(before.named_parameters(), gradients, strict=True):
        expected = p - 0.1 * (0.5 * velocity[name] + gradient + 0.01 * p)
        torch.testing.assert_close(learner.online.get_parameter(name), expected)
    assert log["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert log["mean_value"] == pytest.approx(values.mean().item(), rel=1e-5)
    norm = torch.cat([g.flatten() for g in gradients]).norm().item()
    assert log["gradient_norm"] == pytest.approx(norm, rel=1e-5)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def copies(settings, episodes):
    """In which updates the target became equal to the online network."""
    learner, seen = DoubleDQN(network(0), settings), []
    for length in episodes:
        learner.begin_episode()
        for _ in range(length):
            learner.update(random_batch(learner.updates))
            seen.append(same(learner.online, learner.target))
    return [i for i, equal in enumerate(seen) if equal]


def test_hard_copies_every_period():
    assert copies(DoubleDqnSettings(period=3), [4, 4]) == [0, 3, 6]


def test_the_period_counts_anew_in_each_episode():
    assert copies(DoubleDqnSettings(period=3, reset_each_episode=True), [4, 4]) == [0, 3, 4, 7]


def test_modes_of_an_update():
    learner = DoubleDQN(network(0, norm=True), DoubleDqnSettings(period=100))
    learner.update(random_batch(0))
    norm = learner.online.norm
    expected, target = copy.deepcopy(learner.online).train(), copy.deepcopy(learner.target)
    assert not learner.online.training
    assert not learner.target.training
    batch = random_batch(1)
    learner.update(batch)
    # Batch statistics of the batch itself, then of what goes on after it; the target network takes none.
    expected(batch.states, batch.candidates, batch.mask)
    on = ~batch.ended
    expected(batch.next_states[on], batch.next_candidates[on], batch.next_mask[on])
    torch.testing.assert_close(norm.running_mean, expected.norm.running_mean)
    torch.testing.assert_close(norm.running_var, expected.norm.running_var)
    assert same(learner.target, target)


def test_the_copy_takes_batch_statistics_along():
    learner = DoubleDQN(network(0, norm=True), DoubleDqnSettings())
    learner.update(random_batch(0))
    assert same(learner.online, learner.target)
    assert learner.target.norm.num_batches_tracked == 2


def test_the_rate_decays_with_every_update():
    settings = DoubleDqnSettings(optimiser=Optimiser("adamw", 0.5), decay=0.97)
    learner = DoubleDQN(network(0), settings)
    rates = [learner.update(random_batch(i))["learning_rate"] for i in range(3)]
    assert rates == pytest.approx([0.5, 0.485, 0.47045])


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_a_restored_learner_ends_with_the_bits_of_one_never_stopped(name):
    optimiser = Optimiser(name, 0.05, 0.95, 1e-3, clip_norm=1.0)
    settings = DoubleDqnSettings(optimiser=optimiser, decay=0.9, period=3)
    learner, again = DoubleDQN(network(0, norm=True), settings), DoubleDQN(network(5, norm=True), settings)
    for i in range(4):
        learner.update(random_batch(i))
    again.restore(learner.snapshot())
    logs = [[one.update(random_batch(i)) for i in range(4, 9)] for one in (learner, again)]
    assert logs[0] == logs[1]
    ours, theirs = learner.snapshot(), again.snapshot()
    assert ours.keys() == theirs.keys()
    assert all(ours[key].tobytes() == theirs[key].tobytes() for key in ours)


def test_choices_are_made_in_evaluation_mode():
    net = network(0, norm=True)
    DoubleDQN(net, DoubleDqnSettings()).update(random_batch(0))
    mask = np.ones((2, 6), dtype=bool)
    mask[1, 3:] = False
    batch = random_batch(1, n=2)
    moment = Moment(batch.states[0].numpy(), batch.candidates.numpy(), mask)
    for mode in (True, False):
        net.train(mode)
        before = copy.deepcopy(net)
        values = action_values(net, moment)
        assert net.training is mode
        assert same(net, before)
    expected = net.eval()(batch.states[:1], batch.candidates, None).detach().numpy()
    np.testing.assert_allclose(values[mask], expected[mask])
    assert np.isneginf(values[~mask]).all()
    assert values.dtype == np.float32


def test_learning_prefers_what_pays():
    """A bandit: the reward of a pool's pick is its first feature."""
    rng = np.random.default_rng(0)
    replay = Replay(400)
    for _ in range(60):
        moment = Moment(
            np.zeros((1, 2), dtype=np.float32), rng.normal(size=(4, 5, 3)).astype(np.float32), np.ones((4, 5), bool)
        )
        actions = rng.integers(5, size=4)
        replay.add(moment, actions, moment.candidates[np.arange(4), actions, 0], None)
    learner = DoubleDQN(network(0), DoubleDqnSettings(optimiser=Optimiser("adamw", 0.01)))
    losses = [learner.update(replay.sample(32, rng))["loss"] for _ in range(200)]
    assert np.mean(losses[-20:]) < 0.1 * np.mean(losses[:5])
    fresh = Moment(np.zeros((1, 2)), rng.normal(size=(30, 5, 3)), np.ones((30, 5), bool))
    picks = action_values(learner.online, fresh).argmax(axis=1)
    assert np.mean(picks == fresh.candidates[:, :, 0].argmax(axis=1)) > 0.8


def test_a_loss_that_is_no_number_is_refused():
    learner = DoubleDQN(network(0), DoubleDqnSettings())
    before = copy.deepcopy(learner.online)
    batch = random_batch(0)
    batch.rewards[0] = torch.inf
    with pytest.raises(QueristError, match="after 0 updates"):
        learner.update(batch)
    assert same(learner.online, before)


@pytest.mark.parametrize(
    "wrong",
    [
        {"gamma": 1.1},
        {"selector": "both"},
        {"loss": "l1"},
        {"decay": 0.0},
        {"period": 0},
        {"optimiser": Optimiser(schedule="one_cycle")},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(QueristError, match="double DQN"):
        DoubleDqnSettings(**wrong)
