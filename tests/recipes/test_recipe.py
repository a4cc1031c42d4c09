import re

import pytest
import torch
import yaml

from querist.core.problem import Problem
from querist.errors import QueristError
from querist.recipes.recipe import Recipe, load_recipe, parse_recipe, shipped
from querist.tasks.pose.problem import PoseProblem
from querist.tasks.reid.problem import ReidProblem
from querist.tasks.segmentation.problem import RegionProblem

TINY = """
problem:
  class_path: querist.tasks.segmentation.problem.RegionProblem
  init_args: {image: [24, 32], region: [8, 10], layout: folder, start: 3, state: 2, model: {path: tiny.TinyNet}}
budgets: [4, 8]
batch: 4
"""


def tiny(*overrides):
    return parse_recipe("tiny", TINY, overrides)


@pytest.mark.parametrize("name", shipped())
def test_what_is_shipped_can_be_used(name):
    loaded = load_recipe(name)
    assert isinstance(loaded.recipe, Recipe)
    assert isinstance(loaded.recipe.problem, Problem)
    assert loaded.name == name
    assert re.fullmatch("[0-9a-f]{16}", loaded.hash)
    again = parse_recipe("other", loaded.text)  # a run keeps the text and is resumed from it
    assert (again.hash, again.text) == (loaded.hash, loaded.text)
    if isinstance(loaded.recipe.problem, RegionProblem):
        assert loaded.recipe.batch == loaded.recipe.groups.count  # or its strategies in group form could not play
    if isinstance(loaded.recipe.problem, ReidProblem):
        assert loaded.recipe.batch == 1  # or neighbours could not be offered


def test_there_is_something_shipped():
    assert {"camvid", "camvid-small", "demo", "market-small", "market", "duke", "cuhk03", "demo-reid"} <= set(shipped())


def test_the_recipe_of_the_evidence_lists_what_decides():
    recipe = load_recipe("camvid-small").recipe
    family = {"random", "strengthened_random", "entropy/global", "ralis/sound", "ralis/untrained", "ralis/shuffled"}
    assert family <= set(recipe.strategies)
    assert (len(recipe.seeds), recipe.train.policies) == (8, 3)


def test_types_are_as_declared_and_defaults_filled_in():
    recipe = tiny().recipe
    assert recipe.budgets == (4, 8)
    assert recipe.problem.image == (24, 32)
    assert recipe.problem.schedule.step.optimiser.name == "adamw"
    assert (recipe.steps.start, recipe.groups.size, recipe.device, recipe.data) == (250, 10, "auto", None)
    assert yaml.safe_load(tiny().text)["problem"]["init_args"]["inference_batch"] == 8


