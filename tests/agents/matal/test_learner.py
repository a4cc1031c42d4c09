from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.agents.matal import learner
from querist.agents.matal.config import FAITHFUL, SOUND, Matal
from querist.agents.matal.exploring import explorer
from querist.agents.matal.features import MatalFeaturiser
from querist.agents.matal.learner import Learner
from querist.agents.matal.partition import partitioned
from querist.agents.matal.spaces import Spaces, calibrate
from querist.agents.matal.team import build_team, choose
from querist.agents.matal.team_dqn import TeamDQN, TeamStep
from querist.core.observation import Field, Schema
from querist.core.rehearsal import Rehearsal
from querist.errors import QueristError
from querist.nn.runtime import seeded
from toy_poses import ToyPoses, poses_stage

SMALL = Matal(episodes=3, steps=2, warm_up=2, frequencies=16, bins=3, first_width=6, second_width=4, meta_episodes=4,
              reward="metric", meta_updates=2, batch=3, replay=100, updates=2)  # fmt: skip


class Training:
    """A learner on the toy stage, with what it did."""

    def __init__(self, folder, settings, control=None, scenes=3):
        task = ToyPoses()
        self.told = []
        self.stage = poses_stage(folder, partitioned, task, scenes=scenes)
        eyes = MatalFeaturiser(task, settings, calibrate(Spaces(task), task, np.arange(24, 54), settings, 0))
        self.schema = eyes.schema
        with seeded(0):
            self.team = build_team(eyes.schema, settings, 3)
        self.games = self.stage.rehearse(eyes, settings.steps * 3)
        self.learner = Learner(self.games, scenes, self.team, settings, eyes.schema, 7, control, self.told.append)


@pytest.fixture
def training(tmp_path):
    made = []

    def make(settings=SMALL, **rest):
        made.append(Training(tmp_path / str(len(made)), settings, **rest))
        return made[-1]

    yield make
    for each in made:
        each.games.close()


@pytest.fixture
def played(monkeypatch):
    """The number of every game."""
    numbers = []
    new_game = Rehearsal.new_game

    def noted(self, candidates, seed, episode):
        numbers.append(episode)
        return new_game(self, candidates, seed, episode)

    monkeypatch.setattr(Rehearsal, "new_game", noted)
    return numbers


@pytest.fixture
def updates(monkeypatch):
    """(steps, rewards) of every ordinary gradient step."""
    seen = []
    update = TeamDQN.update

    def noted(self, steps, rewards):
        seen.append((list(steps), np.array(rewards)))
        return update(self, steps, rewards)

    monkeypatch.setattr(TeamDQN, "update", noted)
    return seen


def test_the_warm_up_freezes_the_standardisers(training):
    it = training()
    with pytest.raises(QueristError, match="before its standardiser"):
        it.team.state_standardiser(torch.zeros(it.team.state_standardiser.mean.shape))
    it.learner.warm_up()
    frozen = it.team.candidate_standardiser.mean.clone()
    assert bool(it.team.candidate_standardiser.known)
    assert [row["phase"] for row in it.told] == ["warm_up"] * 2
    it.learner.train(2)
    assert torch.equal(it.team.candidate_standardiser.mean, frozen)


def test_games_take_turns_and_a_task_stays_in_its_partition(training, played):
    """Partitions are dealt out by the number of a game."""
    it = training()
    it.learner.warm_up()
    it.learner.meta_train()
    it.learner.train(3)
    it.learner.end()
    scenes = [number % 3 for number in played]
    assert scenes[:2] == [1, 2]
    assert scenes[2:6] == [0, 0, 1, 1]  # support and query of two tasks
    assert scenes[6:] == [2, 0, 1]
    assert len(set(played)) == len(played)
    assert [row["phase"] for row in it.learner.curve[2:6]] == ["support", "query"] * 2
    assert ["loss" in row for row in it.learner.curve] == [False] * 3 + [True, False] + [True] * 4


