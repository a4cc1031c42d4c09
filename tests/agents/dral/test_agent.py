from dataclasses import replace

import numpy as np
import pytest

from querist.agents.dral.agent import AGENT
from querist.agents.dral.config import FAITHFUL, SOUND
from querist.agents.dral.policy import DralPolicy
from querist.errors import QueristError
from toy_pairs import ToyPairs, pair_stage

TINY = {"neighbours": 5, "mutual": 3, "per_anchor": 4, "batch": 4, "width": 8, "episodes": 2, "budget": 10}
QUICK = {
    "neighbours": 10, "mutual": 5, "per_anchor": 5, "batch": 16, "width": 32, "episodes": 2, "budget": 150,
    "check_games": 2, "epsilon_decay": 60.0, "learning_rate": 5e-3, "target_every": 20,
}  # fmt: skip


def train(folder, profile="sound", changes=None, seed=1, control=None, unseen=False, watch=None, task=None):
    stage = pair_stage(folder, task or ToyPairs(people=8), unseen)
    return AGENT.train(profile, {**TINY, **(changes or {})}, stage, seed, control, watch)


def tensors_equal(one, other):
    assert one.tensors.keys() == other.tensors.keys()
    return all(np.array_equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_what_is_rewarded_is_learned(tmp_path):
    """By a model it was not trained with, people halved anew: the mean reward is a third above chance or more."""
    stage = pair_stage(tmp_path, ToyPairs(people=40, width=8, noise=0.6), unseen=True)
    card = AGENT.train("sound", QUICK, stage, 0)
    assert len(card.check["policy"]) == len(card.check["random"]) == 2
    assert np.mean(card.check["policy"]) > 1.33 * np.mean(card.check["random"])
    gains = np.array(card.check["policy"]) - card.check["random"]
    assert card.check["difference"] == pytest.approx(gains.mean())
    assert card.check["standard_error"] == pytest.approx(np.abs(gains[0] - gains[1]) / 2)


@pytest.mark.parametrize("profile", ["sound", "faithful"])
def test_the_card_says_what_happened(tmp_path, profile):
    told = []
    card = train(tmp_path, profile, watch=told.append)
    assert list(card.curve) == told
    assert [row["episode"] for row in told] == [1, 2]
    for row in told:
        assert row["questions"] == 10
        assert row["return"] >= 0
        assert 0 <= row["same"] <= 1
        assert {"standard_error", "seconds", "loss", "mean_value"} <= row.keys()
    assert told[0]["explored"] > told[1]["explored"]  # the schedule goes on from game to game
    assert (card.agent, card.profile, card.control, card.check) == ("dral", profile, None, {})
    assert card.settings["online"] == "learn"
    assert DralPolicy(card).learner.epsilon == card.settings["epsilon_floor"]


def test_the_same_seed_gives_the_same_bits_and_another_others(tmp_path):
    cards = [train(tmp_path / str(n), seed=seed) for n, seed in enumerate((3, 3, 4))]
    assert tensors_equal(cards[0], cards[1])
    assert cards[0].hash == cards[1].hash
    assert not tensors_equal(cards[0], cards[2])
    curves = [[{k: v for k, v in row.items() if k != "seconds"} for row in card.curve] for card in cards]
    assert curves[0] == curves[1] != curves[2]


def test_the_untrained_control_is_the_network_that_the_policy_began_with(tmp_path):
    untrained = train(tmp_path / "untrained", control="untrained")
    assert untrained.curve == ()
    assert (untrained.settings["online"], untrained.control) == ("off", "untrained")
    begun = train(tmp_path / "begun", changes={"episodes": 0})
    assert tensors_equal(untrained, begun)
    assert not tensors_equal(untrained, train(tmp_path / "trained"))
    assert DralPolicy(untrained).learner.epsilon == SOUND.epsilon_floor


def test_the_shuffled_control_is_trained_like_the_policy_on_other_rewards(tmp_path):
    shuffled, card = train(tmp_path / "a", control="shuffled", unseen=True), train(tmp_path / "b")
    assert (shuffled.settings["online"], shuffled.control, shuffled.check) == ("shuffled", "shuffled", {})
    assert len(shuffled.curve) == len(card.curve)
    assert not tensors_equal(shuffled, card)


def test_games_are_played_with_the_model_as_it_stands_and_leave_it_so(tmp_path):
    task = ToyPairs(people=8)
    vectors = task.vectors.copy()
    stage = replace(pair_stage(tmp_path, task), update=3)
    AGENT.train("sound", TINY, stage, 1)
    np.testing.assert_array_equal(task.vectors, vectors)
    assert task.embedded == 2  # once a game


def test_a_game_that_runs_dry_ends_early(tmp_path):
    """Two images are asked about: one pair."""
    card = train(tmp_path, task=ToyPairs(people=2, each=2), changes={"budget": 1})
    assert [row["questions"] for row in card.curve] == [1, 1]
    few = train(tmp_path / "few", task=ToyPairs(people=2, each=8), changes={"budget": 28, "neighbours": 2, "shells": 1})
    assert all(8 <= row["questions"] < 28 for row in few.curve)


@pytest.mark.parametrize(
    ("profile", "control", "count"), [("sound", None, SOUND.episodes), ("faithful", None, 0), ("sound", "untrained", 0)]
)
def test_how_many_games_there_will_be(profile, control, count):
    assert AGENT.episodes(profile, {}, control) == count
    assert FAITHFUL.episodes == 0  # it learns while browsing and at no other time
    with pytest.raises(QueristError, match="no setting"):
        AGENT.episodes(profile, {"colour": 1}, control)


def test_what_a_recipe_says_of_pairs_are_settings():
    assert AGENT.paid_by == "answers"
    offered = AGENT.offered({"neighbours": 9, "mutual": 4, "per_anchor": 3, "shells": 1, "shrinkage": 0.2})
    assert AGENT.episodes("sound", offered, None) == SOUND.episodes
