from dataclasses import replace

import numpy as np
import pytest
import torch

from querist.agents.ralis import agent as module
from querist.agents.ralis.agent import AGENT
from querist.agents.ralis.config import settings
from querist.agents.ralis.policy import RalisPolicy, featuriser
from querist.core import rng
from querist.core.agent import CONTROLS
from querist.core.answers import Labels
from querist.core.candidates import ClusterPools
from querist.core.card import PolicyCard
from querist.core.ledger import Ledger
from querist.core.loop import Deployment
from querist.core.oracle import SimulatedOracle
from querist.core.plan import Parts, Plan
from querist.core.rehearsal import Rehearsal, Scene, Stage, halved
from querist.core.reward import MetricGain
from querist.core.split import Role, Split
from querist.core.trials import on_trial
from querist.errors import QueristError
from querist.nn.runtime import seeded
from querist.tasks.segmentation.task import SegmentationTask
from tiny import SplitNet, tiny_data, tiny_task

REGIONS = 9
SMALL = {"episodes": 3, "budget": 4, "pool_train": 3, "pool_deploy": 4, "batch": 4, "check_games": 0, "replay": 40}
CHANGES = {"sound": SMALL | {"warm_up": 1, "explore_for": 2}, "faithful": SMALL}
AWARE = CHANGES["sound"] | {"features": "class_aware"}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_split():
    """Of 11 images: 4 pool, 4 start, 1 state, 1 reward, 1 test."""
    roles = [Role.POOL] * 4 + [Role.START] * 4 + [Role.STATE, Role.REWARD, Role.TEST]
    return Split(np.array(roles, dtype=np.int8))


def a_task():
    with seeded(0):
        return tiny_task(tiny_data(11), SplitNet(3))


def a_stage(folder, rehearsed=True):
    """Two steps on half of the start; then the stand-in or the model itself is what plays."""
    task, outer = a_task(), a_split()
    inner = halved(outer, task.pool, 1)
    given = inner.sources(Role.START)
    labels = Labels(given[:0], (), given)
    games = task
    task.fit(labels, new=labels, steps=2, phase="start", rng=rng.generator(0, "start"))
    if rehearsed:
        games = task.rehearsal(np.flatnonzero(inner.roles))
        games.fit(labels, new=labels, steps=20, phase="start", rng=rng.generator(0, "start"))
    scene = Scene(inner, games, games.snapshot())
    return Stage(folder, task.pool, outer, (scene,), REGIONS, 2, 5 if rehearsed else 1, unseen=scene)


def a_card(folder, profile="sound", rehearsed=True, changes=None, seed=1, **rest):
    return AGENT.train(profile, changes or CHANGES[profile], a_stage(folder, rehearsed), seed, **rest)


def deployed(folder, card):
    """The units that a deployment of the real task asks about."""
    task = a_task()
    policy = RalisPolicy(card)
    candidates, eyes = policy.own_candidates(card.profile, 2), policy.own_featuriser(task)
    parts = Parts(task.pool, a_split(), task, policy, candidates, eyes, SimulatedOracle(task), REGIONS)
    plan = Plan(0, 2, (4,), 2, 1, 2, keep_given=policy.keep_given)
    with Deployment(folder, parts, plan, {}) as run:
        kinds = [event.kind for event in run.play()]
        assert kinds == ["start", "step", "step", "mark", "done"]
        return [q.unit for q in run.ledger.questions(1, task.pool)]


@pytest.mark.parametrize(
    ("profile", "rehearsed", "changes"),
    [("sound", True, None), ("sound", False, None), ("faithful", True, None), ("faithful", False, None),
     ("sound", True, AWARE)],
    ids=["sound", "sound, real model", "faithful", "faithful, real model", "sound, class-aware"],
)  # fmt: skip
def test_it_trains_a_card_that_loads_and_plays(tmp_path, profile, rehearsed, changes):
    told = []
    card = a_card(tmp_path / "games", profile, rehearsed, changes, watch=told.append)
    assert (card.agent, card.profile, card.control) == ("ralis", profile, None)
    assert [row["episode"] for row in card.curve] == [1, 2, 3]
    assert told == list(card.curve)
    assert all(len(row["rewards"]) == 2 for row in card.curve)
    assert settings(profile, changes or CHANGES[profile]) == RalisPolicy(card).settings
    card.save(tmp_path / "card")
    loaded = PolicyCard.load(tmp_path / "card")
    assert loaded.hash == card.hash
    asked = deployed(tmp_path / "run", loaded)
    assert len(set(asked)) == 4
    assert max(asked) < 4 * REGIONS