def test_faithful_updates_meet_each_step_of_the_episode_once(training, updates):
    settings = replace(FAITHFUL, steps=3, episodes=2, warm_up=1, bins=3, first_width=6, second_width=4, meta="none")
    it = training(settings)
    it.learner.warm_up()
    it.learner.train(2)
    assert len(updates) == 6
    for episode in (updates[:3], updates[3:]):
        assert sorted(steps[0].place[1] for steps, _ in episode) == [0, 1, 2]
        assert all(len(steps) == 1 for steps, _ in episode)
    ends = [steps[0].after is None for steps, _ in updates]
    assert ends == [steps[0].place[1] == 2 for steps, _ in updates]
    assert all(rewards[0] == steps[0].reward for steps, rewards in updates)


def test_sound_updates_are_samples_of_what_is_remembered(training, updates):
    it = training(replace(SMALL, meta="none"))
    it.learner.warm_up()
    assert not updates
    it.learner.train(2)
    assert len(updates) == 2 * 2 * 2  # games, steps, updates each
    assert all(len(steps) == 3 for steps, _ in updates)
    assert len({id(step) for steps, _ in updates for step in steps}) > 4  # also of the warm-up
    assert not any(step.after for steps, _ in updates for step in steps)  # nobody looks ahead


def test_rewards_are_learned_in_deviations_from_the_usual(training):
    it = training()
    for reward in (1.0, 3.0):
        it.learner._remember(TeamStep(np.zeros(1), np.zeros((1, 1)), reward, None, (0, 0)))
    low, high = it.learner._paid(list(it.learner._memory))
    assert (low, high) == pytest.approx((-1 / 2**0.5, 1 / 2**0.5))
    plain = training(replace(SMALL, standardise_returns=False))
    plain.learner._remember(TeamStep(np.zeros(1), np.zeros((1, 1)), 3.0, None, (0, 0)))
    assert plain.learner._paid(list(plain.learner._memory)).tolist() == [3.0]


def test_the_shuffled_control_learns_from_earlier_rewards(training):
    it = training(replace(SMALL, meta="none"), control="shuffled")
    it.learner.warm_up()
    it.learner.train(1)
    true = [reward for row in it.learner.curve for reward in row["rewards"]]
    learned = [step.reward for step in it.learner._memory]
    assert learned[0] == 0
    for place, reward in enumerate(learned[1:], start=1):
        assert any(reward == pytest.approx(earlier, abs=1e-4) for earlier in true[:place])
    honest = training(replace(SMALL, meta="none"))
    honest.learner.warm_up()
    honest.learner.train(1)
    assert [s.reward for s in honest.learner._memory] == pytest.approx(
        [reward for row in honest.learner.curve for reward in row["rewards"]], abs=1e-4
    )


def test_agents_paid_by_themselves(training, updates):
    settings = replace(SMALL, reward="influence", worth="amount", learn_from="taken", meta="none")
    it, shuffled = training(settings), training(settings, control="shuffled")
    for each in (it, shuffled):
        each.learner.warm_up()
        each.learner.train(1)
    true = [r for step in it.learner._memory for r in step.reward]
    assert all(rewards.shape == (3, 3) for _, rewards in updates)
    learned = [r for step in shuffled.learner._memory for r in step.reward]
    assert learned[0] == 0
    assert set(learned[1:12]) <= set(true[:11])  # the warm-up's games are the same


def test_a_team_remembers_what_it_did_not_take(training):
    """In games of 18 images of which 3 are taken in each of two steps: teams of 15 and of 12 others."""
    it = training(replace(SMALL, reward="influence", meta="none"))
    it.learner.warm_up()
    assert len(it.learner._memory) == SMALL.warm_up * (1 + 5 + 1 + 4)
    paid = np.concatenate([step.reward for step in it.learner._memory])
    assert paid.max() == pytest.approx(np.sqrt(12) * (17.5 / 18 - 0.5))  # the best of the first step, whoever took it
    assert paid.min() == -paid.max()


def test_the_target_team_is_renewed_every_few_games(training, monkeypatch):
    copies = []
    copy = TeamDQN.copy_to_target
    monkeypatch.setattr(TeamDQN, "copy_to_target", lambda self: copies.append(copy(self)))
    it = training(replace(SMALL, meta="none", target_every=2))
    it.learner.warm_up()
    it.learner.train(5)
    assert len(copies) == 1 + 2


