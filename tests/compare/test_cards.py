from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from querist.compare.cards import Given, given_cards, keep, tell
from querist.compare.cells import Cell, Lesson, labels_elsewhere, refuse_leak
from querist.compare.comparisons import all_tests
from querist.compare.run import lessons, planned, trained_otherwise, wanted
from querist.core.card import PolicyCard
from querist.core.observation import Field, Schema
from querist.core.problem import Setup
from querist.core.split import Role, Split
from querist.errors import QueristError
from querist.recipes.recipe import parse_recipe

RECIPE = """
problem:
  class_path: querist.tasks.segmentation.problem.RegionProblem
  init_args: {image: [24, 32], region: [8, 10], layout: folder, start: 3, state: 2, model: {path: tiny.TinyNet}}
budgets: [4, 8]
batch: 4
seeds: [3]
strategies: [random, ralis/sound, ralis/shuffled]
train: {policies: 3}
"""
LOADED = parse_recipe("tiny", RECIPE)
ABOUT = LOADED.recipe.problem
SPLIT = Split(np.array([Role.POOL, Role.POOL, Role.START, Role.REWARD, Role.TEST]))
NOTHING = cast(Any, None)
HERE = Setup(NOTHING, NOTHING, SPLIT, "these data")
TRAINING = {"data_hash": "these data", "split": SPLIT.digest(), "labels": {"start": 6, "reward": 4}}


def toy_card(weight=0.0, agent="ralis", profile="sound", control=None, training=TRAINING):
    return PolicyCard(agent, profile, Schema((Field("entropy"),)), {}, training, (), {"w": np.array([weight])}, control)


def lay(folder, **about):
    return str(toy_card(**about).save(folder))


def test_cards_of_one_strategy_are_its_policies_in_their_order(tmp_path):
    names = [
        lay(tmp_path / "a", weight=1.0),
        lay(tmp_path / "b", control="shuffled"),
        lay(tmp_path / "c", weight=2.0),
        lay(tmp_path / "d", profile="faithful"),
    ]
    given = given_cards(names, ABOUT)
    assert [one.name for one in given] == names
    assert [(one.lesson.strategy, one.lesson.policy) for one in given] == [
        ("ralis/sound", 0),
        ("ralis/shuffled", 0),
        ("ralis/sound", 1),
        ("ralis/faithful", 0),
    ]
    assert given_cards([], ABOUT) == ()


def test_one_policy_does_not_count_as_two(tmp_path):
    names = [lay(tmp_path / "a"), lay(tmp_path / "b")]
    with pytest.raises(QueristError, match=f"--policy {names[1]} is the same policy as --policy {names[0]}"):
        given_cards(names, ABOUT)
    assert len(given_cards([names[0], lay(tmp_path / "c", control="untrained")], ABOUT)) == 2  # weights do not tell


def test_a_card_of_no_agent_is_no_classical_strategy(tmp_path):
    with pytest.raises(QueristError, match="there is no agent 'oracle'"):
        given_cards([lay(tmp_path / "a", agent="oracle")], ABOUT)


def test_given_policies_are_played_and_not_trained(tmp_path):
    given = [Given(Lesson("ralis/sound", i), str(i), toy_card(i)) for i in range(2)]
    assert wanted(LOADED) == [*(Lesson("ralis/sound", i) for i in range(3)), Lesson("ralis/shuffled", 0)]
    assert wanted(LOADED, given) == [*(one.lesson for one in given), Lesson("ralis/shuffled", 0)]
    assert lessons(LOADED, tmp_path, given) == [Lesson("ralis/shuffled", 0)]
    assert [cell for cell in planned(LOADED, given) if cell.strategy == "ralis/sound"] == [
        Cell("ralis/sound", 3, 0),
        Cell("ralis/sound", 3, 1),
    ]