def test_a_seed_fixes_the_card(tmp_path):
    changes = CHANGES["sound"] | {"check_games": 1}
    cards = [a_card(tmp_path / str(n), changes=changes, seed=seed) for n, seed in enumerate((1, 1, 2))]
    assert cards[0].hash == cards[1].hash != cards[2].hash
    plain = [[{k: v for k, v in row.items() if k != "seconds"} for row in card.curve] for card in cards]
    assert plain[0] == plain[1] != plain[2]
    assert cards[0].check == cards[1].check


def test_without_the_first_evaluation_each_game_begins_with_a_level(tmp_path):
    faithful, sound = (a_card(tmp_path / profile, profile) for profile in ("faithful", "sound"))
    levels = [row["return"] for row in faithful.curve]
    assert all(10 < level <= 100 for level in levels)  # the mIoU that the game ended with
    assert all(abs(row["return"]) < level for row, level in zip(sound.curve, levels, strict=True))


def test_training_leaves_global_generators_alone(tmp_path):
    stage = a_stage(tmp_path)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    AGENT.train("sound", CHANGES["sound"], stage, 1)
    assert torch.equal(torch.rand(3), expected)


# The games ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def played(monkeypatch):
    """(seed, episode, candidates, given) of every game."""
    games = []
    new_game = Rehearsal.new_game

    def noted(self, candidates, seed, episode):
        game = new_game(self, candidates, seed, episode)
        games.append((seed, episode, candidates, game.given.tolist()))
        return game

    monkeypatch.setattr(Rehearsal, "new_game", noted)
    return games


@pytest.mark.parametrize("profile", ["sound", "faithful"])
def test_games_are_on_half_of_the_start_with_small_pools(tmp_path, played, profile):
    a_card(tmp_path, profile)
    given = halved(a_split(), a_task().pool, 1).sources(Role.START).tolist() if profile == "sound" else []
    assert {(c.groups, c.size) for _, _, c, _ in played} == {(2, 3)}
    assert all(g == given for *_, g in played)
    ledger = Ledger.read(tmp_path / "games.sqlite")
    assert ledger.money(1) == (0, 0)
    assert ledger.money(3) == (4, 4)
    ledger.close()


def test_the_check_plays_the_same_fresh_games_with_the_policy_and_with_chance(tmp_path, played):
    card = a_card(tmp_path, changes=CHANGES["sound"] | {"check_games": 2})
    seeds = [(seed, episode) for seed, episode, *_ in played]
    assert seeds[:4] == [(0, 1), (1, 1), (1, 2), (1, 3)]  # the environment looks at one game to learn its spaces
    assert seeds[4] == (0, 1)  # so does the one of the check
    assert seeds[5:7] == seeds[7:9]
    assert len(seeds) == 9
    assert not set(seeds[5:]) & set(seeds[:4])
    policy, chance = np.array(card.check["policy"]), np.array(card.check["random"])
    assert len(policy) == len(chance) == 2
    assert card.check["difference"] == pytest.approx((policy - chance).mean())
    assert card.check["standard_error"] == pytest.approx(abs(np.diff(policy - chance)[0]) / 2)


@pytest.mark.parametrize("reward", ["influence", "deep_influence"])
def test_in_still_games_nothing_is_learned_but_the_policy(tmp_path, reward):
    stage = a_stage(tmp_path / "games", rehearsed=False)
    (scene,) = stage.scenes
    games = scene.task.still_rehearsal(np.flatnonzero(scene.inner.roles))
    stage = replace(stage, scenes=(Scene(scene.inner, games, games.snapshot()),), unseen=scene)
    changes = CHANGES["sound"] | {"games": "still", "reward": reward, "check_games": 2}
    assert AGENT.games("sound", changes) == "still"
    assert AGENT.games("sound", CHANGES["sound"]) == "learning"
    card = AGENT.train("sound", changes, stage, 1)
    assert [row["rewards"] for row in card.curve] == [[0.0, 0.0]] * 3  # the metric stays
    # What the check counts is what answers were worth: of chance, anything but always the same.
    assert len(set(card.check["random"])) == 2
    assert len(deployed(tmp_path / "run", card)) == 4


def test_in_games_of_one_final_training_everything_is_asked_at_once(tmp_path, monkeypatch):
    trained, fit = [], SegmentationTask.fit

    def noted(task, labels, **how):
        trained.append((len(labels.units), how["steps"], how["phase"]))
        return fit(task, labels, **how)

    monkeypatch.setattr(SegmentationTask, "fit", noted)
    stage = a_stage(tmp_path / "games", rehearsed=False)
    (scene,) = stage.scenes
    stage = replace(stage, scenes=(Scene(scene.inner, on_trial(scene.task), scene.first),))
    trained.clear()
    final = {"games": "final", "final_steps": 3, "reward": "metric", "exploration": "coherent"}
    card = AGENT.train("sound", CHANGES["sound"] | final, stage, 1)
    questions = card.settings["budget"]
    assert questions > stage.batch
    assert trained == [(questions, 3, "final")] * card.settings["episodes"]
    assert [len(row["rewards"]) for row in card.curve] == [1] * card.settings["episodes"]
    assert len(deployed(tmp_path / "run", card)) == 4  # where questions come step by step


