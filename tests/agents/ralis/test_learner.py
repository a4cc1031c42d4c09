import sys
from collections import deque
from dataclasses import replace
from functools import partial

import gymnasium
import numpy as np
import pytest
import torch

from querist.agents.ralis import learner
from querist.agents.ralis.config import FAITHFUL, SOUND
from querist.agents.ralis.learner import play, train
from querist.agents.ralis.network import ClassAwareQ, ClassFreeQ
from querist.errors import QueristError
from querist.nn.runtime import seeded
from querist.rl.double_dqn import DoubleDQN, action_values
from querist.rl.exploration import EpsilonSchedule, uniform_actions
from querist.rl.replay import Replay

GROUPS, POOL, FEATURES, ROWS, STATE = 4, 8, 5, 3, 2


class Cherries(gymnasium.Env):
    """The reward of a step is the mean of the first feature of the candidates chosen, or what is prescribed.

    Args:
        steps: of an episode.
        rewards: of each step, over all episodes; None: the first feature.
        short: the last step has only one pool.
        poor: the money of the last step buys the first pool's question alone.
    """

    def __init__(self, steps=10, rewards=None, short=False, poor=False):
        self.steps, self.prescribed, self.short, self.poor = steps, deque(rewards or ()), short, poor
        self.fixed = rewards is not None
        self.episode, self.seed, self.offered, self.actions = 0, None, [], []

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.seed, self.episode = seed, 0
        self.episode += 1
        self.step_number = 0
        return self._look(), {}

    def _look(self):
        rng = np.random.default_rng([self.seed, self.episode, self.step_number])
        mask = np.ones((GROUPS, POOL), dtype=np.int8)
        mask[0, -1] = 0
        if self.short and self.step_number == self.steps - 1:
            mask[1:] = 0
        self.seen = {
            "state": rng.normal(size=(ROWS, STATE)).astype(np.float32),
            "candidates": rng.normal(3.0, 2.0, size=(GROUPS, POOL, FEATURES)).astype(np.float32),
            "mask": mask,
        }
        self.offered.append((self.episode, self.seen))
        return self.seen

    def step(self, action):
        assert action.shape == (GROUPS, 1)
        chosen = [(g, a) for g, a in enumerate(action[:, 0]) if a >= 0]
        assert all(self.seen["mask"][g, a] for g, a in chosen)
        assert len(chosen) == self.seen["mask"].any(axis=1).sum()
        self.actions.append(action[:, 0].copy())
        value = np.mean([self.seen["candidates"][g, a, 0] for g, a in chosen]) - 3.0
        self.step_number += 1
        ended = self.step_number == self.steps
        reward = self.prescribed.popleft() if self.fixed else value
        asked = action >= 0
        asked[1:] &= not (self.poor and ended)
        info = {"reward_standard_error": 0.5, "asked": asked}
        return self.seen if ended else self._look(), reward, ended, False, info


METRIC = replace(SOUND, reward="metric", standardise_returns=False, exploration="coherent")
SMALL = replace(METRIC, episodes=11, warm_up=4, batch=32, horizon=3, explore_for=5, epsilon_decay=40.0, updates=3)
"""The sound settings for 110 steps instead of thousands."""


def a_network(seed=0):
    with seeded(seed):
        return ClassFreeQ(STATE, FEATURES, width=16, initial_scale=0.1)


def trained(settings=SMALL, seed=1, control=None, environment=None, **rest):
    network = a_network()
    curve = train(environment or Cherries(), network, settings, seed, control, **rest)
    return network, curve


def greedy(network):
    return lambda now, stream: action_values(network, now).argmax(axis=1)


def level(act, games=3):
    """The mean reward of a step in games that nobody was trained in; by chance 0, of the best of 8 about 2.8."""
    return np.mean(play(Cherries(), act, games, 77)) / 10


def recorded(monkeypatch, settings, environment, control=None):
    """What was put into the replay: (before, actions, reward, after) of each step."""
    kept = []

    class Recording(Replay):
        def add(self, before, actions, rewards, after):
            kept.append((before, actions.copy(), rewards, after))
            super().add(before, actions, rewards, after)

    monkeypatch.setattr(learner, "Replay", Recording)
    curve = trained(settings, environment=environment, control=control)[1]
    return kept, curve


