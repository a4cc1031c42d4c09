from dataclasses import asdict, replace

import pytest

from querist.agents.matal.config import FAITHFUL, PROFILES, SOUND, Matal, kept, settings
from querist.errors import QueristError


def test_the_faithful_profile_has_the_printed_numbers():
    """ALGORITHMS 2.3 to 2.5."""
    assert (FAITHFUL.gamma, FAITHFUL.learning_rate, FAITHFUL.reduction, FAITHFUL.clip) == (0.9, 1e-4, "sum", 10.0)
    assert (FAITHFUL.bins, FAITHFUL.edges, FAITHFUL.gap, FAITHFUL.labelled_side) == (10, "fixed", "exact", "truth")
    assert (FAITHFUL.episodes, FAITHFUL.steps, FAITHFUL.target_every) == (100, 8, 5)
    assert (FAITHFUL.epsilon_first, FAITHFUL.epsilon_last, FAITHFUL.exploration) == (0.9, 0.05, "uniform")
    assert (FAITHFUL.meta, FAITHFUL.meta_rate, FAITHFUL.retrain_share) == ("fomaml", 1e-3, 0.5)
    assert (FAITHFUL.update, FAITHFUL.updates, FAITHFUL.batch, FAITHFUL.replay) == ("episode", 1, 1, 0)
    assert (FAITHFUL.first_width, FAITHFUL.second_width) == (128, 64)
    assert (FAITHFUL.reward_share, FAITHFUL.labelled_share, FAITHFUL.reward_set) == (0.3, 0.1, "any")
    assert (FAITHFUL.parameters, FAITHFUL.network, FAITHFUL.offer, FAITHFUL.candidates) == ("own", "layers", "all", 0)
    assert (FAITHFUL.reward, FAITHFUL.selector, FAITHFUL.standardise_returns) == ("metric", "online", False)
    assert (FAITHFUL.appearance, FAITHFUL.density, FAITHFUL.familiarity) == ("seen", "seen", "unseen")
    assert (FAITHFUL.team, FAITHFUL.without, FAITHFUL.weight_decay) == ("context", "nothing", 0.0)


def test_one_who_asks_alone_learns_from_as_many_images_as_a_team():
    assert SOUND.alone(10) is SOUND
    alone = replace(SOUND, team="single")
    assert (alone.alone(10).batch, alone.alone(10).replay) == (10 * SOUND.batch, 10 * SOUND.replay)
    assert replace(alone.alone(10), batch=SOUND.batch, replay=SOUND.replay) == alone


def test_how_many_games_a_training_plays():
    assert Matal(warm_up=3, episodes=10, meta_episodes=9, meta_games=2).tasks == 2
    assert Matal(warm_up=3, episodes=10, meta_episodes=9, meta_games=2).games == 3 + 8 + 10
    assert Matal(warm_up=3, episodes=10, meta="none").games == 13


def test_changes():
    assert settings("sound") is not None
    assert settings("sound", {"learning_rate": 1}).learning_rate == 1
    assert PROFILES == {"sound": SOUND, "faithful": FAITHFUL}


def test_settings_of_a_card_come_back():
    for chosen in (SOUND, FAITHFUL, settings("sound", {"without": "novelty"})):
        assert kept(asdict(chosen)) == chosen
    with pytest.raises(TypeError):
        kept({"episods": 3})


@pytest.mark.parametrize(("without", "appearance"), [("appearance", "seen"), ("nothing", "seen"), ("novelty", "seen")])
def test_an_older_card_says_by_without_alone_what_it_does_not_see(without, appearance):
    older = {name: value for name, value in asdict(SOUND).items() if name != "appearance"} | {"without": without}
    assert kept(older) == replace(SOUND, appearance=appearance, without=without)


def test_an_older_card_dealt_at_random():
    older = {name: value for name, value in asdict(SOUND).items() if name != "deal"}
    assert kept(older) == replace(SOUND, deal="random") != SOUND


@pytest.mark.parametrize(
    ("profile", "changes", "match"),
    [
        ("best", {}, "no profile 'best'"),
        ("sound", {"epochs": 3}, "no setting 'epochs'"),
        ("sound", {"episodes": 2.5}, "episodes is a whole number"),
        ("sound", {"episodes": True}, "episodes is a whole number"),
        ("sound", {"retrain": 1}, "retrain is true or false"),
        ("sound", {"gamma": float("nan")}, "gamma is a number"),
        ("sound", {"team": "crowd"}, "team is one of context, no_context, top, single"),
        ("sound", {"without": "everything"}, "without is one of"),
        ("sound", {"without": "appearance"}, "where a number is unseen, compare with it seen"),
        ("sound", {"team": "no_context", "offer": "all"}, "no_context needs parameters: own, or offer: dealt"),
        ("sound", {"steps": 0}, "steps is at least 1"),
        ("sound", {"candidates": -1}, "not negative"),
        ("sound", {"gamma": 1.5}, "gamma is in"),
        ("sound", {"gamma": 0.9}, "pays each agent by itself, with gamma 0"),
        ("sound", {"gamma": 0.9, "reward": "metric", "offer": "all"}, "standardise_returns needs gamma 0"),
        ("faithful", {"offer": "dealt"}, "dealt needs gamma 0"),
        ("faithful", {"reward": "influence"}, "pays each agent by itself"),
        ("sound", {"replay": 3}, "replay is 0 or holds at least a batch"),
        ("sound", {"clip": 0.0}, "are positive"),
        ("sound", {"weight_decay": -1.0}, "weight_decay is not negative"),
        ("sound", {"epsilon_last": 0.95}, "epsilon falls"),
        ("sound", {"meta_episodes": 1}, "enough for one task"),
        ("sound", {"retrain_share": 0.0}, "retrain_share is in"),
    ],
)
def test_refusals(profile, changes, match):
    with pytest.raises(QueristError, match=match):
        settings(profile, changes)
