from dataclasses import replace

import numpy as np
import pytest

from querist.agents.ralis.config import settings
from querist.core.card import PolicyCard
from querist.core.split import Role, Split
from querist.core.task import Task
from querist.errors import QueristError
from querist.recipes import learned
from querist.recipes.recipe import parse_recipe
from querist.recipes.strategy_names import names, parse
from querist.recipes.training import Training
from tiny_learned import LOADED, RECIPE


@pytest.mark.parametrize(
    ("name", "agent", "profile", "control"),
    [
        ("ralis/sound", "ralis", "sound", None),
        ("ralis/faithful", "ralis", "faithful", None),
        ("ralis/untrained", "ralis", "sound", "untrained"),
        ("ralis/shuffled", "ralis", "sound", "shuffled"),
    ],
)
def test_a_name_says_agent_profile_and_control(name, agent, profile, control):
    found = parse(name)
    assert found is not None
    assert (found.agent, found.profile, found.control) == (agent, profile, control)
    assert name in names()


def test_other_names_are_not_learned():
    for name in ("random", "entropy/global", "my.module.Ralis/group", ""):
        assert parse(name) is None
    for name in ("ralis", "ralis/", "ralis/global", "ralis/sound/more"):
        with pytest.raises(QueristError, match="does not say which ralis"):
            parse(name)


def test_a_variant_changes_settings_in_its_name():
    found = parse("matal/shuffled+team=top,gamma=0.5,standardise_returns=false")
    assert found is not None
    assert (found.agent, found.profile, found.control) == ("matal", "sound", "shuffled")
    assert found.changes == {"team": "top", "gamma": 0.5, "standardise_returns": False}
    assert found.variant == "team=top,gamma=0.5,standardise_returns=false"
    for wrong in ("", "top", "team=", "=top", "team=top,team=single", "a b=1", "team=top,"):
        with pytest.raises(QueristError, match="changes no setting"):
            parse(f"matal/sound+{wrong}")


def test_a_variant_is_trained_and_played_under_its_name(setup, tmp_path):
    name = "ralis/untrained+gamma=0.5"
    card = learned.train(LOADED, setup, name, 1)
    assert card.strategy == name
    assert card.settings["gamma"] == 0.5
    kept = PolicyCard.load(card.save(tmp_path / "card"))
    assert kept.strategy == name
    assert learned.from_card(kept, setup, LOADED.recipe.groups).name == name
    with pytest.raises(QueristError, match="no setting 'gama'"):
        learned.episodes(LOADED, "ralis/sound+gama=0.5")


def test_still_games_are_played_with_the_model_as_it_stands(setup, monkeypatch):
    asked = []
    monkeypatch.setattr(type(setup.task), "rehearsal", lambda *_: pytest.fail("this one learns"))
    still = type(setup.task).still_rehearsal
    monkeypatch.setattr(type(setup.task), "still_rehearsal", lambda task, s: asked.append(len(s)) or still(task, s))
    card = learned.train(LOADED, setup, "ralis/sound+games=still,reward=deep_influence", 1)
    assert card.settings["games"] == "still"
    assert len(asked) == LOADED.recipe.train.halves + 1


