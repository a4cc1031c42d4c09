import dataclasses

import numpy as np
import pytest
import torch

from querist.agents.matal import retraining
from querist.agents.matal.learner import Learner
from querist.agents.matal.policy import INITIAL, TEAM, MatalPolicy
from querist.agents.matal.retraining import LabelsBought
from querist.core.agent import Again
from querist.core.loop import Deployment
from querist.core.oracle import SimulatedOracle
from querist.core.plan import Parts, Plan
from querist.nn.halved import from_tensors
from toy_poses import ToyPoses, poses_split
from toy_team import a_card


def small_start():
    """10 of 60 images labelled at the start, so that they double after four steps."""
    return poses_split(60, 10, 6)


def doubling(folder, card, upto=None, budget=15, told=lambda _labelled, _seed: None, batch=3):
    task = ToyPoses()
    bought = LabelsBought(Again(task.snapshot(), 2, 5, 5, 2))

    def rehearse(game, stages, chosen, seed):
        labels = game.view.labels()
        told(len(labels.units) + len(labels.given), seed)
        return bought(game, stages, chosen, seed)

    policy = MatalPolicy(card, rehearse)
    eyes = policy.own_featuriser(task)
    parts = Parts(task.pool, small_start(), task, policy, policy.own_candidates("", 3), eyes, SimulatedOracle(task))
    with Deployment(folder, parts, Plan(0, batch, (budget,), 2, 2, 5), {}) as run:
        for n, _ in enumerate(run.play(), start=1):
            if n == upto:
                return None
        return [q.unit for q in run.ledger.questions(1, task.pool)], policy, task.snapshot()


def test_the_team_is_trained_again_when_the_labels_have_doubled(tmp_path):
    card = a_card(tmp_path / "games")
    asked, policy, _ = doubling(tmp_path / "run", card)
    assert len(set(asked)) == 15
    assert policy.snapshot()["trained_on"] == 22  # 10 given; 19 after three steps, 22 after four
    assert not torch.equal(policy.team.slope, MatalPolicy(card).team.slope)
    untrained = a_card(tmp_path / "control", control="untrained")
    _, policy, _ = doubling(tmp_path / "again", untrained)
    assert policy.snapshot() == {}


def test_policies_do_not_share_the_luck_of_training_again(tmp_path):
    """Else a comparison would find trainings more alike than they are."""
    seeds = []
    for n, seed in enumerate((1, 1, 2)):
        card = a_card(tmp_path / f"games{n}", seed=seed)
        doubling(tmp_path / str(n), card, told=lambda _, seed: seeds.append(seed))
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.parametrize("changes", [{}, {"steps": 4}])  # trained again; and too little is labelled for games
def test_the_deployed_model_is_as_it_was_after_a_team_was_trained_again(tmp_path, monkeypatch, changes):
    card = a_card(tmp_path / "games")
    models, learn = [], MatalPolicy.learn

    def noted(self, game, *rest, **named):
        before = game.task.snapshot()["weights"]
        log = learn(self, game, *rest, **named)
        models.append((log, before, game.task.snapshot()["weights"]))
        return log

    monkeypatch.setattr(MatalPolicy, "learn", noted)
    doubling(tmp_path / "run", dataclasses.replace(card, settings={**card.settings, **changes}))
    assert any("retrained" in log for log, _, _ in models)
    for _, before, after in models:
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("profile", ["sound", "faithful"])
def test_a_batch_smaller_than_a_team_of_agents_of_their_own_is_played_past_the_doubling(profile, tmp_path):
    card = a_card(tmp_path / "games", profile, {"parameters": "own", "offer": "all"})
    assert MatalPolicy(card).team.agents == 3
    asked, policy, _ = doubling(tmp_path / "run", card, batch=2)
    assert len(set(asked)) == 15
    assert policy.snapshot()["trained_on"] == 20


