from dataclasses import asdict, fields

import pytest

from querist.agents.dral.config import FAITHFUL, PROFILES, SOUND, Dral, settings
from querist.errors import QueristError
from querist.pairs.settings import PairSettings


def test_the_faithful_profile_has_the_printed_numbers():
    """ALGORITHMS 5.2 to 5.4."""
    assert (FAITHFUL.neighbours, FAITHFUL.mutual, FAITHFUL.per_anchor) == (30, 15, 10)
    assert (FAITHFUL.network, FAITHFUL.selector, FAITHFUL.loss) == ("matrix", "max", "squared")
    assert (FAITHFUL.gamma, FAITHFUL.replay, FAITHFUL.batch, FAITHFUL.learning_rate) == (0.9, 10_000, 32, 1e-4)
    assert (FAITHFUL.target_every, FAITHFUL.epsilon_first, FAITHFUL.epsilon_floor) == (500, 1.0, 0.1)
    assert (FAITHFUL.margin, FAITHFUL.scale, FAITHFUL.no_negative) == (0.3, "graph", "stranger")
    assert (FAITHFUL.episodes, FAITHFUL.flush, FAITHFUL.keep_given) == (0, False, False)


def test_profiles_by_name_and_with_changes():
    assert settings("sound") == SOUND == PROFILES["sound"]
    changed = settings("faithful", {"neighbours": 20, "gamma": 1})
    assert (changed.neighbours, changed.gamma, changed.network) == (20, 1, "matrix")


def test_what_the_questions_share():
    changes = {"neighbours": 9, "mutual": 4, "per_anchor": 3, "shells": 5, "shrinkage": 0.25}
    assert settings("sound", changes).pairs == PairSettings(**changes)
    assert {f.name for f in fields(PairSettings)} <= {f.name for f in fields(Dral)}
    for profile in PROFILES.values():
        assert Dral(**asdict(profile)) == profile


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "graph"}, "network is one of nodes, matrix"),
        ({"scale": "anchor"}, "scale is one of"),
        ({"no_negative": None}, "no_negative is one of"),
        ({"online": "yes"}, "online is one of"),
        ({"selector": "target"}, "selector is one of"),
        ({"loss": "l1"}, "loss is one of"),
        ({"width": 0}, "at least 1"),
        ({"updates": 0}, "at least 1"),
        ({"episodes": -1}, "not negative"),
        ({"replay": 31}, "at least a batch"),
        ({"gamma": 1.1}, "gamma"),
        ({"margin": -0.1}, "margin"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"epsilon_floor": 0.5, "epsilon_first": 0.4}, "epsilon falls"),
        ({"epsilon_decay": 0.0}, "epsilon falls"),
        ({"neighbours": 0}, "at least 1"),
        ({"shrinkage": 2.0}, "shrinkage"),
        ({"batch": 2.5}, "whole number"),
        ({"flush": 1}, "true or false"),
        ({"gamma": float("nan")}, "a number"),
        ({"gamma": True}, "a number"),
        ({"pairs": 3}, "no setting 'pairs'"),
    ],
)
def test_what_breaks_a_rule_is_refused(changes, message):
    with pytest.raises(QueristError, match=message):
        settings("sound", changes)


def test_an_unknown_profile_is_refused():
    with pytest.raises(QueristError, match="no profile 'paper'"):
        settings("paper")
