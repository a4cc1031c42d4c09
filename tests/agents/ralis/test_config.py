from contextlib import closing
from dataclasses import fields

import numpy as np
import pytest

from querist.agents.ralis.config import FAITHFUL, PROFILES, SOUND, Ralis, settings
from querist.core.agent import Agent
from querist.core.candidates import ClusterPools
from querist.core.featuriser import FieldFeaturiser
from querist.core.rehearsal import Scene, Stage, halved
from querist.core.reward import MetricGain
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.rl.exploration import EpsilonSchedule
from toy import PARTS, ToyTask


def epsilon(profile):
    return EpsilonSchedule(profile.epsilon_floor, profile.epsilon_span, profile.epsilon_decay)


def test_the_released_exploration():
    """ALGORITHMS 1.5 and 10: at 0, 10, 20 and 30 steps."""
    found = [epsilon(FAITHFUL).value(n) for n in (0, 10, 20, 30)]
    np.testing.assert_allclose(found, [0.90, 0.363, 0.165, 0.092], atol=5e-4)


def test_the_released_numbers_on_camvid():
    """ALGORITHMS 1.3 to 1.5."""
    expected = {
        "episodes": 100, "pool_train": 20, "pool_deploy": 10, "replay": 600, "batch": 16, "gamma": 0.999,
        "optimiser": "sgd", "learning_rate": 1e-3, "decay": 0.97, "weight_decay": 1e-3, "target_every": 5,
        "updates": 1, "horizon": 1, "explore_for": 1, "warm_up": 0, "hide_labelled": 0.0,
    }  # fmt: skip
    assert {name: getattr(FAITHFUL, name) for name in expected} == expected


@pytest.mark.parametrize(("budget", "batch", "steps"), [(FAITHFUL.budget, 24, 20), (3840, 256, 15)])
def test_steps_of_an_episode(tmp_path, budget, batch, steps):
    """ALGORITHMS 10: 20 on CamVid, 15 on Cityscapes. Played, with pools of the released size."""
    task = ToyTask(2 * budget // PARTS + 2)  # half of the start is the pool of the games
    roles = np.full(task.pool.source_count, Role.START, dtype=np.int8)
    roles[-2:] = Role.REWARD
    outer = Split(roles)
    scene = Scene(halved(outer, task.pool, 0), task, task.snapshot())
    stage = Stage(tmp_path, task.pool, outer, (scene,), PARTS, batch, 1)
    with closing(stage.rehearse(FieldFeaturiser(task, ["spread"]), budget, FAITHFUL.keep_given)) as games:
        environment = games.environment(ClusterPools(batch, FAITHFUL.pool_train), MetricGain())
        seen, _ = environment.reset(seed=0)
        assert seen["mask"].sum() == min(batch * FAITHFUL.pool_train, budget)
        played, ended = 0, False
        while not ended:
            first = np.where(seen["mask"].any(axis=1), seen["mask"].argmax(axis=1), -1)
            seen, _, ended, _, info = environment.step(first[:, None])
            assert info["asked"].sum() == batch
            played += 1
        assert played == steps


def test_where_paper_and_code_differ_the_faithful_profile_does_what_the_code_does():
    """ALGORITHMS 1.11."""
    expected = {
        "features": "class_aware", "selector": "online", "loss": "huber", "normalise_counts": False,
        "fixed_histograms": False, "standardise": False, "keep_given": False, "evaluate_first": False,
        "bootstrap": True, "exploration": "uniform", "target_per_episode": True, "checkpoint": "last",
    }  # fmt: skip
    assert {name: getattr(FAITHFUL, name) for name in expected} == expected


def test_the_sound_profile_is_the_default_and_has_the_corrections_on():
    assert Ralis() == SOUND == settings("sound")
    corrections = ("normalise_counts", "fixed_histograms", "standardise", "keep_given", "evaluate_first")
    assert all(getattr(SOUND, name) for name in corrections)
    assert (SOUND.features, SOUND.selector, SOUND.decay) == ("class_free", "online", 1.0)
    assert epsilon(SOUND).value(0) == 1.0


def test_profiles_of_the_agent():
    assert tuple(PROFILES) == Agent.profiles
    assert settings("faithful") == FAITHFUL


def test_settings_may_be_changed():
    changed = settings("faithful", {"episodes": 50, "budget": 3840})
    assert (changed.episodes, changed.budget, changed.replay) == (50, 3840, 600)
    assert settings("sound", {}) == settings("sound", None) == SOUND


def test_an_unknown_profile_or_setting_names_those_there_are():
    with pytest.raises(QueristError, match="no profile 'untrained'") as caught:
        settings("untrained")
    assert "sound, faithful" in caught.value.fix
    with pytest.raises(QueristError, match="no setting 'epsiode'") as caught:
        settings("sound", {"epsiode": 3})
    assert all(field.name in caught.value.fix for field in fields(Ralis))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"hide_labelled": 1.5}, "hide_labelled"),
        ({"hide_labelled": -0.1}, "hide_labelled"),
        ({"episodes": 0}, "more episodes"),
        *(({name: 0}, name) for name in ("budget", "pool_train", "pool_deploy", "batch", "horizon")),
        ({"updates": 0}, "updates"),
        ({"explore_for": 0}, "explore_for"),
        ({"warm_up": 0}, "warm_up"),
        ({"warm_up": -1, "standardise": False, "features": "class_aware"}, "warm_up"),
        ({"episodes": 20, "warm_up": 20}, "more episodes"),
        ({"standardise": False}, "class-free"),
        ({"gamma": 1.1}, "gamma"),
        ({"replay": 10}, "replay"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"decay": 0.0}, "decay"),
        ({"decay": 1.1}, "decay"),
        ({"target_every": 0}, "target_every"),
        ({"check_games": -1}, "check_games"),
        ({"epsilon_floor": 0.5}, "epsilon"),
        ({"epsilon_decay": 0.0}, "epsilon"),
        ({"features": "classfree"}, "features"),
        ({"exploration": "none"}, "exploration"),
        ({"selector": "both"}, "selector"),
        ({"loss": "l1"}, "loss"),
        ({"optimiser": "adam"}, "optimiser"),
        ({"checkpoint": "first"}, "checkpoint"),
        ({"games": "still", "reward": "metric", "horizon": 5}, "still games"),
        ({"games": "still", "checkpoint": "best"}, "step by step"),
        ({"games": "final"}, "one final training"),
        ({"games": "final", "reward": "metric", "horizon": 5}, "one final training"),
        ({"games": "final", "reward": "metric", "final_steps": 0}, "final_steps"),
        ({"reward": "deep_influence", "bootstrap": True, "standardise_returns": False}, "by itself"),
    ],
)
def test_rules(changes, rule):
    with pytest.raises(QueristError, match=rule) as caught:
        settings("sound", changes)
    assert caught.value.fix


def test_a_policy_may_be_all_warm_up_only_as_a_control():
    assert settings("sound", {"episodes": 2, "warm_up": 1}).warm_up == 1
    assert settings("faithful", {"episodes": 1}).warm_up == 0