def test_one_game_has_no_standard_error_and_none_no_check(tmp_path):
    assert a_card(tmp_path / "one", changes=CHANGES["sound"] | {"check_games": 1}).check["standard_error"] is None
    assert a_card(tmp_path / "none").check == {}


# Controls -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("control", CONTROLS)
def test_controls(tmp_path, control):
    card = a_card(tmp_path, changes=CHANGES["sound"] | {"check_games": 1}, control=control)
    assert card.strategy == f"ralis/{control}"
    assert card.check == {}
    assert len(card.curve) == (1 if control == "untrained" else 3)
    RalisPolicy(card)


def test_the_untrained_control_has_the_first_weights_of_the_policy(tmp_path, monkeypatch):
    first = []
    train = module.train

    def noted(environment, net, *rest):
        first.append({name: weights.detach().clone() for name, weights in net.named_parameters()})
        return train(environment, net, *rest)

    monkeypatch.setattr(module, "train", noted)
    a_card(tmp_path / "policy")
    card = a_card(tmp_path / "control", control="untrained")
    for name, weights in first[0].items():
        assert torch.equal(weights, first[1][name])
        np.testing.assert_array_equal(card.tensors[f"network/{name}"], weights.half().numpy())
    assert card.tensors["network/last.weight"].any()  # it has preferences


@pytest.mark.parametrize(("control", "count"), [(None, 50), ("shuffled", 50), ("untrained", 7)])
def test_how_many_episodes_there_will_be(control, count):
    assert AGENT.episodes("sound", {"episodes": 50, "warm_up": 7}, control) == count
    assert AGENT.episodes("faithful", {"episodes": 50}, control) == (50 if count == 50 else 1)


# Refusals -------------------------------------------------------------------------------------------------------------


def test_settings_are_checked_before_anything_is_played(tmp_path):
    with pytest.raises(QueristError, match="no setting 'episods'"):
        AGENT.episodes("sound", {"episods": 3}, None)
    with pytest.raises(QueristError, match="a part of the starting set, has only 18"):
        a_card(tmp_path, changes=CHANGES["sound"] | {"budget": 19})
    assert not (tmp_path / "games.sqlite").exists()


def test_the_class_aware_features_need_a_state_set(tmp_path):
    stage = a_stage(tmp_path)

    def without(split):
        return Split(np.where(split.roles == Role.STATE, Role.UNUSED, split.roles))

    scene = replace(stage.scenes[0], inner=without(stage.scenes[0].inner))
    stage = replace(stage, outer=without(stage.outer), scenes=(scene,))
    with pytest.raises(QueristError, match="needs a state set"):
        AGENT.train("faithful", CHANGES["faithful"], stage, 1)
    assert AGENT.train("sound", CHANGES["sound"], stage, 1).curve


def test_a_training_that_fails_lets_go_of_its_ledger(tmp_path, monkeypatch):
    closed = []
    close = Rehearsal.close
    monkeypatch.setattr(Rehearsal, "close", lambda self: closed.append(close(self)))

    def fail(row):
        raise RuntimeError("the watcher failed")

    with pytest.raises(RuntimeError, match="watcher"):
        a_card(tmp_path, watch=fail)
    assert closed == [None]


@pytest.mark.parametrize("profile", ["sound", "faithful"])
def test_observations_stay_in_their_space_until_the_pool_is_exhausted(tmp_path, profile):
    """Eighteen regions, two by two from pools that shrink: real predictions in every number."""
    stage, chosen = a_stage(tmp_path), settings(profile, CHANGES[profile])
    games = stage.rehearse(featuriser(stage.task, chosen, REGIONS), 18)
    environment = games.environment(ClusterPools(2, 5), MetricGain())
    seen, _ = environment.reset(seed=0)
    ended, steps = False, 0
    while not ended:
        assert environment.observation_space.contains(seen)
        seen, _, ended, _, _ = environment.step(seen["mask"].argmax(axis=1)[:, None])
        steps += 1
    assert steps == 9
    games.close()


def test_a_shuffled_control_may_not_choose_by_the_true_rewards(tmp_path):
    with pytest.raises(QueristError, match="by the true rewards"):
        a_card(tmp_path, changes=CHANGES["sound"] | {"checkpoint": "best"}, control="shuffled")