def test_models_of_games_learn_from_what_the_games_begin_with_and_nothing_else(setup, monkeypatch):
    """A label that is asked about or measured by, and was met before, would make games about what is known."""
    fitted, scenes, scene = [], [], learned._scene
    task = type(setup.task)
    fit, rehearsal = task.fit, task.rehearsal

    def noted(self, labels, **rest):
        fitted.append((self, sorted(labels.given.tolist()), len(labels.units)))
        return fit(self, labels, **rest)

    def stand_in(self, sources):
        made = rehearsal(self, sources)
        learn = made.fit
        made.fit = lambda labels, **rest: (
            fitted.append((made, labels.given.tolist(), len(labels.units))) or learn(labels, **rest)
        )
        return made

    def begun(*arguments):
        fitted.clear()
        scenes.append((scene(*arguments), list(fitted)))
        return scenes[-1][0]

    monkeypatch.setattr(task, "fit", noted)
    monkeypatch.setattr(task, "rehearsal", stand_in)
    monkeypatch.setattr(learned, "_scene", begun)
    learned.train(LOADED, setup, "ralis/sound", 1)
    assert len(scenes) == LOADED.recipe.train.halves + 1
    for made, learners in scenes:
        given = sorted(made.inner.sources(Role.START).tolist())
        assert [(learner, sorted(known), bought) for learner, known, bought in learners] == [
            (setup.task, given, 0),
            (made.task, given, 0),
        ]
        assert not set(given) & {*made.inner.sources(Role.POOL), *made.inner.sources(Role.REWARD)}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ralis/sound+budget=1000,reward=metric", "games of 1000 questions, but their pool"),
        ("ralis/shuffled+checkpoint=best", "would keep its best weights by the true rewards"),
        ("ralis/sound+games=still,reward=deep_influence", "has no cheap stand-in"),
        ("ralis/sound", "pays for what each answer is worth"),
    ],
)
def test_what_will_not_do_is_said_before_anything_is_trained(setup, monkeypatch, name, words):
    monkeypatch.setattr(type(setup.task), "fit", lambda *_, **__: pytest.fail("something is trained"))
    monkeypatch.setattr(type(setup.task), "can", lambda _, kind: kind is Task)
    training = replace(LOADED.recipe.train, rehearsal=False)
    loaded = replace(LOADED, recipe=replace(LOADED.recipe, train=training))
    with pytest.raises(QueristError, match=words):
        learned.train(loaded, setup, name, 1)


def test_still_games_stay_still_where_others_would_be_played_with_the_model(setup, monkeypatch):
    asked = []
    still = type(setup.task).still_rehearsal
    monkeypatch.setattr(type(setup.task), "still_rehearsal", lambda task, s: asked.append(len(s)) or still(task, s))
    training = replace(LOADED.recipe.train, rehearsal=False)
    loaded = replace(LOADED, recipe=replace(LOADED.recipe, train=training))
    learned.train(loaded, setup, "ralis/sound+games=still,reward=deep_influence", 1)
    assert len(asked) == training.halves + 1


def test_games_of_one_final_training_are_played_with_the_model_itself(setup, monkeypatch):
    for stand_in in ("rehearsal", "still_rehearsal"):
        monkeypatch.setattr(type(setup.task), stand_in, lambda *_: pytest.fail("a stand-in"))
    before = setup.task.snapshot()
    settings = "budget=4,exploration=coherent,final_steps=2,games=final,reward=metric"
    card = learned.train(LOADED, setup, f"ralis/sound+{settings}", 1)
    assert (card.settings["games"], card.settings["final_steps"]) == ("final", 2)
    assert {len(row["rewards"]) for row in card.curve} == {1}
    assert all(np.array_equal(array, before[name]) for name, array in setup.task.snapshot().items())


def test_how_many_policies_a_strategy_has():
    training = Training(policies=5, control_policies=2)
    asked = ("random", "ralis/sound", "ralis/faithful", "ralis/untrained", "ralis/shuffled")
    assert [training.of(name) for name in asked] == [1, 5, 5, 2, 2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"policies": 0}, "train at least one policy"),
        ({"control_policies": 0}, "train at least one policy"),
        ({"update": -1}, "not negative"),
        ({"start": None}, "not negative"),
        ({"settings": {"sound": {}}}, "'sound' is nothing that has settings"),
        ({"settings": {"ralis/shuffled": {}}}, "'ralis/shuffled' is nothing that has settings"),
    ],
)
def test_a_training_that_makes_no_sense(change, words):
    with pytest.raises(QueristError, match=words):
        Training(**change)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("episodes", "many", "a whole number, not 'many'"),
        ("episodes", 2.0, "a whole number, not 2.0"),
        ("episodes", True, "a whole number, not True"),
        ("episodes", None, "a whole number, not None"),
        ("learning_rate", "fast", "a number, not 'fast'"),
        ("learning_rate", float("inf"), "a number, not inf"),
        ("gamma", [0.9], "a number, not"),
        ("keep_given", 1, "true or false, not 1"),
        ("bootstrap", "yes", "true or false, not 'yes'"),
        ("exploration", 3, "exploration is one of uniform, coherent"),
        ("loss", ["huber"], "loss is one of huber, squared"),
    ],
)
def test_a_setting_of_another_kind_is_named(name, value, kind):
    with pytest.raises(QueristError, match=kind) as caught:
        settings("sound", {name: value})
    assert name in str(caught.value)


