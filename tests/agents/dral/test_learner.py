import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.agents.dral.config import FAITHFUL, SOUND
from querist.agents.dral.learner import Learner
from querist.agents.dral.policy import featuriser, network
from querist.agents.dral.reward import Hardness
from querist.core.policy import Selection
from querist.core.step import offer
from querist.nn.runtime import seeded
from querist.pairs.anchors import AnchorNeighbours
from querist.pairs.space import PairSpace
from querist.rl.double_dqn import chosen_values, double_dqn_targets, td_loss
from toy_pairs import Shy, ToyPairs, first, pair_game, play

SHAPE = {"neighbours": 5, "mutual": 3, "per_anchor": 4, "batch": 4, "width": 8}
SMALL = replace(SOUND, **SHAPE, target_every=3)
PRINTED = replace(FAITHFUL, **SHAPE, target_every=3)
PROFILES = pytest.mark.parametrize("settings", [SMALL, PRINTED], ids=["sound", "faithful"])


class Table:
    """A learner in a game of its own, and all that it was told to remember."""

    def __init__(self, folder, settings=SMALL, trained=False, seed=0, **rest):
        folder.mkdir(exist_ok=True)
        self.task = rest.pop("task", None) or ToyPairs()
        self.eyes = featuriser(settings)
        with seeded(seed):
            net = network(self.eyes.schema, settings)
        self.learner = Learner(net, settings, self.eyes, trained)
        self.game = pair_game(folder, self.task, AnchorNeighbours(PairSpace(settings.pairs)), self.eyes, **rest)
        self.kept, self.logs = [], []
        add = self.learner._replay.add
        self.learner._replay.add = lambda *step: (self.kept.append(step), add(*step))

    def play(self, steps=12, choose=None, begin=0):
        learn = lambda *step: self.logs.append(self.learner.learn(*step))  # noqa: E731
        return play(self.game, choose or self.learner.choose, steps, learn, begin)

    @property
    def replay(self):
        return self.learner._replay


def weights(learner):
    return {name: value.clone() for name, value in learner.network.state_dict().items()}


def same(one, other):
    assert one.keys() == other.keys()
    return all(np.array_equal(np.asarray(one[name]), np.asarray(other[name])) for name in one)


# What is remembered ---------------------------------------------------------------------------------------------------


@PROFILES
def test_a_transition_leads_to_what_is_seen_next(tmp_path, settings):
    """What follows an answer was worked out from the graph; the next observation is made from the ledger."""
    table = Table(tmp_path, settings)
    outcomes = table.play(14)
    assert len(table.kept) == 14
    for n, (before, actions, reward, after) in enumerate(table.kept):
        seen = outcomes[n].observation
        np.testing.assert_array_equal(before.candidates, seen.candidates)
        np.testing.assert_array_equal(before.state, seen.state)
        np.testing.assert_array_equal(before.mask, seen.groups.mask)
        assert actions.tolist() == outcomes[n].selection.indices[:, 0].tolist()
        answer = bool(outcomes[n].answers[0])
        assert reward == Hardness(settings).of(seen.graph, int(actions[0]), answer) == table.logs[n]["reward"]
        assert table.logs[n]["same"] == answer
        if n % 4 == 3:
            assert after is None  # K_max questions
        elif n + 1 < len(outcomes):
            then = outcomes[n + 1].observation
            np.testing.assert_array_equal(after.candidates, then.candidates)
            np.testing.assert_array_equal(after.state, then.state)
            np.testing.assert_array_equal(after.mask, then.groups.mask)
            assert table.kept[n + 1][0] is after  # kept once


def test_a_visit_ends_when_nobody_is_left(tmp_path):
    """Four images, three neighbours each: visits of 3, 2 and 1 questions."""
    settings = replace(SMALL, neighbours=3, mutual=2, shells=1)
    table = Table(tmp_path, settings, task=ToyPairs(people=2, each=2))
    assert len(table.play()) == 6
    assert [after is None for *_, after in table.kept] == [False, False, True, False, True, True]


def test_nothing_comes_after_the_budget(tmp_path):
    table = Table(tmp_path, budget=6)
    assert len(table.play()) == 6
    assert [after is None for *_, after in table.kept] == [False, False, False, True, False, True]


def test_nobody_could_tell_costs_a_turn_and_teaches_nothing(tmp_path):
    task = ToyPairs()
    table = Table(tmp_path, task=task, oracle=Shy(task))
    outcomes = table.play(8)
    told = [n for n in range(8) if n % 3 != 2]
    assert [n for n, outcome in enumerate(outcomes) if outcome.answers[0] is not None] == told
    assert len(table.kept) == len(told) == len(table.replay)
    assert [n for n, log in enumerate(table.logs) if "same" in log] == told
    assert all(table.logs[n]["reward"] == 0 for n in (2, 5))
    assert table.learner._questions == 8
    ends = [after is None for *_, after in table.kept]
    assert ends == [False, False, True, False, False, True]  # the visits of four turns end where they end


