from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.agents.matal.config import FAITHFUL, SOUND
from querist.agents.matal.network import LayersQ
from querist.agents.matal.team import choose
from querist.agents.matal.team_dqn import TeamDQN, TeamStep
from querist.errors import QueristError
from querist.nn.runtime import seeded

S, F = 2, 3
PLAIN = replace(FAITHFUL, first_width=6, second_width=4, learning_rate=1e-2)


def a_team(agents=2, seed=0):
    with seeded(seed):
        team = LayersQ(agents, S, F, 6, 4)
        with torch.no_grad():
            team.last.mul_(10)
        team.set_standardiser(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]), torch.tensor([[1.0] * F, [-1.0] * F]))
    return team


def linear_team(weights):
    """A team of q_m = w_m . a for actions of positive numbers: its layers hand the first number through."""
    team = LayersQ(len(weights), S, F, F, F)
    with torch.no_grad():
        for p in team.parameters():
            p.zero_()
        team.first_candidate.copy_(torch.eye(F))
        team.second.copy_(torch.eye(F))
        team.last.copy_(torch.tensor(weights)[:, None])
    team.set_standardiser(torch.tensor([[1.0] * S, [-1.0] * S]), torch.tensor([[1.0] * F, [-1.0] * F]))
    return team


def step(actions, reward, after=None, state=(0.0, 0.0)):
    return TeamStep(np.array(state, np.float32), np.array(actions, np.float32), reward, after)


def offered(*rows):
    return np.zeros(S, np.float32), np.array(rows, np.float32)


def steps(seed=0, n=4, after=True):
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(5, F)).astype(np.float32) for _ in range(n)]
    states = rng.normal(size=(n, S)).astype(np.float32)
    return [
        TeamStep(s, r[:2], float(rng.normal()), (s[::-1].copy(), r) if after else None)
        for s, r in zip(states, rows, strict=True)
    ]


def rewards(some):
    return np.array([s.reward for s in some])


# By hand --------------------------------------------------------------------------------------------------------------


def test_the_error_of_a_team_of_two_by_hand():
    """q_1 counts the first number of an image, q_2 three times the second."""
    dqn = TeamDQN(linear_team([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]]), PLAIN)
    after = offered([0.5, 0.0, 0.0], [0.2, 1.0, 0.0], [0.4, 0.5, 0.0])
    one = step([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], 0.5, after)
    assert dqn.values(dqn.online, [one]).tolist() == [1 + 6]
    # Next, agent 1 takes the first image (0.5) and agent 2, of the others, the second (3).
    assert dqn.targets([one], rewards([one])).tolist() == pytest.approx([0.5 + 0.9 * 3.5])
    log = dqn.update([one], rewards([one]))
    assert log["loss"] == pytest.approx((7 - 0.5 - 0.9 * 3.5) ** 2)
    mean = TeamDQN(linear_team([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]]), replace(PLAIN, reduction="mean"))
    assert mean.values(mean.online, [one]).tolist() == [3.5]
    assert mean.targets([one], rewards([one])).tolist() == pytest.approx([0.5 + 0.9 * 1.75])