def test_a_team_stays_as_it_is_while_too_little_is_labelled_for_games(tmp_path):
    card = a_card(tmp_path / "games")
    long = dataclasses.replace(card, settings={**card.settings, "steps": 4})  # 12 of a pool of 9 to 10
    asked, policy, _ = doubling(tmp_path / "run", long)
    assert len(set(asked)) == 15
    assert policy.snapshot() == {}
    assert torch.equal(policy.team.slope, MatalPolicy(card).team.slope)


def test_a_run_that_was_stopped_goes_on_with_the_team_it_had(tmp_path):
    card = a_card(tmp_path / "games")
    whole, policy, weights = doubling(tmp_path / "whole", card)
    for stop in (4, 6):  # before and after the training
        assert doubling(tmp_path / f"stopped{stop}", card, upto=stop) is None
        again, resumed, other = doubling(tmp_path / f"stopped{stop}", card)
        assert again == whole
        assert torch.equal(policy.team.slope, resumed.team.slope)
        np.testing.assert_array_equal(weights["weights"], other["weights"])


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A card with a meta-initialisation, which shall be trained again with half of three games."""
    card = a_card(tmp_path_factory.mktemp("learned"), changes={"episodes": 3, "retrain_share": 0.5})
    start, played = (from_tensors(card.tensors, prefix)["slope"] for prefix in (INITIAL, TEAM))
    assert not torch.equal(start, played)
    return card


class Noted(Learner):
    """Notes what it begins with, and of every step the true reward beside the one that is learned from."""

    def __init__(self, games, scenes, team, *rest):
        super().__init__(games, scenes, team, *rest)
        self.began = {name: value.clone() for name, value in team.state_dict().items()}
        self.rewards = []

    def _remember(self, step):
        kept = super()._remember(step)
        self.rewards.append((step.reward, kept.reward))
        return kept


@pytest.fixture
def trainings(monkeypatch):
    """The learner of every training of a team that is deployed."""
    made = []

    def noted(*arguments):
        made.append(Noted(*arguments))
        return made[-1]

    monkeypatch.setattr(retraining, "Learner", noted)
    return made


def test_a_team_is_trained_again_at_every_doubling(tmp_path, learned):
    marks = []
    _, policy, _ = doubling(tmp_path, learned, budget=39, told=lambda labelled, _: marks.append(labelled))
    assert marks == [22, 46]
    assert policy.snapshot()["trained_on"] == 46


def test_a_share_of_the_games_is_played_again(tmp_path, learned, trainings):
    doubling(tmp_path, learned)
    assert [row["phase"] for row in trainings[0].curve] == ["play"] * 2  # half of three, rounded up


@pytest.mark.parametrize("prefix", [INITIAL, TEAM])
def test_every_training_begins_with_what_the_card_says(tmp_path, learned, trainings, prefix):
    """The meta-initialisation, or without one the card's team; never the team that has been playing since."""
    kept = {name: a for name, a in learned.tensors.items() if prefix == INITIAL or not name.startswith(INITIAL)}
    _, policy, _ = doubling(tmp_path, dataclasses.replace(learned, tensors=kept), budget=39)
    expected = from_tensors(learned.tensors, prefix)
    assert len(trainings) == 2
    for training in trainings:
        assert all(torch.equal(value, expected[name]) for name, value in training.began.items())
        assert not torch.equal(training.began["slope"], policy.team.slope)


def test_the_shuffled_control_never_learns_from_true_rewards(tmp_path, learned, trainings):
    amounts = dataclasses.replace(learned, settings={**learned.settings, "worth": "amount"})  # no two are the same
    doubling(tmp_path / "honest", amounts)
    doubling(tmp_path / "shuffled", dataclasses.replace(amounts, control="shuffled"))
    honest, shuffled = ([np.concatenate(each) for each in zip(*t.rewards, strict=True)] for t in trainings)
    np.testing.assert_array_equal(honest[0], honest[1])
    true, told = shuffled
    assert told[0] == 0
    assert all(reward in true[:place] for place, reward in enumerate(told[1:], start=1))
    assert not (told == true).any()