def test_an_update_of_the_model_empties_the_replay(tmp_path):
    table = Table(tmp_path / "sound", update=1, every=5)
    sizes = []
    learn = table.learner.learn

    def note(*step):
        log = learn(*step)
        sizes.append(len(table.replay))
        return log

    table.learner.learn = note
    table.play(12)
    assert sizes == [1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2]
    faithful = Table(tmp_path / "faithful", PRINTED, update=1, every=5)
    faithful.play(12)
    assert len(faithful.replay) == 12


def test_what_follows_an_update_within_a_visit_was_seen_before_it(tmp_path):
    """The transition ends in the old geometry, in which its reward was paid; the next one begins in the new."""
    table = Table(tmp_path, replace(PRINTED, per_anchor=5), update=1, every=2)
    outcomes = table.play(4)
    after, then = table.kept[1][3], table.kept[2][0]
    assert not np.array_equal(after.state, then.state)
    graph = outcomes[1].observation.graph
    expected = graph.after(int(table.kept[1][1][0]), bool(outcomes[1].answers[0]))
    np.testing.assert_array_equal(after.state, table.eyes.state(expected))


def test_the_shuffled_control_learns_from_rewards_of_other_steps(tmp_path):
    table = Table(tmp_path, replace(SMALL, online="shuffled"))
    table.play(16)
    true = [log["reward"] for log in table.logs]
    got = [reward for _, _, reward, _ in table.kept]
    assert len({*true}) > 8
    assert got[0] == 0
    assert all(reward in true[:n] for n, reward in enumerate(got[1:], start=1))
    assert got[1:] != true[1:]


# What is learned ------------------------------------------------------------------------------------------------------


@PROFILES
def test_torchrl_finds_the_same_loss(tmp_path, settings, monkeypatch):
    """Of both networks, plain and double DQN, on transitions of a game."""
    monkeypatch.setenv("RL_WARNINGS", "False")
    from tensordict import TensorDict
    from tensordict.nn import TensorDictModule
    from torchrl.modules import QValueActor
    from torchrl.objectives import DQNLoss

    table = Table(tmp_path, settings)
    table.play(20)
    batch = table.replay.sample(16, np.random.default_rng(0))
    assert 0 < int(batch.ended.sum()) < 16
    online, target = table.learner.network, Table(tmp_path / "other", settings, seed=7).learner.network
    theirs = copy.deepcopy(online)
    keys = ["state", "candidates", "mask"]
    module = TensorDictModule(theirs, in_keys=keys, out_keys=["action_value"])
    actor = QValueActor(module, in_keys=keys, action_space="categorical", action_mask_key="mask")
    kind = {"huber": "smooth_l1", "squared": "l2"}[settings.loss]
    double = settings.selector == "online"
    oracle = DQNLoss(
        actor, loss_function=kind, double_dqn=double, delay_value=True, action_space="categorical"
    )  # fmt: skip
    oracle.make_value_estimator(gamma=0.9)
    oracle.target_value_network_params.data.update_({("module", "0", "module"): TensorDict.from_module(target).data})
    ended = batch.ended[:, None]
    # Theirs needs somebody to choose also where nothing follows; what it finds there is not used.
    mask = batch.next_mask | ended
    following = {"state": batch.next_states, "candidates": batch.next_candidates, "mask": mask}
    following |= {"reward": batch.rewards[:, None], "done": ended, "terminated": ended}
    now = {"state": batch.states, "candidates": batch.candidates, "mask": batch.mask, "action": batch.actions}
    expected = oracle(TensorDict(now | {"next": following}, batch_size=[16]))["loss"]
    expected.backward()

    online.zero_grad()
    targets = double_dqn_targets(batch, online, target, 0.9, settings.selector)
    ours = td_loss(chosen_values(batch, online), targets, settings.loss)
    ours.backward()
    assert ours.item() == pytest.approx(expected.item(), rel=1e-5)
    for name, parameter in online.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(name).grad, rtol=1e-4, atol=1e-7)


@PROFILES
def test_it_learns_as_soon_as_a_batch_is_remembered(tmp_path, settings):
    table = Table(tmp_path, settings)
    before = weights(table.learner)
    table.play(3)
    assert same(before, weights(table.learner))
    assert all("loss" not in log for log in table.logs)
    table.play(7, begin=3)
    assert not same(before, weights(table.learner))
    assert all(np.isfinite(log["loss"]) for log in table.logs[3:])
    assert table.learner._dqn.updates == 4