def test_returns_are_compared_with_their_scene_and_step(monkeypatch):
    """Games of one step in two scenes; the second's rewards lie 100 higher, and that must not show."""
    rewards = [0.0, 101.0, 2.0, 103.0, 4.0, 105.0]  # episodes 1 to 6: scenes 1, 0, 1, 0, 1, 0
    settings = replace(SMALL, episodes=6, warm_up=4, batch=4, horizon=1, standardise_returns=True)
    monkeypatch.setattr(sys.modules[__name__], "trained", partial(trained, scenes=2))
    kept, _ = recorded(monkeypatch, settings, Cherries(1, rewards))
    assert all((values == values[0]).all() for *_, values, _ in kept)  # a step's reward is all its questions'
    stored = [values[0] for *_, values, _ in kept]
    # After the warm-up: 0, 2 and 101, 103, each 1 from its mean, deviation sqrt(2); then the means move on.
    np.testing.assert_allclose(stored, [-(2**-0.5), -(2**-0.5), 2**-0.5, 2**-0.5, 1.0, 1.0])


class Paid(Cherries):
    """Each question is paid by its own first feature; what the step is paid says nothing."""

    def step(self, action):
        seen, (_, a) = self.seen, (None, action[:, 0])
        each = [float(seen["candidates"][g, i, 0]) if i >= 0 else 0.0 for g, i in enumerate(a)]
        after, _, ended, cut, info = super().step(action)
        return after, 0.5, ended, cut, info | {"reward_per_group": np.array(each)}


INFLUENCE = replace(SOUND, episodes=11, warm_up=4, batch=32, epsilon_decay=40.0, updates=3)


def test_each_question_is_paid_by_itself(monkeypatch):
    kept, curve = recorded(monkeypatch, replace(INFLUENCE, standardise_returns=False), Paid(short=True))
    for before, actions, values, _ in kept:
        assert [values[g] for g, a in enumerate(actions) if a >= 0] == [
            before.candidates[g, a, 0] for g, a in enumerate(actions) if a >= 0
        ]
    assert all(row["return"] == 5.0 for row in curve)  # the curve tells what the metric gave


@pytest.mark.parametrize("settings", [INFLUENCE, SMALL])
def test_nothing_is_learned_of_questions_that_could_not_be_paid(monkeypatch, settings):
    kept, _ = recorded(monkeypatch, settings, Paid(steps=4, poor=True))
    assert len(kept) == 4 * settings.episodes
    for number, (_, actions, _, _) in enumerate(kept):
        assert (actions >= 0).tolist() == ([True] + [False] * (GROUPS - 1) if number % 4 == 3 else [True] * GROUPS)


def test_influence_is_learned_and_the_shuffled_control_is_not():
    network, _ = trained(INFLUENCE, environment=Paid())
    assert level(greedy(network)) > 2.0
    assert level(greedy(trained(INFLUENCE, environment=Paid(), control="shuffled")[0])) < 1.0


def weights_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# What is learned ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned():
    """(network, curve, what a watcher was told) of one training."""
    told = []
    return *trained(watch=told.append), told


def test_it_learns_what_is_rewarded_and_the_controls_do_not(learned):
    assert abs(level(lambda now, stream: uniform_actions(now.mask, stream))) < 0.5
    assert level(lambda now, stream: np.where(now.mask, now.candidates[:, :, 0], -np.inf).argmax(axis=1)) > 2.3
    assert level(greedy(learned[0])) > 1.8
    assert level(greedy(trained(seed=1, control="shuffled")[0])) < 1.0
    assert abs(level(greedy(trained(seed=1, control="untrained")[0]))) < 1.0


def test_the_faithful_settings_learn_too():
    settings = replace(FAITHFUL, episodes=4, decay=1.0, learning_rate=1e-2, gamma=0.0)
    with seeded(0):
        network = ClassAwareQ(STATE, FEATURES, ROWS, gate_features=2)
    curve = train(Cherries(), network, settings, 1)
    assert len(curve) == 4
    assert level(greedy(network)) > 1.2


