from dataclasses import asdict, replace

import numpy as np
import pytest

from querist.acquisition.registry import GroupForm
from querist.agents.dral import config as dral
from querist.core.card import PolicyCard
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.recipes import build, learned
from querist.recipes.recipe import load_recipe, parse_recipe
from querist.tasks.reid.problem import ReidProblem
from tiny_learned import ABOUT, LOADED, RECIPE


def test_a_card_is_found_and_chosen(card, tmp_path, monkeypatch):
    folder = card.save(tmp_path / "querist.policies" / "ralis")
    monkeypatch.setattr(learned, "files", lambda package: tmp_path / package)
    assert learned.find_card(str(folder), ABOUT).hash == learned.find_card("default", ABOUT).hash == card.hash
    assert learned.chosen(None, None, ABOUT) == ("entropy/global", None)
    assert learned.chosen("random", None, ABOUT) == ("random", None)
    for strategy in (None, "ralis/sound"):
        name, found = learned.chosen(strategy, str(folder), ABOUT)
        assert (name, found.hash) == ("ralis/sound", card.hash)
    with pytest.raises(QueristError, match="--strategy random, but the policy is of ralis/sound"):
        learned.chosen("random", str(folder), ABOUT)


def test_the_card_that_comes_along_is_class_free():
    """So that it can be used on anybody's classes."""
    card = learned.find_card("default", ABOUT)
    assert (card.strategy, card.control, card.schema.classes) == ("ralis/sound", None, None)


def test_the_card_that_comes_along_for_pairs_was_trained_as_the_evidence_was():
    card = learned.find_card("default", ReidProblem())
    assert (card.strategy, card.control, card.schema.classes) == ("dral/sound", None, None)
    assert card.settings == asdict(dral.settings("sound"))
    assert card.training["recipe"] == "market-small"


def test_a_recipe_says_how_pairs_are_offered_wherever_a_card_was_trained():
    card = learned.find_card("default", ReidProblem())
    recipe = load_recipe("market-small", ["pairs.neighbours=20", "pairs.per_anchor=3"]).recipe
    expected = {**card.settings, "neighbours": 20, "per_anchor": 3}
    assert learned.suited(card, recipe).settings == expected
    assert card.settings["neighbours"] == 30
    named = replace(card, variant="neighbours=9")
    assert named.strategy == "dral/sound+neighbours=9"
    assert learned.suited(named, recipe).settings == {**expected, "neighbours": 9}


def test_where_none_comes_along(monkeypatch):
    monkeypatch.setattr(ReidProblem, "default_policy", None)
    with pytest.raises(QueristError, match="without a policy for a ReidProblem"):
        learned.find_card("default", ReidProblem())


def test_the_card_that_comes_along_plays_here(setup):
    """With classes and images that it never met; nothing of its features has changed since it was trained."""
    found = learned.from_card(learned.find_card("default", ABOUT), setup, GroupForm(count=3, size=4))
    found.policy.check(setup.task, setup.split)
    assert found.featuriser.schema.hash() == found.policy.card.schema.hash()


def test_a_card_becomes_a_strategy_with_its_own_pools_and_eyes(setup, card):
    found = learned.from_card(card, setup, GroupForm(count=3, size=4))
    assert found.name == "ralis/sound"
    assert found.candidates.per_group(3) == 1
    assert found.featuriser.schema.hash() == card.schema.hash()


def test_a_card_of_another_schema_or_agent_is_refused(setup, card):
    wider = replace(card.schema, candidates=card.schema.candidates[1:])
    with pytest.raises(QueristError, match=r"do not fit|was trained on schema"):
        learned.from_card(replace(card, schema=wider), setup, GroupForm(3))
    with pytest.raises(QueristError, match="there is no agent 'oracle'"):
        learned.from_card(replace(card, agent="oracle"), setup, GroupForm(3))


def test_a_strategy_is_named_with_its_own_card_or_none(setup, card):
    recipe = LOADED.recipe
    assert build.named_strategy(recipe, setup, "ralis/sound", card).name == "ralis/sound"
    assert build.named_strategy(recipe, setup, "random").name == "random"
    with pytest.raises(QueristError, match="it needs a policy"):
        build.named_strategy(recipe, setup, "ralis/untrained")
    for name in ("ralis/untrained", "random"):
        with pytest.raises(QueristError, match=f"the policy card is of ralis/sound, not of {name}"):
            build.named_strategy(recipe, setup, name, card)


def test_a_card_on_disk_plays_the_same(card, tmp_path):
    assert PolicyCard.load(card.save(tmp_path / "card")).hash == card.hash


def test_a_policy_knows_whether_it_met_labels_of_a_pool(setup, card):
    assert learned.trained_here(card, setup)
    other = replace(setup, split=Split(np.roll(setup.split.roles, 1)))
    assert not learned.trained_here(card, other)
    assert not learned.trained_here(card, replace(setup, data_hash="other"))
    silent = {key: value for key, value in card.training.items() if key != "split"}
    assert not learned.trained_here(replace(card, training=silent), setup)


def test_as_many_pools_as_questions(setup):
    loaded = parse_recipe("tiny", RECIPE.replace("count: 3", "count: 2"))
    with pytest.raises(QueristError, match="2 pools, a batch of 3"):
        learned.check(loaded, setup, "ralis/sound")


def test_a_class_aware_card_on_another_state_set_is_refused_before_anything_runs(setup):
    changes = "ralis/faithful: {episodes: 1, budget: 6, pool_train: 2, batch: 2, check_games: 0}"
    loaded = parse_recipe("tiny", RECIPE.replace("ralis/sound: {", changes + ", ralis/sound: {"))
    card = learned.train(loaded, setup, "ralis/faithful", 0)
    learned.from_card(card, setup, GroupForm(3))
    more = setup.split.roles.copy()
    more[setup.split.sources(Role.POOL)[0]] = Role.STATE
    with pytest.raises(QueristError, match="was trained on schema"):
        learned.from_card(card, replace(setup, split=Split(more)), GroupForm(3))


def test_a_recipe_may_drop_the_starting_set_for_everybody():
    assert build.plan(LOADED, 0).keep_given
    assert not build.plan(LOADED, 0, keep_given=False).keep_given
    assert not build.plan(parse_recipe("tiny", RECIPE + "keep_given: false\n"), 0).keep_given