def test_as_many_updates_as_the_settings_say(tmp_path):
    table = Table(tmp_path, replace(SMALL, updates=3))
    table.play(5)
    assert table.learner._dqn.updates == 6


def test_the_untrained_control_stays_what_it_is(tmp_path):
    table = Table(tmp_path, replace(SMALL, online="off"), trained=True)
    before = weights(table.learner)
    table.play(12)
    assert same(before, weights(table.learner))
    assert len(table.replay) == 0
    assert [set(log) for log in table.logs] == [{"reward", "same", "explored"}] * 12
    assert table.learner.snapshot() == {}
    table.learner.restore({})


# What is chosen -------------------------------------------------------------------------------------------------------


@PROFILES
def test_it_takes_the_best_that_may_be_asked_about(tmp_path, settings):
    table = Table(tmp_path, replace(settings, epsilon_floor=0.0), trained=True)
    for outcome in table.play(12):
        seen = outcome.observation
        assert seen.groups.mask[0, outcome.selection.indices[0, 0]]
    # The last choice was made before the last update; play on with the weights as they are.
    seen = offer(table.game, 12)
    found = table.learner.choose(seen, 1, np.random.default_rng(0))
    with torch.no_grad():
        rows = torch.from_numpy(seen.candidates), torch.from_numpy(seen.groups.mask)
        values = table.learner.network(torch.from_numpy(seen.state)[None], *rows)[0].numpy()
    values[~seen.groups.mask[0]] = -np.inf
    assert found.indices[0, 0] == values.argmax()
    assert found.scores[0, 0] == pytest.approx(values.max())


def test_exploration_is_uniform_over_those_who_may_be_asked_about(tmp_path):
    table = Table(tmp_path, replace(SMALL, epsilon_first=1.0, epsilon_floor=1.0))
    table.play(2, choose=first)
    seen = offer(table.game, 2)
    picks = [table.learner.choose(seen, 1, np.random.default_rng(n)).indices[0, 0] for n in range(600)]
    counts = np.bincount(picks, minlength=5)
    assert counts[~seen.groups.mask[0]].sum() == 0
    assert (np.abs(counts[seen.groups.mask[0]] - 200) < 5 * np.sqrt(600 * 2 / 9)).all()


def test_exploration_falls_with_the_questions_and_stands_at_the_floor_once_trained(tmp_path):
    settings = replace(SMALL, epsilon_first=0.9, epsilon_floor=0.1, epsilon_decay=5.0)
    table = Table(tmp_path / "fresh", settings)
    table.play(6)
    expected = [0.1 + 0.8 * np.exp(-n / 5) for n in range(7)]
    assert [log["explored"] for log in table.logs] == pytest.approx(expected[:6])
    assert table.learner.epsilon == pytest.approx(expected[6])
    assert Table(tmp_path / "trained", settings, trained=True).learner.epsilon == 0.1


def test_nobody_offered_is_nobody_chosen(tmp_path):
    table = Table(tmp_path, replace(SMALL, neighbours=3, shells=1, epsilon_floor=0.0), task=ToyPairs(2, 2))
    seen = offer(table.game, len(table.play()))
    assert table.learner.choose(seen, 1, np.random.default_rng(0)).indices.tolist() == [[-1]]


# What survives --------------------------------------------------------------------------------------------------------


@PROFILES
@pytest.mark.parametrize("online", ["learn", "shuffled"])
def test_a_restored_learner_goes_on_with_the_same_bits(tmp_path, settings, online):
    """Networks, optimiser, replay, exploration and the rewards of the control; games of two tasks alike."""
    settings = replace(settings, online=online, flush=False)
    one, other = Table(tmp_path / "one", settings), Table(tmp_path / "other", settings, seed=9)
    one.play(9)
    other.play(9, choose=lambda seen, k, stream: one_of(one, other, seen))
    other.learner.restore(one.learner.snapshot())
    assert [o.questions[0].unit for o in one.play(25, begin=9)] == [
        o.questions[0].unit for o in other.play(25, begin=9)
    ]
    assert one.logs[9:] == other.logs[9:]
    ours, theirs = one.learner.snapshot(), other.learner.snapshot()
    assert {name: value.tobytes() for name, value in ours.items()} == {n: v.tobytes() for n, v in theirs.items()}


def one_of(table, other, seen):
    """The selection that another game made at this step."""
    questions = table.game.ledger.questions(table.game.id, table.game.pool, other.game.view.asked)
    return Selection(np.flatnonzero(seen.groups.units[0] == questions[0].unit)[None])