def test_the_curve_says_what_happened(learned):
    _, curve, told = learned
    assert told == curve
    assert [row["episode"] for row in curve] == list(range(1, 12))
    assert all(len(row["rewards"]) == 10 for row in curve)
    assert all(row["return"] == pytest.approx(sum(row["rewards"]), abs=1e-3) for row in curve)
    assert {row["standard_error"] for row in curve} == {0.5}
    assert [row["explored"] for row in curve[:4]] == ["all"] * 4
    assert all("loss" not in row for row in curve[:4])
    assert all(np.isfinite([row["loss"], row["mean_value"], row["gradient_norm"]]).all() for row in curve[4:])
    shares = [row["explored"] for row in curve[4:]]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(0.3 + 0.7 * np.exp(-10 / 40), abs=1e-4)  # the warm-up does not count


def test_the_same_seed_gives_the_same_bits_and_another_others():
    runs = [trained(replace(SMALL, episodes=5, updates=1), seed) for seed in (3, 3, 4)]
    curves = [[{k: v for k, v in row.items() if k != "seconds"} for row in curve] for _, curve in runs]
    states = [weights_of(network) for network, _ in runs]
    assert curves[0] == curves[1]
    assert same(states[0], states[1])
    assert curves[0] != curves[2]


def test_the_network_is_left_in_evaluation_mode(learned):
    assert not learned[0].training


# Controls -------------------------------------------------------------------------------------------------------------


def test_the_untrained_control_plays_only_the_warm_up_and_learns_nothing():
    environment = Cherries()
    network, curve = trained(control="untrained", environment=environment)
    assert len(curve) == SMALL.warm_up
    before, after = weights_of(a_network()), weights_of(network)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("standardiser" in name for name in changed)
    assert network(torch.zeros(1, ROWS, STATE), torch.zeros(1, POOL, FEATURES)).isfinite().all()


def test_without_a_warm_up_the_untrained_control_plays_one_game():
    settings = replace(SMALL, features="class_aware", standardise=False, warm_up=0)
    assert len(trained(settings, control="untrained")[1]) == 1


def test_the_shuffled_control_learns_from_earlier_rewards_and_tells_the_true_ones(monkeypatch):
    settings = replace(SMALL, episodes=2, warm_up=1, horizon=1, batch=1000)
    true = [float(n) for n in range(1, 21)]
    kept, curve = recorded(monkeypatch, settings, Cherries(rewards=true), "shuffled")
    assert [r for row in curve for r in row["rewards"]] == true
    got = [float(reward[0]) for _, _, reward, _ in kept]
    assert got[0] == 0.0  # nothing before it
    assert all(reward in true[:n] for n, reward in enumerate(got[1:], start=1))
    assert got[1:] != true[:-1]


# What is remembered ---------------------------------------------------------------------------------------------------


def test_rewards_are_summed_over_the_horizon_and_cut_at_the_end_of_an_episode(monkeypatch):
    """Two episodes of four steps, gamma 1/2, three rewards in a sum."""
    settings = replace(SMALL, episodes=2, warm_up=1, horizon=3, gamma=0.5, batch=1000)
    kept, _ = recorded(monkeypatch, settings, Cherries(4, [8, 4, 16, 32, 1, 2, 4, 8]))
    sums = [reward[0] for _, _, reward, _ in kept]
    assert sums == [8 + 2 + 4, 4 + 8 + 8, 16 + 16, 32, 1 + 1 + 1, 2 + 2 + 2, 4 + 4, 8]


def test_each_sum_belongs_to_what_was_seen_and_done_first(monkeypatch):
    environment = Cherries(4)
    settings = replace(SMALL, episodes=2, warm_up=1, horizon=3, batch=1000)
    kept, _ = recorded(monkeypatch, settings, environment)
    for (before, actions, _, _), (_, seen), done in zip(kept, environment.offered, environment.actions, strict=True):
        np.testing.assert_array_equal(before.candidates, seen["candidates"])
        np.testing.assert_array_equal(before.state, seen["state"])
        np.testing.assert_array_equal(before.mask, seen["mask"] == 1)
        np.testing.assert_array_equal(actions, done)


@pytest.mark.parametrize("horizon", [1, 3])
def test_without_a_bootstrap_all_that_is_stored_has_ended(monkeypatch, horizon):
    settings = replace(SMALL, episodes=2, warm_up=1, horizon=horizon, bootstrap=False, batch=1000)
    kept, _ = recorded(monkeypatch, settings, Cherries(4))
    assert [after for *_, after in kept] == [None] * 8


