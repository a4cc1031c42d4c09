import dataclasses

import numpy as np
import pytest
import torch

from querist.acquisition.registry import GroupForm
from querist.agents.matal import agent, retraining
from querist.agents.matal.agent import AGENT
from querist.agents.matal.config import settings
from querist.agents.matal.learner import Learner
from querist.agents.matal.partition import partitioned
from querist.agents.matal.policy import MatalPolicy
from querist.agents.matal.team import choose
from querist.core.agent import CONTROLS
from querist.core.card import PolicyCard
from querist.core.pool import ColumnarPool
from querist.core.problem import Setup
from querist.core.rehearsal import halved
from querist.errors import QueristError
from querist.recipes.learned import from_card
from toy_poses import ToyPoses, poses_split, poses_stage
from toy_team import CHANGES, a_card, deployed


@pytest.mark.parametrize("profile", ["sound", "faithful"])
def test_it_trains_a_card_that_loads_and_plays(tmp_path, profile):
    told = []
    card = a_card(tmp_path / "games", profile, watch=told.append)
    assert (card.agent, card.profile, card.control) == ("matal", profile, None)
    assert [row["episode"] for row in card.curve] == [1, 2, 3, 4, 5]
    assert [row["phase"] for row in card.curve] == ["warm_up", "support", "query", "play", "play"]
    assert told == list(card.curve)
    assert len(told) == AGENT.episodes(profile, CHANGES[profile], None)
    assert all(len(row["rewards"]) == 3 for row in card.curve)
    assert settings(profile, CHANGES[profile]) == MatalPolicy(card).settings
    card.save(tmp_path / "card")
    loaded = PolicyCard.load(tmp_path / "card")
    assert loaded.hash == card.hash
    asked, _ = deployed(tmp_path / "run", loaded)
    assert len(set(asked)) == 12
    assert max(asked) < 24  # the pool


@pytest.mark.parametrize("team", ["no_context", "top", "single"])
def test_the_other_teams_of_the_ablation_play_too(tmp_path, team):
    card = a_card(tmp_path / "games", changes={"team": team, "parameters": "own", "check_games": 1})
    agents = 3 if team == "no_context" else 1
    assert card.tensors["team/last_bias"].shape == (agents, 1, 1)
    asked, events = deployed(tmp_path / "run", card)
    assert len(set(asked)) == 12
    assert sum(event.kind == "step" for event in events) == (12 if team == "single" else 4)


def test_one_image_a_step_is_learned_from_in_batches_of_as_many_images(tmp_path, monkeypatch):
    """In its training and whenever it is trained again; see Matal.alone."""
    learns = []

    class Noted(Learner):
        def __init__(self, games, scenes, team, chosen, *rest):
            learns.append((chosen.batch, chosen.replay))
            super().__init__(games, scenes, team, chosen, *rest)

    monkeypatch.setattr(agent, "Learner", Noted)
    monkeypatch.setattr(retraining, "Learner", Noted)
    for team in ("top", "single"):
        card = a_card(tmp_path / team, changes={"team": team, "parameters": "own"})
        stage = poses_stage(tmp_path / f"{team} again", partitioned)
        policy = MatalPolicy(card)
        retraining.retrained(policy.team, stage, policy.own_featuriser(ToyPoses()), policy.settings, 0, None)
    assert learns == [(2, 50)] * 2 + [(6, 150)] * 2


def test_what_pays_decides_what_is_learned(tmp_path):
    paid = [a_card(tmp_path / reward, changes={"reward": reward}) for reward in ("influence", "metric")]
    slopes = [MatalPolicy(card).team.slope.detach().numpy() for card in paid]
    assert not np.array_equal(*slopes)
    assert len(deployed(tmp_path / "run", paid[0])[0]) == 12


def test_updates_after_each_step(tmp_path):
    card = a_card(tmp_path, "faithful", {"update": "step", "meta": "none", "selector": "max"})
    assert [row["phase"] for row in card.curve] == ["warm_up", "play", "play"]
    assert "loss" in card.curve[1]
    assert not any(name.startswith("initial") for name in card.tensors)


def test_a_seed_fixes_the_card(tmp_path):
    cards = [a_card(tmp_path / str(n), changes={"check_games": 2}, seed=s) for n, s in enumerate((1, 1, 2))]
    assert cards[0].hash == cards[1].hash != cards[2].hash
    plain = [[{k: v for k, v in row.items() if k != "seconds"} for row in card.curve] for card in cards]
    assert plain[0] == plain[1] != plain[2]
    assert cards[0].check == cards[1].check
    policy, chance = np.array(cards[0].check["policy"]), np.array(cards[0].check["random"])
    assert cards[0].check["difference"] == pytest.approx((policy - chance).mean())
    assert cards[0].check["standard_error"] == pytest.approx(abs(np.diff(policy - chance)[0]) / 2)