@pytest.mark.parametrize(("every", "renewed"), [(1, 3), (3, 2), (4, 1), (7, 0)])
def test_the_games_of_meta_learning_count_likewise(training, monkeypatch, every, renewed):
    """Three tasks of two games: after 2, 4 and 6 games it is seen how many there were."""
    copies = []
    copy = TeamDQN.copy_to_target
    it = training(replace(SMALL, meta="fomaml", meta_episodes=6, meta_games=1, target_every=every))
    it.learner.warm_up()
    monkeypatch.setattr(TeamDQN, "copy_to_target", lambda self: copies.append(copy(self)))
    it.learner.meta_train()
    assert len(copies) == renewed + 1  # and once at the end


def test_exploration_falls_over_the_games_of_a_phase(training):
    it = training(replace(SMALL, meta="none"))
    it.learner.warm_up()
    it.learner.train(4)
    assert [row["explored"] for row in it.learner.curve] == [1.0, 1.0, 0.9, 0.475, 0.05, 0.05]


def test_a_team_that_diverged_is_refused(training):
    it = training()
    with torch.no_grad():
        it.team.last_bias[0] = torch.nan
    with pytest.raises(QueristError, match="not finite"):
        it.learner.end()


# Does it learn? -------------------------------------------------------------------------------------------------------


def paid_steps(reward_of, count=400, agents=2, features=2):
    rng = np.random.default_rng(0)
    steps = []
    for _ in range(count):
        actions = rng.choice([-1.0, 1.0], size=(agents, features)).astype(np.float32)
        steps.append(TeamStep(np.zeros(1, np.float32), actions, reward_of(actions), None))
    return steps


def a_learned_team(reward_of, **changes):
    settings = replace(SOUND, reward="metric", first_width=16, second_width=8, learning_rate=1e-2, **changes)
    with seeded(1):
        team = build_team(Schema((Field("a", (2,)),), (Field("s"),)), settings, 2)
    team.set_standardiser(torch.zeros(2, 1), torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
    dqn, steps = TeamDQN(team, settings), paid_steps(reward_of)
    for n in range(200):
        some = [steps[i] for i in np.random.default_rng(n).choice(len(steps), 32)]
        dqn.update(some, np.array([s.reward for s in some]))
    return team, settings


@pytest.mark.parametrize("network", ["layers", "line"])
def test_a_team_learns_to_take_what_pays(network):
    team, settings = a_learned_team(lambda a: float(a[:, 0].sum()), network=network)
    rows = np.array([[-1, 1], [1, -1], [-1, -1], [1, 1]], dtype=np.float32)
    taken = choose(team, settings, np.zeros(1, np.float32), rows, 2).places
    assert set(taken.tolist()) == {1, 3}


@pytest.mark.parametrize("network", ["layers", "line"])
def test_with_context_a_team_learns_not_to_repeat_itself(network):
    """What pays is that the second image differs from the first, whichever that is."""
    team, settings = a_learned_team(lambda a: float(a[0, 0] != a[1, 0]), network=network)
    rows = np.array([[-1, 1], [1, -1], [-1, -1], [1, 1]], dtype=np.float32)
    for first in range(4):

        def draw(m, free, first=first):
            return first if m == 0 else None

        second = choose(team, settings, np.zeros(1, np.float32), rows, 2, draw).places[1]
        assert rows[second, 0] != rows[first, 0]


def test_directions_of_exploration_weigh_what_is_seen_alike_however_many_numbers_it_has(training, monkeypatch):
    """A field of n numbers: each counts 1/sqrt(n), so that wide fields do not decide alone."""
    weighed = []

    def noted(rows, settings, epsilon, stream, weights):
        weighed.append(weights)
        return explorer(rows, settings, epsilon, stream, weights)

    monkeypatch.setattr(learner, "explorer", noted)
    made = training()
    made.learner.warm_up()
    sizes = [field.size for field in made.schema.candidates]
    assert len(set(sizes)) > 1
    edges = np.cumsum([0, *sizes])
    for start, end, size in zip(edges, edges[1:], sizes, strict=False):
        assert weighed[0][start:end] == pytest.approx(size**-0.5)