@pytest.mark.parametrize("horizon", [1, 3])
def test_the_bootstrap_looks_behind_the_horizon_and_not_beyond_the_end(monkeypatch, horizon):
    environment = Cherries(4)
    settings = replace(SMALL, episodes=2, warm_up=1, horizon=horizon, bootstrap=True, batch=1000)
    kept, _ = recorded(monkeypatch, settings, environment)
    for n, (_, _, _, after) in enumerate(kept):
        if n % 4 + horizon < 4:
            np.testing.assert_array_equal(after.candidates, environment.offered[n + horizon][1]["candidates"])
        else:
            assert after is None


def test_an_empty_pool_is_not_asked_and_not_remembered():
    environment = Cherries(4, short=True)
    settings = replace(SMALL, episodes=3, warm_up=1, epsilon_floor=0.5, epsilon_span=0.0, batch=4)
    trained(settings, environment=environment)
    assert [actions[1:].tolist() for actions in environment.actions[3::4]] == [[-1, -1, -1]] * 3
    assert (np.array([a for i, a in enumerate(environment.actions) if i % 4 != 3]) >= 0).all()


def test_a_bootstrap_is_discounted_by_the_whole_horizon_and_targets_are_copied_by_steps(monkeypatch):
    made = []

    class Watched(DoubleDQN):
        def __init__(self, online, settings):
            made.append(settings)
            super().__init__(online, settings)

    monkeypatch.setattr(learner, "DoubleDQN", Watched)
    settings = replace(SMALL, episodes=2, warm_up=1, gamma=0.9, horizon=3, updates=2, target_every=7, batch=1000)
    trained(settings, environment=Cherries(2))
    trained(replace(settings, optimiser="sgd", decay=0.97, loss="squared"), environment=Cherries(2))
    assert made[0].gamma == pytest.approx(0.729)
    assert made[0].period == 14  # in gradient steps
    assert (made[0].optimiser.name, made[0].optimiser.momentum, made[0].optimiser.lr) == ("adamw", 0.9, 1e-3)
    assert (made[1].optimiser.name, made[1].optimiser.momentum) == ("sgd", 0.95)
    assert (made[1].decay, made[1].loss) == (0.97, "squared")


# Exploration ----------------------------------------------------------------------------------------------------------


def explorations(monkeypatch, settings, steps):
    """Of each step: None where it was greedy, else a number that tells the direction."""
    found, environment = [], Cherries(steps)

    def coherent(features, mask, rng, weights=None):
        found[-1] = float(rng.standard_normal())
        return uniform_actions(mask, np.random.default_rng(0))

    act = learner._Learner._act

    def noted(self, *arguments):
        found.append(None)
        return act(self, *arguments)

    monkeypatch.setattr(learner, "coherent_actions", coherent)
    monkeypatch.setattr(learner._Learner, "_act", noted)
    trained(settings, environment=environment)
    return [found[i : i + steps] for i in range(0, len(found), steps)]


def test_a_direction_is_held_for_some_steps_and_no_longer_than_an_episode(monkeypatch):
    settings = replace(SMALL, episodes=5, warm_up=4, explore_for=3, batch=1000)
    games = explorations(monkeypatch, settings, 7)[:4]
    for game in games:
        assert game[0] == game[1] == game[2] != game[3] == game[4] == game[5] != game[6]
    assert len({d for game in games for d in game}) == 12


def test_the_coin_is_held_as_well_and_falls_on_both_sides(monkeypatch):
    settings = replace(SMALL, episodes=17, warm_up=1, explore_for=3, epsilon_floor=0.5, epsilon_span=0.0, batch=1000)
    blocks = [game[i : i + 3] for game in explorations(monkeypatch, settings, 6)[1:] for i in (0, 3)]
    assert all(block[0] == block[1] == block[2] for block in blocks)
    greedy = sum(block[0] is None for block in blocks)
    assert 8 <= greedy <= 24  # of 32; outside with a chance of 0.4 %