def test_each_problem_says_what_is_compared_where_nobody_does():
    assert parse_recipe("tiny", TINY).recipe.strategies == RegionProblem.default_strategies
    assert parse_recipe("tiny", TINY + "strategies: []\n").recipe.strategies == RegionProblem.default_strategies
    again = parse_recipe("tiny", parse_recipe("tiny", TINY).text)  # as workers read it
    assert again.recipe.strategies == RegionProblem.default_strategies
    assert "entropy/global" not in PoseProblem.default_strategies  # of poses there is none


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("batch: 4", "batch: 4\nbogus: 3", "'bogus' is not accepted"),
        ("start: 3", "strat: 3", "'strat' is not accepted"),
        ("path: tiny.TinyNet", "pth: tiny.TinyNet", "pth"),
        ("batch: 4", "batch: four", '"batch".*four'),
        ("batch: 4", "batch: 4.5", '"batch".*4.5'),
        ("budgets: [4, 8]", "budgets: 4", '"budgets"'),
        ("budgets: [4, 8]", "budgets: [4, a]", '"budgets".*a'),
        ("budgets: [4, 8]", "", "required: budgets"),
        ("image: [24, 32], ", "", "required: image"),
        ("[24, 32]", "[24, 32, 3]", '"image".*2 elements'),
        ("RegionProblem", "NoProblem", "NoProblem"),
        ("querist.tasks.segmentation.problem.RegionProblem", "querist.core.split.Split", "Split"),
        ("region: [8, 10]", "region: [30, 10]", "do not fit"),
        ("budgets: [4, 8]", "budgets: [8, 4]", "budgets must be positive and rise"),
        ("budgets: [4, 8]", "budgets: [4, 4]", "budgets must be positive and rise"),
        ("budgets: [4, 8]", "budgets: []", "budgets must be positive and rise"),
        ("batch: 4", "batch: 0", "batch must be at least 1"),
        ("batch: 4", "batch: null", "batch must be at least 1"),
        ("batch: 4", "threads: 0", "threads must be at least 1"),
        ("batch: 4", "update_every: 0", "update_every must be at least 1"),
        ("batch: 4", "seeds: []", "seeds must be one or more"),
        ("batch: 4", "seeds: [1, 1]", "each once"),
        ("batch: 4", "strategies: [random, random]", "each once"),
        ("batch: 4", "steps: {start: -1}", "steps must not be negative"),
        ("batch: 4", "steps: null", "steps must be a mapping"),
        ("batch: 4", "groups: {count: 0}", "0 groups"),
        (TINY, "- a\n- b", "not a mapping"),
        (TINY, "", "not a mapping"),
        (TINY, "a: [1", "expected ',' or ']'"),
    ],
)
def test_a_recipe_that_is_wrong_says_where(old, new, words):
    assert old in TINY
    with pytest.raises(QueristError, match=words):
        parse_recipe("tiny", TINY.replace(old, new))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("batch", "--set batch: not of the form key=value"),
        ("=3", "not of the form key=value"),
        ("bogus=3", "'bogus' is not accepted"),
        ("problem.bogus=3", "'bogus' is not accepted"),
        ("batch=x", '"batch".*x'),
        ("batch.x=3", "--set batch.x=3: batch holds a single value"),
        ("steps.start=[1]", '"steps.start"'),
        ("batch=[1", "expected ',' or ']'"),
        ("problem.schedule.start.optimiser.lr=-1", "lr=-1"),
        ("problem.schedule.start.optimiser.name=lion", "lion"),
    ],
)
def test_an_override_that_is_wrong_says_which(override, words):
    with pytest.raises(QueristError, match=words):
        tiny(override)


def test_overrides_reach_every_depth_and_the_last_one_counts():
    recipe = tiny(
        "batch=6",
        "budgets=[1, 2, 3]",
        "problem.start=5",
        "problem.init_args.state=1",
        "problem.model.arguments.width=7",
        "problem.schedule.step.optimiser={name: sgd, lr: 0.5}",
        "steps.final=9",
        "steps.final=11",
        "data=camvid",
    ).recipe
    assert (recipe.batch, recipe.budgets, recipe.data) == (6, (1, 2, 3), "camvid")
    assert (recipe.problem.start, recipe.problem.state, recipe.problem.model.arguments) == (5, 1, {"width": 7})
    assert (recipe.problem.schedule.step.optimiser.name, recipe.problem.schedule.step.optimiser.lr) == ("sgd", 0.5)
    assert (recipe.steps.final, recipe.steps.start) == (11, 250)


def test_the_hash_changes_with_all_that_numbers_depend_on():
    changes = [
        "batch=6",
        "budgets=[4, 9]",
        "groups.count=3",
        "steps.update=3",
        "steps.full=3",
        "update_every=2",
        "threads=2",
        "device=cpu",
        "problem.start=4",
        "problem.image=[24, 33]",
        "problem.reward_images=3",
        "problem.model.path=tiny.SplitNet",
        "problem.model.arguments.width=7",
        "problem.schedule.step.replay=0.25",
        "problem.schedule.final.optimiser.lr=0.1",
        "problem.schedule.start.crop=[9, 9]",
    ]
    hashes = [tiny(*change).hash for change in [[], *([c] for c in changes)]]
    assert len(set(hashes)) == len(hashes)