def test_kept_cards_lie_where_cells_look_and_are_never_overwritten(tmp_path):
    card = toy_card(1.0, training={**TRAINING, "training": {"update": 7}})
    given = [Given(Lesson("ralis/sound", 0), "mine", card)]
    keep(given, tmp_path)
    folder = tmp_path / "policies" / "ralis__sound--p0"
    assert PolicyCard.load(folder).hash == card.hash
    assert trained_otherwise(LOADED, tmp_path, given) == []  # who gives a card knows that it was
    assert trained_otherwise(LOADED, tmp_path) == [folder]
    keep([replace(given[0], card=toy_card(2.0))], tmp_path)
    assert PolicyCard.load(folder).hash == card.hash


def test_only_these_data_in_another_split_are_a_leak():
    other = Split(np.roll(SPLIT.roles, 1))
    refuse_leak(toy_card(), HERE, 3, "mine")
    refuse_leak(toy_card(), replace(HERE, data_hash="others", split=other), 3, "mine")
    with pytest.raises(QueristError, match="mine was trained on these data in another split than that of seed 3"):
        refuse_leak(toy_card(), replace(HERE, split=other), 3, "mine")


@pytest.mark.parametrize(
    "training",
    [
        {},
        {key: value for key, value in TRAINING.items() if key != "data_hash"},
        {key: value for key, value in TRAINING.items() if key != "labels"},
        {**TRAINING, "labels": {"start": "many"}},
    ],
)
def test_a_card_that_does_not_say_what_it_met_is_not_believed(training):
    with pytest.raises(QueristError, match="mine does not say on which data"):
        refuse_leak(toy_card(training=training), HERE, 3, "mine")


def test_cards_are_told_what_the_comparison_says_of_them(tmp_path):
    names = ("random", "strengthened_random", "ralis/sound", "ralis/untrained", "ralis/shuffled")
    gains = np.array([0.0, 0.5, 3.0, 0.2, -0.2])
    waves = [gain + np.sin(1 + k + np.arange(8)) / 5 for k, gain in enumerate(gains)]
    areas = [{str(seed): float(v) for seed, v in enumerate(wave)} for wave in waves]
    strategies = {
        n: {"aubc": a, "curve": {"9": a}, "policies": 2 if "/" in n else None, "labels_all": 9}
        for n, a in zip(names, areas, strict=True)
    }
    metric = {"name": "mIoU", "unit": "%", "larger_is_better": True}
    summary = {"recipe": "mine", "strategies": strategies, "metric": metric, "budgets": [9]}
    summary["tests"] = all_tests(strategies, [9], True)
    folders = [Lesson("ralis/sound", 0).folder(tmp_path), Lesson("ralis/shuffled", 0).folder(tmp_path)]
    before = [PolicyCard.load(Path(lay(folders[0]))), PolicyCard.load(Path(lay(folders[1], control="shuffled")))]
    tell(tmp_path, summary)
    played, control = (PolicyCard.load(folder) for folder in folders)
    assert (played.compared["recipe"], played.compared["seeds"]) == ("mine", 8)
    assert played.compared["said"].startswith("ralis/sound beats its controls (ralis/untrained: +2.8")
    assert (played.hash, control.compared) == (before[0].hash, {})
    for name, sd in {"ralis/sound": 9.0, "ralis/untrained": 9.0}.items():
        strategies[name]["policy_spread"] = sd
    strategies["ralis/shuffled"]["policies"] = 1
    tell(tmp_path, summary)
    luck = PolicyCard.load(folders[0]).compared["said"].split("what it learned is real. ")[1]
    assert luck.startswith("Between trainings (2 of ralis/sound, 2 of ralis/untrained) the lead")
    assert luck.endswith("not clear of what trainings differ by. ralis/shuffled stands for a single policy.")
    strategies["ralis/sound"]["aubc"] = strategies["ralis/sound"]["curve"]["9"] = areas[4]
    summary["tests"] = all_tests(strategies, [9], True)
    tell(tmp_path, summary)
    assert "does not beat its controls" in PolicyCard.load(folders[0]).compared["said"]


def test_what_a_policy_cost_elsewhere_is_counted():
    assert labels_elsewhere(toy_card(), HERE) == 0  # it learned from what every strategy is given here
    assert labels_elsewhere(toy_card(), replace(HERE, data_hash="others")) == 6 + 4