def test_a_coin_that_is_held_is_thrown_with_one_epsilon(monkeypatch):
    asked, explore = [], EpsilonSchedule.explore

    def noted(self, n, groups, rng):
        asked.append(n)
        return explore(self, n, groups, rng)

    monkeypatch.setattr(EpsilonSchedule, "explore", noted)
    trained(replace(SMALL, episodes=3, warm_up=1, explore_for=3, batch=1000), environment=Cherries(5))
    assert asked == [0, 0, 0, 3, 3, 5, 5, 5, 8, 8]  # two games of five steps after the warm-up


@pytest.mark.parametrize(("exploration", "coherent"), [("uniform", False), ("coherent", True)])
def test_pools_explore_in_one_direction_or_each_by_itself(exploration, coherent):
    """With a weight on one feature only, the best in a direction is the largest of it, or everywhere the smallest."""
    environment = Cherries()
    settings = replace(SMALL, episodes=2, warm_up=1, exploration=exploration, batch=1000)
    trained(settings, environment=environment, weights=np.array([0.0, 1.0, 0.0, 0.0, 0.0]))
    extreme = []
    for (_, seen), actions in zip(environment.offered[:10], environment.actions, strict=False):
        values = np.where(seen["mask"] == 1, seen["candidates"][:, :, 1], np.nan)
        chosen = values[np.arange(GROUPS), actions]
        extreme.append((chosen == np.nanmax(values, 1)).all() or (chosen == np.nanmin(values, 1)).all())
    assert all(extreme) if coherent else not any(extreme)


# Standardiser and checkpoint ------------------------------------------------------------------------------------------


def test_the_standardiser_is_set_once_from_all_that_the_warm_up_offered():
    environment = Cherries()
    network, _ = trained(replace(SMALL, episodes=6), environment=environment)
    warm = [seen for episode, seen in environment.offered if episode <= SMALL.warm_up]
    assert len(warm) == 40
    offered = np.concatenate([seen["candidates"][seen["mask"] == 1] for seen in warm]).astype(np.float64)
    rows = np.concatenate([seen["state"] for seen in warm]).astype(np.float64)
    for standardiser, table in ((network.candidate_standardiser, offered), (network.state_standardiser, rows)):
        np.testing.assert_allclose(standardiser.mean, table.mean(axis=0), atol=1e-5)
        np.testing.assert_allclose(standardiser.deviation, table.std(axis=0), rtol=1e-5)


def test_the_target_network_gets_the_standardiser_too(monkeypatch):
    made = []
    copied = DoubleDQN.copy_to_target
    monkeypatch.setattr(DoubleDQN, "copy_to_target", lambda self: (made.append(self), copied(self)))
    trained(replace(SMALL, episodes=5, bootstrap=True, target_every=10**6))
    mean = made[0].online.candidate_standardiser.mean
    assert mean.any()
    assert torch.equal(made[0].target.candidate_standardiser.mean, mean)


def test_the_checkpoint_is_the_last_or_that_of_the_best_episode():
    """Episode 3 of 5 has the largest return, but for the warm-up's, which does not count."""
    returns = [9.0, 1.0, 5.0, 2.0, 4.0]
    rewards = [value / 4 for value in returns for _ in range(4)]
    settings = replace(SMALL, episodes=5, warm_up=1, batch=8)
    states = {
        (episodes, checkpoint): weights_of(
            trained(replace(settings, episodes=episodes, checkpoint=checkpoint), environment=Cherries(4, rewards))[0]
        )
        for episodes, checkpoint in ((5, "best"), (5, "last"), (3, "last"))
    }
    assert same(states[5, "best"], states[3, "last"])
    assert not same(states[5, "last"], states[3, "last"])


def test_a_network_that_diverges_is_an_error():
    with pytest.raises(QueristError, match=r"loss|finite"):
        trained(replace(SMALL, optimiser="sgd", loss="squared", learning_rate=1e6))


# Playing --------------------------------------------------------------------------------------------------------------


def test_play_sums_the_rewards_of_the_games_of_a_seed():
    environment = Cherries(3, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    seen = []

    def first(now, stream):
        seen.append(float(now.candidates[0, 0, 0]))
        return np.zeros(GROUPS, dtype=np.int64)

    assert play(environment, first, 2, 9) == [7.0, 56.0]
    assert environment.seed == 9
    assert len(set(seen)) == 6  # another game each time
    again, seen = seen, []
    play(Cherries(3), first, 2, 9)
    assert seen == again
