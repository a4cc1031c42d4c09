import dataclasses
import inspect

import numpy as np
import pytest
import torch

from querist.acquisition.registry import GroupForm
from querist.agents.matal import agent, learner, retraining
from querist.agents.matal.agent import AGENT
from querist.agents.matal.config import settings
from querist.agents.matal.learner import Learner
from querist.agents.matal.partition import partitioned
from querist.agents.matal.policy import INITIAL, TEAM, MatalPolicy
from querist.agents.matal.retraining import LabelsBought
from querist.agents.matal.team import choose
from querist.core.agent import CONTROLS, Again
from querist.core.card import PolicyCard
from querist.core.loop import Deployment
from querist.core.oracle import SimulatedOracle
from querist.core.plan import Parts, Plan
from querist.core.pool import ColumnarPool
from querist.core.problem import Setup
from querist.core.rehearsal import halved
from querist.core.split import Role
from querist.errors import QueristError
from querist.nn.halved import from_tensors
from querist.recipes.learned import from_card
from toy_poses import ToyPoses, poses_split, poses_stage

SMALL = {"episodes": 2, "steps": 3, "frequencies": 32, "landmarks": 8, "bins": 4, "check_games": 0, "warm_up": 1,
         "first_width": 8, "second_width": 4, "meta_episodes": 2}  # fmt: skip
CHANGES = {"sound": SMALL | {"batch": 2, "replay": 50, "meta_updates": 2}, "faithful": SMALL}


def a_card(folder, profile="sound", changes=None, seed=1, **rest):
    return AGENT.train(profile, CHANGES[profile] | (changes or {}), poses_stage(folder, partitioned), seed, **rest)


def deployed(folder, card, task=None):
    task, policy = task or ToyPoses(), MatalPolicy(card)
    policy.check(task)
    candidates, eyes = policy.own_candidates(card.profile, 3), policy.own_featuriser(task)
    parts = Parts(task.pool, poses_split(), task, policy, candidates, eyes, SimulatedOracle(task))
    with Deployment(folder, parts, Plan(0, 3, (12,), 2, 2, 5), {}) as run:
        events = list(run.play())
        return [q.unit for q in run.ledger.questions(1, task.pool)], events


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


# Training again -------------------------------------------------------------------------------------------------------


def small_start():
    """10 of 60 images labelled at the start, so that they double after four steps."""
    return poses_split(60, 10, 6)


def doubling(folder, card, upto=None, budget=15, told=lambda _labelled: None, batch=3):
    task = ToyPoses()
    bought = LabelsBought(Again(task.snapshot(), 2, 5, 5, 2))

    def rehearse(game, stages, chosen):
        labels = game.view.labels()
        told(len(labels.units) + len(labels.given))
        return bought(game, stages, chosen)

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


def shared_subjects():
    """Sixty images of nine subjects, which are in the pool and in the starting set."""
    images, task = np.arange(60), ToyPoses()
    subjects = np.where(images < 54, images**2 % 13, 20 + images)  # 0 to 12 in uneven shares; the test set's own
    task.pool = ColumnarPool([f"i{i:04d}" for i in images], subjects=subjects)
    return task


def counts(subjects, images):
    return {s: int((subjects[images] == s).sum()) for s in np.unique(subjects)}


def test_a_deployment_asks_about_subjects_with_the_fewest_labels(tmp_path):
    """While two subjects have fewer labels, those of the start counted, nobody else is asked about."""
    card, task = a_card(tmp_path / "games", changes={"hand": 2}), shared_subjects()
    asked, _ = deployed(tmp_path / "run", card, task)
    subjects, free = task.pool.source_subjects, set(poses_split().sources(Role.POOL).tolist())
    known = counts(subjects, poses_split().sources(Role.START))
    assert len({known[subjects[i]] for i in free}) > 2
    for image in asked:
        fewer = {subjects[i] for i in free if known[subjects[i]] < known[subjects[image]]}
        assert len(fewer) < 2
        free.remove(image)
        known[subjects[image]] += 1


def test_games_deal_by_subjects_and_count_what_they_begin_with(tmp_path, monkeypatch):
    seen = []

    def noted(*given, **named):
        seen.append(inspect.signature(choose).bind(*given, **named).arguments["shown"])
        return choose(*given, **named)

    monkeypatch.setattr(learner, "choose", noted)
    task = shared_subjects()
    stage = poses_stage(tmp_path / "games", partitioned, task)
    AGENT.train("sound", CHANGES["sound"] | {"hand": 2}, stage, 1)
    subjects = task.pool.source_subjects
    begun = [counts(subjects, scene.inner.sources(Role.START)) for scene in stage.scenes]
    firsts = seen[:: CHANGES["sound"]["steps"]]
    assert firsts
    for shown in firsts:
        named = np.unique(subjects)[shown.subjects]
        assert any([begin[s] for s in named] == shown.labels.tolist() for begin in begun)
    assert max(max(shown.labels) for shown in firsts) > 1


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
    _, policy, _ = doubling(tmp_path, learned, budget=39, told=marks.append)
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