def test_the_online_team_chooses_and_the_older_copy_judges():
    after = offered([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    one = step([[0.0] * F, [0.0] * F], 0.0, after)

    def target(selector):
        dqn = TeamDQN(linear_team([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), replace(PLAIN, selector=selector))
        dqn.target = linear_team([[1.0, 5.0, 10.0], [1.0, 5.0, 10.0]])
        return dqn.targets([one], rewards([one])).item()

    assert target("online") == pytest.approx(0.9 * (1 + 5))  # online: first and second image
    assert target("max") == pytest.approx(0.9 * (10 + 5))  # the older copy: third and second


def test_nothing_follows_the_end_nor_a_step_that_cannot_be_filled():
    dqn = TeamDQN(a_team(), PLAIN)
    ended, short = step([[1.0] * F] * 2, 0.7), step([[1.0] * F] * 2, 0.3, offered([1.0] * F))
    assert dqn.targets([ended, short], np.array([0.7, 0.3])).tolist() == pytest.approx([0.7, 0.3])
    blind = TeamDQN(a_team(), replace(PLAIN, gamma=0.0))
    assert blind.targets(steps()[:1], np.array([0.2])).tolist() == pytest.approx([0.2])


def test_agents_paid_by_themselves_learn_their_own_values():
    dqn = TeamDQN(linear_team([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]]), replace(PLAIN, reward="influence", gamma=0.0))
    one = step([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], np.array([0.5, 4.0]))
    assert dqn.values(dqn.online, [one]).tolist() == [[1, 6]]
    log = dqn.update([one], rewards([one]))
    assert log["loss"] == pytest.approx((0.5**2 + 2**2) / 2)


# Learning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["context", "no_context"])
def test_the_error_reaches_all_agents(kind):
    dqn = TeamDQN(a_team(2), replace(PLAIN, team=kind))
    loss = (dqn.values(dqn.online, steps()) - 3).square().mean()
    loss.backward()
    for name, weights in dqn.online.named_parameters():
        gradient = weights.grad.flatten(1).abs().amax(dim=1)
        silent = "mix_context" in name
        # Without context nobody's context matters; with it, the first agent's is zero.
        expected = [False, kind == "context"] if silent else [True, True]
        assert (gradient > 0).tolist() == expected, name


def test_contexts_carry_no_gradient():
    team = a_team(2)
    actions, known = torch.randn(2, 1, F), torch.randn(2, 1, F, requires_grad=True)
    actions.requires_grad_(True)
    team(torch.zeros(1, S), actions, known).sum().backward()
    assert actions.grad is not None
    assert known.grad is None


def test_learning_lowers_the_error_and_leaves_the_older_copy():
    dqn = TeamDQN(a_team(), PLAIN)
    before = {name: w.clone() for name, w in dqn.target.state_dict().items()}
    some = steps(after=False)
    losses = [dqn.update(some, rewards(some))["loss"] for _ in range(60)]
    assert losses[-1] < 0.2 * losses[0]
    assert all(torch.equal(w, before[name]) for name, w in dqn.target.state_dict().items())
    dqn.copy_to_target()
    assert torch.equal(dqn.target.second, dqn.online.second)


def test_a_loss_that_is_no_number_changes_nothing():
    dqn = TeamDQN(a_team(), PLAIN)
    before = dqn.online.second.detach().clone()
    with pytest.raises(QueristError, match="the team's loss is"):
        dqn.update(steps()[:1], np.array([np.inf]))
    assert torch.equal(dqn.online.second, before)


def test_two_trainings_are_equal_bit_by_bit():
    found = []
    for _ in range(2):
        dqn, some = TeamDQN(a_team(), PLAIN), steps()
        for _ in range(3):
            dqn.update(some, rewards(some))
        found.append(choose(dqn.online, PLAIN, some[0].state, some[0].after[1], 2).values)
    np.testing.assert_array_equal(found[0], found[1])


def test_targets_are_those_of_the_team_that_is_asked():
    after = offered([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    one = step([[0.0] * F, [0.0] * F], 0.0, after)
    dqn = TeamDQN(linear_team([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]), PLAIN)
    dqn.target = linear_team([[1.0, 5.0, 10.0], [1.0, 5.0, 10.0]])
    other = linear_team([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])  # chooses the third and the second image
    assert dqn.targets([one], rewards([one]), other).item() == pytest.approx(0.9 * (10 + 5))


# Meta-learning --------------------------------------------------------------------------------------------------------


def test_adapting_is_plain_gradient_descent_on_a_copy():
    dqn = TeamDQN(a_team(), replace(PLAIN, meta_rate=0.1, meta_steps=2, clip=1e9))
    some, start = steps(after=False), a_team()
    found = dqn.adapted(some, rewards(some))
    for _ in range(2):
        loss = (dqn.values(start, some) - torch.tensor(rewards(some)).float()).square().mean()
        slopes = torch.autograd.grad(loss, list(start.parameters()))
        with torch.no_grad():
            for weights, slope in zip(start.parameters(), slopes, strict=True):
                weights -= 0.1 * slope
    for ours, theirs, kept in zip(found.parameters(), start.parameters(), dqn.online.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
        assert ours is not kept
    assert torch.equal(dqn.online.second, a_team().second)


def test_a_long_gradient_is_shortened():
    some = steps(after=False)
    dqn = TeamDQN(a_team(), replace(PLAIN, meta_rate=1.0, clip=0.01))
    found = dqn.adapted(some, 1e3 * rewards(some))
    moved = [(a - b).detach() for a, b in zip(found.parameters(), dqn.online.parameters(), strict=True)]
    assert float(torch.nn.utils.get_total_norm(moved)) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("after", [False, True])
def test_the_outer_step_follows_the_adapted_teams_gradient(after):
    """First-order MAML: Adam's first step goes by the sign of the gradient at the adapted weights."""
    settings = replace(PLAIN, meta_rate=0.3, clip=1e9)
    dqn, support, query = TeamDQN(a_team(), settings), steps(1, after=after), steps(2, after=after)
    team = dqn.adapted(support, rewards(support))
    # What the adapted team would choose next is what follows its steps: it is a team of its own.
    wanted = TeamDQN(team, settings)
    wanted.target = dqn.target
    targets = wanted.targets(query, rewards(query)) if after else torch.tensor(rewards(query)).float()
    loss = (dqn.values(team, query) - targets).square().mean()
    slopes = torch.autograd.grad(loss, list(team.parameters()))
    before = [w.detach().clone() for w in dqn.online.parameters()]
    log = dqn.meta_update((support, rewards(support)), (query, rewards(query)))
    assert log["loss"] == pytest.approx(loss.item())
    for weights, old, slope in zip(dqn.online.parameters(), before, slopes, strict=True):
        told = slope.abs() > 1e-4
        torch.testing.assert_close((weights - old)[told], -1e-2 * slope.sign()[told], atol=1e-4, rtol=1e-2)


def test_an_initialisation_learns_to_adapt():
    """Two tasks that want opposite values: one step of adaptation from the learned start serves both better."""
    settings = replace(SOUND, reward="metric", first_width=6, second_width=4, meta_rate=0.2, learning_rate=1e-2)
    dqn, base = TeamDQN(a_team(), settings), steps(3, 6, after=False)
    tasks = [np.full(6, 1.0), np.full(6, -1.0)]

    def after_adapting():
        return np.mean([(dqn.values(dqn.adapted(base, t), base) - float(t[0])).square().mean().item() for t in tasks])

    first = after_adapting()
    for number in range(150):
        t = tasks[number % 2]
        dqn.meta_update((base, t), (base, t))
    assert after_adapting() < 0.5 * first