def test_whole_numbers_are_numbers():
    assert settings("sound", {"learning_rate": 1, "hide_labelled": 0}).learning_rate == 1


def test_the_games_are_counted_before_they_are_played():
    names = ("ralis/sound", "ralis/untrained", "ralis/shuffled", "ralis/faithful")
    assert [learned.episodes(LOADED, name) for name in names] == [2, 1, 2, 100]
    with pytest.raises(QueristError, match="'random' is not a learned strategy"):
        learned.episodes(LOADED, "random")


def test_the_card_says_where_it_is_from(setup, card):
    training = card.training
    assert (training["recipe"], training["recipe_hash"]) == ("tiny", LOADED.hash)
    assert (training["data_hash"], training["split"]) == (setup.data_hash, setup.split.digest())
    assert training["labels"] == {"start": 4 * 9, "reward": 2 * 9}
    assert training["training"]["settings"]["ralis/sound"]["episodes"] == 2
    assert training["seconds"] > 0
    assert (card.strategy, card.settings["budget"], len(card.curve)) == ("ralis/sound", 6, 2)


def test_the_number_is_the_seed_and_the_task_is_left_as_it_was(setup, card):
    before = setup.task.snapshot()
    again, other = (learned.train(LOADED, setup, "ralis/sound", number) for number in (1, 2))
    assert again.hash == card.hash != other.hash
    after = setup.task.snapshot()
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_whoever_watches_is_told_every_game(setup):
    told = []
    card = learned.train(LOADED, setup, "ralis/shuffled", 0, told.append)
    assert tuple(told) == card.curve
    assert card.check == {}


def with_roles(setup, **counts):
    """The setup with so many sources of a role; the others of that role become unused."""
    roles = setup.split.roles.copy()
    for name, count in counts.items():
        roles[np.flatnonzero(roles == Role[name])[count:]] = Role.UNUSED
    return replace(setup, split=Split(roles))


def test_what_cannot_be_trained_is_said_before_anything_is(setup):
    learned.check(LOADED, setup, "ralis/sound")
    for counts in ({"START": 1}, {"REWARD": 0}):
        with pytest.raises(QueristError, match="trained on the starting set and paid by the reward set"):
            learned.check(LOADED, with_roles(setup, **counts), "ralis/sound")
    wrong = parse_recipe("tiny", RECIPE, ["train.settings.ralis/faithful={episodes: few}"])
    learned.check(wrong, setup, "ralis/sound")
    with pytest.raises(QueristError, match="not 'few'"):
        learned.check(wrong, setup, "ralis/faithful")


def test_every_partition_of_every_policy_is_looked_at_before_the_first_is_trained(setup, monkeypatch):
    """Where subjects are uneven, some partition may have a small pool, though the first has a large one."""
    chosen, looked, whole = learned.agent("ralis"), [], type(learned.agent("ralis")).scene

    def scene(self, *arguments):
        seed, turn = arguments[-2:]
        looked.append((seed, turn))
        found = whole(self, *arguments)
        if (seed, turn) == (1, 1):
            found = with_roles(replace(setup, split=found), POOL=0).split
        return found

    monkeypatch.setattr(type(chosen), "scene", scene)
    two = parse_recipe("tiny", RECIPE, ["train.policies=2"])
    turns = range(two.recipe.train.halves + 1)
    with pytest.raises(QueristError, match="has only 0 units"):
        learned.check(two, setup, "ralis/sound")
    assert looked == [(number, turn) for number in (0, 1) for turn in turns]
    learned.check(two, setup, "ralis/sound", 0)
    with pytest.raises(QueristError, match="has only 0 units"):
        learned.check(two, setup, "ralis/sound", 1)