def test_training_leaves_global_generators_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a_card(tmp_path)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("control", CONTROLS)
def test_controls(tmp_path, control):
    card = a_card(tmp_path, changes={"check_games": 1}, control=control)
    assert card.strategy == f"matal/{control}"
    assert card.check == {}
    assert len(card.curve) == AGENT.episodes("sound", CHANGES["sound"], control) == (1 if control == "untrained" else 5)


def test_the_untrained_control_has_the_first_weights_of_the_policy(tmp_path, monkeypatch):
    first = []
    build = agent.build_team

    def noted(*arguments):
        team = build(*arguments)
        first.append({name: weights.detach().clone() for name, weights in team.named_parameters()})
        return team

    monkeypatch.setattr(agent, "build_team", noted)
    trained = a_card(tmp_path / "policy")
    card = a_card(tmp_path / "control", control="untrained")
    for name, weights in first[0].items():
        assert torch.equal(weights, first[1][name])
        np.testing.assert_array_equal(card.tensors[f"team/{name}"], weights.half().numpy())
    assert card.tensors["team/slope"].any()  # it has preferences
    assert not np.array_equal(trained.tensors["team/slope"], card.tensors["team/slope"])


def test_each_rule_that_a_stage_may_break(tmp_path):
    with pytest.raises(QueristError, match="no setting 'episods'"):
        AGENT.episodes("sound", {"episods": 3}, None)
    with pytest.raises(QueristError, match="no reward set"):
        AGENT.train("sound", CHANGES["sound"], poses_stage(tmp_path, halved), 1)
    with pytest.raises(QueristError, match="games of 99 questions"):
        a_card(tmp_path, changes={"steps": 33})
    assert not (tmp_path / "games.sqlite").exists()


def test_a_team_that_shares_its_parameters_chooses_any_number(tmp_path):
    card = a_card(tmp_path)
    assert card.tensors["team/last_bias"].shape == (1, 1, 1)
    assert MatalPolicy(card).own_candidates("sound", 24).per_group(40) == 40


def test_a_card_is_refused_by_another_body_or_batch(tmp_path):
    card = a_card(tmp_path, changes={"parameters": "own"})
    policy = MatalPolicy(card)
    with pytest.raises(QueristError, match="team of 3 agents"):
        policy.own_candidates("sound", 24).per_group(4)
    assert policy.own_candidates("sound", 24).per_group(3) == 3
    other = ToyPoses()
    other.part_bones = ((0, 2), (1, 3))
    with pytest.raises(QueristError, match="was trained on schema"):
        policy.check(other)
    with pytest.raises(QueristError, match="do not fit together"):
        MatalPolicy(dataclasses.replace(card, settings={**card.settings, "network": "layers"}))


@pytest.mark.parametrize("variant", ["faithful", "sound"])
def test_a_team_of_as_many_agents_as_a_step_has_images_is_deployed_whatever_the_group_form(variant, tmp_path):
    """No recipe of poses says anything about groups, which are 24 unless it does."""
    card = a_card(tmp_path, variant, {"parameters": "own", "offer": "all"})
    setup = Setup(ToyPoses().pool, ToyPoses(), poses_split(), "0" * 16)
    found = from_card(card, setup, GroupForm())
    assert GroupForm().count > found.policy.team.agents == 3
    assert found.candidates.per_group(3) == 3


def test_chance_is_dealt_what_the_team_is_dealt(tmp_path, monkeypatch):
    calls = []

    def noted(team, settings, state, candidates, k, draw=None, rng=None, shown=None):
        calls.append((draw is None, rng is None, len(shown.subjects) == len(candidates)))
        return choose(team, settings, state, candidates, k, draw, rng, shown)

    monkeypatch.setattr(agent, "choose", noted)
    card = a_card(tmp_path, changes={"check_games": 2})
    assert set(calls) == {(True, False, True), (False, False, True)}
    assert len(card.check["random"]) == len(card.check["policy"]) == 2


def test_it_is_asked_whether_the_profiles_own_partitions_can_be_drawn():
    """One recording can be divided image by image, as printed, and not by subject."""
    task = ToyPoses()
    task.pool = ColumnarPool([f"frame{i}" for i in range(60)], subjects=np.zeros(60, dtype=np.int64))
    AGENT.check_task(task, poses_split(), "faithful", {}, rehearsal=False)
    told = {"reward": "metric"}
    with pytest.raises(QueristError, match="30 labelled images of 1 subjects cannot be divided"):
        AGENT.check_task(task, poses_split(), "sound", told, rehearsal=False)
