import json

import numpy as np
import pytest

from querist.compare.cells import Cell, Lesson, card_folder
from querist.compare.evidence import FULL, START
from querist.compare.run import expected_seconds, lessons, missing, planned, trained_otherwise
from querist.core.card import PolicyCard
from querist.core.observation import Field, Schema
from querist.errors import QueristError
from querist.recipes.recipe import parse_recipe

RECIPE = """
problem:
  class_path: querist.tasks.segmentation.problem.RegionProblem
  init_args: {image: [24, 32], region: [8, 10], layout: folder, start: 3, state: 2, model: {path: tiny.TinyNet}}
budgets: [4, 8]
batch: 4
seeds: [3, 5]
strategies: [random, ralis/sound, ralis/shuffled]
train: {policies: 2}
"""
LOADED = parse_recipe("tiny", RECIPE)


def write_card(folder, strategy="ralis/sound", weight=0.0, training=LOADED.config["train"]):
    agent, name = strategy.split("/")
    control = name if name in ("untrained", "shuffled") else None
    schema = Schema((Field("entropy"),))
    card = PolicyCard(
        agent, "sound" if control else name, schema, {}, {"training": training}, (), {"w": np.array([weight])}, control
    )
    card.save(folder)
    return card


def write_cell(out, cell, loaded=LOADED, **changes):
    found = {
        "strategy": cell.strategy,
        "policy": cell.policy,
        "recipe_hash": loaded.hash,
        "data_hash": "data",
        "environment": {"device": "cpu"},
        "seconds": 10.0,
    }
    path = out / "cells" / cell.file_name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found | changes))
    return path


def test_every_policy_meets_every_seed_and_references_stand_at_both_ends():
    cells = planned(LOADED)
    assert cells[:2] == [Cell(START, 3), Cell(START, 5)]
    assert cells[-2:] == [Cell(FULL, 3), Cell(FULL, 5)]
    of_seed = [Cell("random", 3), Cell("ralis/sound", 3, 0), Cell("ralis/sound", 3, 1), Cell("ralis/shuffled", 3, 0)]
    assert cells[2:6] == of_seed
    assert [(c.strategy, c.policy) for c in cells[6:10]] == [(c.strategy, c.policy) for c in of_seed]
    assert len({c.file_name for c in cells}) == len(cells) == 12


def test_cells_and_lessons_in_words():
    assert Cell("ralis/sound", 3, 1).label == "ralis/sound, policy 1, seed 3"
    assert Cell("random", 3).label == "random, seed 3"
    assert Cell("ralis/sound", 3, 1).file_name == "ralis__sound--p1--s3.json"
    assert Lesson("ralis/sound", 1).label == "training ralis/sound, policy 1"


def test_only_policies_without_a_card_are_trained(tmp_path):
    all_of_them = [Lesson("ralis/sound", 0), Lesson("ralis/sound", 1), Lesson("ralis/shuffled", 0)]
    assert lessons(LOADED, tmp_path) == all_of_them
    write_card(all_of_them[1].folder(tmp_path))
    # Killed while it was written: the card itself comes last.
    write_card(all_of_them[2].folder(tmp_path), "ralis/shuffled")
    (all_of_them[2].folder(tmp_path) / "card.json").unlink()
    assert lessons(LOADED, tmp_path) == [all_of_them[0], all_of_them[2]]
    assert lessons(parse_recipe("tiny", RECIPE, ["strategies=[random]"]), tmp_path) == []


def test_policies_that_were_trained_otherwise_are_found(tmp_path):
    write_card(card_folder(tmp_path, "ralis/sound", 0))
    write_card(card_folder(tmp_path, "ralis/sound", 1), training={**LOADED.config["train"], "update": 7})
    assert trained_otherwise(LOADED, tmp_path) == [card_folder(tmp_path, "ralis/sound", 1)]
    more = parse_recipe("tiny", RECIPE, ["train.policies=1", "train.control_policies=4"])
    assert trained_otherwise(more, tmp_path) == []  # how many there are does not change any of them
    changed = parse_recipe("tiny", RECIPE, ["train.settings={ralis/sound: {episodes: 40}}"])
    assert len(trained_otherwise(changed, tmp_path)) == 2


def test_a_cell_is_missing_until_its_file_is_there(tmp_path):
    cells = planned(LOADED)
    assert missing(LOADED, cells, tmp_path, "data", "cpu") == cells
    write_cell(tmp_path, cells[2])
    assert missing(LOADED, cells, tmp_path, "data", "cpu") == [c for c in cells if c != cells[2]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe_hash": "other"}, "recipe other, not"),
        ({"data_hash": "other"}, "data other, not data"),
        ({"environment": {"device": "cuda:0"}}, "device cuda, not cpu"),
    ],
)
def test_a_cell_that_does_not_belong_is_refused(tmp_path, change, words):
    path = write_cell(tmp_path, Cell("random", 3), **change)
    with pytest.raises(QueristError, match=words) as caught:
        missing(LOADED, planned(LOADED), tmp_path, "data", "cpu")
    assert str(path) in str(caught.value)


def test_a_cell_was_played_by_the_policy_beside_it(tmp_path):
    cell = Cell("ralis/sound", 3, 1)
    folder = card_folder(tmp_path, cell.strategy, cell.policy)
    path = write_cell(tmp_path, cell, policy_hash=write_card(folder).hash)
    assert cell not in missing(LOADED, planned(LOADED), tmp_path, "data", "cpu")
    write_card(folder, weight=1.0)
    with pytest.raises(QueristError, match="was played with another policy") as caught:
        missing(LOADED, planned(LOADED), tmp_path, "data", "cpu")
    assert str(path) in str(caught.value)
    (folder / "card.json").unlink()
    with pytest.raises(QueristError, match="a policy that is not in"):
        missing(LOADED, planned(LOADED), tmp_path, "data", "cpu")
    others = [other for other in planned(LOADED) if other != cell]
    assert missing(LOADED, others, tmp_path, "data", "cpu") == others


def test_how_long_it_will_take_goes_by_what_has_ended(tmp_path):
    assert expected_seconds(planned(LOADED), tmp_path) is None
    write_cell(tmp_path, Cell(START, 3), seconds=4.0)
    write_cell(tmp_path, Cell("random", 3), seconds=10.0)
    write_cell(tmp_path, Cell("random", 5), seconds=20.0)
    write_cell(tmp_path, Cell("ralis/shuffled", 5), seconds=None)
    assert expected_seconds([Cell(FULL, 3), Cell("ralis/sound", 3), Cell("ralis/sound", 5)], tmp_path) == 4 + 2 * 15