def test_the_hash_does_not_change_with_strategies_seeds_place_name_or_spelling():
    first = tiny()
    for same in ("strategies=[random]", "seeds=[7, 8, 9]", "data=elsewhere", "steps.start=250", "problem.test=test"):
        assert tiny(same).hash == first.hash
    spelled = yaml.safe_dump(dict(reversed(yaml.safe_load(TINY).items())))
    assert parse_recipe("renamed", spelled).hash == first.hash


def test_a_file_of_the_users_own(tmp_path):
    for suffix in (".yaml", ".yml"):
        path = tmp_path / f"mine{suffix}"
        path.write_text(TINY)
        loaded = load_recipe(str(path), ["batch=2"])
        assert (loaded.name, loaded.recipe.batch) == ("mine", 2)
    (tmp_path / "mine.txt").write_text(TINY)
    for name in ("no-such", str(tmp_path / "absent.yaml"), str(tmp_path / "mine.txt"), str(tmp_path), ""):
        with pytest.raises(QueristError, match="there is no recipe") as caught:
            load_recipe(name)
        assert "camvid-small" in caught.value.fix


def test_the_recipe_at_the_papers_scale():
    """ALGORITHMS 1.1, 1.2 and 1.5. It is for a GPU and never played here, so its model is built without memory."""
    recipe = load_recipe("camvid").recipe
    problem, step = recipe.problem, recipe.problem.schedule.step
    assert (problem.image, problem.region, problem.start, problem.state, problem.split_seed) == (
        (360, 480), (90, 80), 100, 10, 0
    )  # fmt: skip
    assert (recipe.batch, recipe.groups.count, recipe.groups.size) == (24, 24, 10)
    assert recipe.budgets == (480, 720, 960, 1200, 1440, 1920)
    assert (step.batch, step.crop, step.replay, recipe.steps.update) == (32, (224, 224), 0.0, 1)
    sgd = step.optimiser
    assert (sgd.name, sgd.lr, sgd.momentum, sgd.weight_decay, sgd.clip_norm) == ("sgd", 1e-3, 0.95, 1e-4, 4.0)
    assert "ralis/faithful" in recipe.strategies
    assert not recipe.train.rehearsal
    assert recipe.device == "cuda"
    plain = load_recipe("camvid", ["problem.model.arguments.weights=null"])
    with torch.device("meta"):
        model = plain.recipe.problem.model.build(11, 0)
    assert [lateral.out_channels for lateral in model.lateral] == [256] * 4
    assert (model.classifier.in_channels, model.classifier.out_channels) == (512, 11)


def test_a_lag_of_updates_changes_the_hash_and_none_does_not():
    assert tiny("update_lag=0").hash == tiny().hash != tiny("update_lag=1").hash
    for wrong in ("2", "null"):
        with pytest.raises(QueristError, match="update_lag"):
            tiny(f"update_lag={wrong}")


def test_how_policies_are_trained_is_no_part_of_the_hash():
    """Cells of learned strategies name the very policy that played them."""
    first = tiny()
    for same in ("train.policies=7", "train.rehearsal=false", "train.settings={ralis/sound: {episodes: 9}}"):
        changed = tiny(same)
        assert changed.hash == first.hash
        assert changed.text != first.text
    assert tiny("problem.split_seed=0").hash != first.hash


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train=null", "train must be a mapping"),
        ("train=3", "train must be a mapping"),
        ("train.policies=x", "policies"),
        ("train.policies=0", "train at least one policy"),
        ("train.settings={ralis: {episodes: 3}}", "'ralis' is nothing that has settings"),
        ("train.settings={ralis/sound: 3}", "train.settings"),
    ],
)
def test_a_training_that_is_wrong_says_so(override, words):
    with pytest.raises(QueristError, match=words):
        tiny(override)
