import json
import shutil

import pytest
import yaml

from querist.commands.compare import _asked
from querist.core.card import PolicyCard
from querist.recipes.learned import find_card
from querist.recipes.recipe import load_recipe, parse_recipe
from querist.tasks.segmentation.problem import RegionProblem
from slow.segmentation import change_pixel


@pytest.fixture
def compare(querist, played, compared, monkeypatch):
    """``querist compare`` with the recipe and the data filled in, into the same folder if not told otherwise."""
    monkeypatch.setenv("QUERIST_CACHE", str(compared.parent / "cache"))

    def run(*arguments, recipe=played.recipe, data=played.data, out=compared):
        return querist("compare", recipe, "--data", data, "--out", out, "--workers", "1", *arguments)

    return run


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells").glob("*.json")}


def test_every_strategy_has_a_cell_on_every_seed_and_so_have_the_references(compared):
    names = {
        f"{name}--p0--s{seed}.json" for name in ("_start", "_full", "random", "entropy__global") for seed in (0, 1)
    }
    assert set(times(compared)) == names
    summary = json.loads((compared / "summary.json").read_text())
    assert summary["budgets"] == [4, 10]
    assert set(summary["strategies"]) == {"random", "entropy/global"}
    assert set(summary["strategies"]["random"]["aubc"]) == {"0", "1"}
    assert yaml.safe_load((compared / "recipe.yaml").read_text())["batch"] == 2
    page = (compared / "report.html").read_text()
    assert "entropy/global" in page
    assert "data:image/jpeg" in page  # what was chosen


def test_a_look_at_a_part_leaves_the_rest_in_the_comparison(compare, compared, tmp_path):
    out = tmp_path / "again"
    shutil.copytree(compared, out)
    said = compare("--strategies", "random", "--seeds", "1", out=out)
    assert said.code == 0, said.err
    kept = yaml.safe_load((out / "recipe.yaml").read_text())
    assert (kept["strategies"], kept["seeds"]) == (["random", "entropy/global"], [0, 1])
    (out / "recipe.yaml").write_text("half a: [")
    assert compare("--strategies", "random", "--seeds", "1", out=out).code == 0
    assert yaml.safe_load((out / "recipe.yaml").read_text())["strategies"] == ["random"]


def test_workers_are_told_what_was_asked_for():
    """They read the recipe as text; policies are trained on the first seed that was asked for."""
    loaded = load_recipe("hand-small")
    asked = _asked(loaded, ["random", "matal/sound"], [5, 6], [])
    again = parse_recipe(asked.name, asked.text)
    assert (again.recipe.seeds, again.recipe.strategies) == ((5, 6), ("random", "matal/sound"))
    assert again.hash == asked.hash == loaded.hash
    assert again.recipe == asked.recipe


def test_references_learn_from_what_deployments_learn_from(compare, compared, tmp_path):
    """Where nobody goes on learning from what was given, the model that all begin with stands for it."""
    out = tmp_path / "dropped"
    said = compare("--strategies", "random", "--seeds", "0", "--set", "keep_given=false", out=out)
    assert said.code == 0, said.err

    def values(folder, name):
        return json.loads((folder / "cells" / f"{name}--p0--s0.json").read_text())["points"]

    for name in ("_start", "_full"):
        (point,), (kept,) = values(out, name), values(compared, name)
        assert point["labels"] == kept["labels"] == (0 if name == "_start" else 30)
        assert point["reward"] != kept["reward"]


def test_cells_are_paired_by_seed(compared):
    """Both strategies start from the same weights: so does the reference before any question."""
    cells = {path.name: json.loads(path.read_text()) for path in (compared / "cells").glob("*.json")}
    for seed in (0, 1):
        accounts = {cells[f"{name}--p0--s{seed}.json"]["accounts"]["start"] for name in ("random", "entropy__global")}
        assert accounts == {12}
        assert cells[f"random--p0--s{seed}.json"]["ledger"]["repeats"] == 0


def test_the_second_time_nothing_is_played(compare, compared):
    before = times(compared)
    said = compare()
    assert said.code == 0
    assert "to play" not in said.out
    assert f"Report: {compared / 'report.html'}\n" in said.out
    assert times(compared) == before


def test_only_what_is_missing_is_played(compare, compared):
    before = times(compared)
    (compared / "cells" / "random--p0--s1.json").unlink()
    said = compare()
    assert "8 cells, 1 to play" in said.flat
    after = times(compared)
    assert {name for name in after if after[name] != before[name]} == {"random--p0--s1.json"}


def test_a_changed_recipe_is_refused_before_anything_is_played(compare, compared):
    before = times(compared)
    said = compare("--set", "steps.final=7")
    assert said.code == 2
    assert "the recipe has changed" in said.err
    assert str(compared / "cells" / "_full--p0--s0.json") in said.err
    assert "choose another --out" in said.err
    assert times(compared) == before


def test_more_seeds_are_no_other_recipe(compare, compared, tmp_path):
    shutil.copytree(compared, tmp_path / "more")
    said = compare(*("--seeds", "0", "1", "2", "--strategies", "random", "--pictures", "false"), out=tmp_path / "more")
    assert said.code == 0, said.err
    assert "9 cells, 3 to play" in said.flat
    assert set(times(tmp_path / "more")) - set(times(compared)) == {
        f"{name}--p0--s2.json" for name in ("_start", "_full", "random")
    }


def test_changed_data_are_refused_before_anything_is_played(compare, compared, tiny):
    before = times(compared)
    change_pixel(tiny.data / "masks" / "test" / "drive0000_00.png")
    said = compare(data=tiny.data)
    assert said.code == 2
    assert "the data has changed" in said.err
    assert "choose another --out" in said.err
    assert times(compared) == before


def test_a_broken_cell_is_named(compare, compared):
    path = compared / "cells" / "entropy__global--p0--s0.json"
    whole = path.read_text()
    path.write_text(whole[:100])
    try:
        said = compare()
        assert said.code == 2
        assert f"{path} is not a cell" in said.err
        assert "remove the file" in said.err
    finally:
        path.write_text(whole)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategies", "core_set", "random", "core_set/global"], "core_set and core_set/global are one strategy"),
        (["--strategies", "guess"], "there is no strategy 'guess'"),
        (["--seeds"], "seeds"),
        (["--workers", "0"], "workers"),
    ],
)
def test_what_cannot_be_played_is_said_at_once(compare, tmp_path, arguments, words):
    said = compare(*arguments, out=tmp_path / "out")
    assert said.code == 2
    assert words in said.err
    assert not (tmp_path / "out" / "cells").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [("guess", "there is no strategy 'guess'"), ("ralis/sound+guess=1", "guess")],
    ids=["a strategy", "a setting"],
)
def test_a_name_is_looked_at_before_the_data_are_read(compare, tmp_path, name, words):
    said = compare("--strategies", name, data=tmp_path / "nowhere", out=tmp_path / "out")
    assert said.code == 2
    assert words in said.err
    assert "nowhere" not in said.err


# Learned policies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def again(querist, taught, learned, tmp_path, monkeypatch):
    """``querist compare`` of strategies that learn, into a copy of what was played."""
    monkeypatch.setenv("QUERIST_CACHE", str(taught.data.parent / "cache"))
    shutil.copytree(learned, tmp_path / "out")

    def run(*arguments, out=tmp_path / "out"):
        where = ["--data", taught.data, "--out", out, "--workers", "1", "--pictures", "false"]
        return querist("compare", taught.recipe, *where, *arguments)

    return run


def test_every_policy_meets_every_seed(learned):
    cells = {path.stem: json.loads(path.read_text()) for path in (learned / "cells").glob("ralis__*.json")}
    who = [("ralis__sound", 0), ("ralis__sound", 1), ("ralis__untrained", 0)]
    assert set(cells) == {f"{name}--p{policy}--s{seed}" for name, policy in who for seed in (0, 1)}
    for name, policy in who:
        card = PolicyCard.load(learned / "policies" / f"{name}--p{policy}")
        assert card.strategy == name.replace("__", "/")
        assert card.training["number"] == policy
        for seed in (0, 1):
            cell = cells[f"{name}--p{policy}--s{seed}"]
            assert (cell["policy_hash"], cell["profile"]) == (card.hash, name.partition("__")[2])
    assert "policy_hash" not in json.loads((learned / "cells" / "random--p0--s0.json").read_text())


def test_policies_are_averaged_within_a_seed(learned):
    found = json.loads((learned / "summary.json").read_text())["strategies"]
    assert (found["ralis/sound"]["policies"], found["ralis/untrained"]["policies"]) == (2, 1)
    for seed in ("0", "1"):
        cells = [json.loads((learned / "cells" / f"ralis__sound--p{p}--s{seed}.json").read_text()) for p in (0, 1)]
        last = [cell["points"][-1]["test"] for cell in cells]
        assert found["ralis/sound"]["curve"]["10"][seed] == pytest.approx(sum(last) / 2)
    assert found["random"]["labels_all"] == found["ralis/sound"]["labels_all"]  # it was trained on what all were given


def test_a_further_policy_is_trained_and_nothing_else_is_played(again, tmp_path):
    before = times(tmp_path / "out")
    said = again("--set", "train.policies=3")
    assert said.code == 0, said.err
    assert "14 cells, 2 to play, 1 at a time" in said.flat
    assert "1 policy to train first" in said.flat
    after = times(tmp_path / "out")
    assert set(after) - set(before) == {f"ralis__sound--p2--s{seed}.json" for seed in (0, 1)}
    assert {name: after[name] for name in before} == before


def test_a_policy_that_was_trained_otherwise_is_mentioned(again, tmp_path):
    said = again("--set", "train.update=3")
    assert said.code == 0
    for name in ("ralis__sound--p0", "ralis__sound--p1", "ralis__untrained--p0"):
        assert f"{tmp_path / 'out' / 'policies' / name} was trained otherwise" in said.out


def test_cells_and_the_policies_beside_them_belong_together(again, tmp_path):
    policies = tmp_path / "out" / "policies"
    cell = tmp_path / "out" / "cells" / "ralis__sound--p0--s0.json"
    shutil.move(policies / "ralis__sound--p0", policies / "away")
    said = again()
    assert said.code == 2
    assert f"{cell} was played with a policy that is not in {policies / 'ralis__sound--p0'}" in said.err
    shutil.copytree(policies / "ralis__sound--p1", policies / "ralis__sound--p0")
    said = again()
    assert said.code == 2
    assert f"{cell} was played with another policy than {policies / 'ralis__sound--p0'}" in said.err
    assert "put its policy back, or remove the cell" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategies", "random", "ralis"], "'ralis' does not say which ralis"),
        (["--set", "problem.split_seed=null"], "each seed draws its own split"),
        (["--set", "train.settings={ralis/sound: {budget: no}}"], "budget is a whole number, not False"),
        (["--set", "problem.model.path=slow.segmentation.TinyNet"], "has no cheap stand-in"),
    ],
)
def test_what_cannot_be_taught_is_said_at_once(again, tmp_path, arguments, words):
    said = again(*arguments, out=tmp_path / "new")
    assert said.code == 2, said.flat
    assert words in said.err
    assert not (tmp_path / "new").exists()


# Policies that are there already --------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(querist, taught, tiny, tmp_path):
    """``querist compare`` of the recipe whose strategies learn, on data that no card has met, into a new folder."""
    change_pixel(tiny.data / "masks" / "test" / "drive0000_00.png")

    def run(*arguments, out=tmp_path / "out"):
        where = ["--data", tiny.data, "--out", out, "--workers", "1", "--pictures", "false"]
        return querist("compare", taught.recipe, *where, *arguments)

    return run


def test_a_given_policy_is_played_and_only_its_controls_are_trained(again, taught, tmp_path):
    out = tmp_path / "given"
    said = again(*["--strategies", "ralis/untrained", "--seeds", "0", "--policy"], taught.card, out=out)
    assert said.code == 0, said.err
    assert "4 cells, 4 to play, 1 at a time: unknown until the first has ended; 1 policy to train first" in said.flat
    assert set(times(out)) == {
        f"{name}--p0--s0.json" for name in ("_start", "_full", "ralis__sound", "ralis__untrained")
    }
    kept, card = PolicyCard.load(out / "policies" / "ralis__sound--p0"), PolicyCard.load(taught.card)
    assert (kept.hash, kept.training, kept.curve) == (card.hash, card.training, card.curve)
    cell = json.loads((out / "cells" / "ralis__sound--p0--s0.json").read_text())
    assert cell["policy_hash"] == card.hash
    assert "policy" not in cell["accounts"]  # it learned from the starting set that every strategy is given
    assert yaml.safe_load((out / "recipe.yaml").read_text())["strategies"] == ["ralis/untrained", "ralis/sound"]


def test_as_many_policies_as_cards(again, tmp_path):
    """The recipe wants two; what was played by others stays, and nobody is trained."""
    before, policies = times(tmp_path / "out"), tmp_path / "out" / "policies"
    for numbers, cells in (((0,), 10), ((0, 1), 12)):
        (tmp_path / "out" / "cells" / "random--p0--s1.json").unlink()
        said = again("--policy", *[policies / f"ralis__sound--p{n}" for n in numbers], "--set", "train.policies=3")
        assert said.code == 0, said.err
        assert f"{cells} cells, 1 to play" in said.flat
        assert "to train first" not in said.flat
    assert set(times(tmp_path / "out")) == set(before)
    assert len(list(policies.iterdir())) == 3


def test_the_policy_that_comes_along_plays_on_data_of_your_own(elsewhere, tmp_path):
    """Data that it has not met may be split anew by every seed; nothing is asked that only a training would need."""
    own = ("--strategies", "ralis/sound", "--set", "problem.split_seed=null", "--set", "problem.start=1")
    said = elsewhere(*own, "--policy", "default")
    assert said.code == 0, said.err
    assert "6 cells, 6 to play" in said.flat
    assert "to train first" not in said.flat
    card = find_card("default", RegionProblem((24, 32), (8, 10)))
    cost = sum(card.training["labels"].values())
    assert f"--policy default was trained on other data; the {cost:,} labels that took are counted" in said.flat
    for seed in (0, 1):
        cell = json.loads((tmp_path / "out" / "cells" / f"ralis__sound--p0--s{seed}.json").read_text())
        assert (cell["policy_hash"], cell["accounts"]["policy"]) == (card.hash, cost)
    before = times(tmp_path / "out")
    said = elsewhere(*own, "--set", "train.policies=1")  # a card that was put there is played as well
    assert said.code == 0, said.err
    assert times(tmp_path / "out") == before


def test_a_folder_with_another_policy_is_left_as_it_is(again, taught, tmp_path):
    folder = tmp_path / "out" / "policies" / "ralis__sound--p0"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    other = folder.with_name("ralis__sound--p1")
    said = again("--policy", other)
    assert said.code == 2
    assert f"{folder} holds another policy than --policy {other}; nothing was overwritten" in said.err
    assert "choose another --out" in said.err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("put", [False, True])
def test_a_policy_that_may_have_met_labels_of_the_pool_is_refused_before_anything_is_played(
    again, taught, tmp_path, put
):
    """The same data with another split: whether the card is given or was put there."""
    arguments, out = ["--policy", taught.card], tmp_path / "new"
    if put:
        arguments = ["--set", "train.policies=1", "--strategies", "ralis/sound"]
        shutil.copytree(taught.card, out / "policies" / "ralis__sound--p0")
    said = again(*arguments, "--set", "problem.split_seed=7", out=out)
    assert said.code == 2
    where = out / "policies" / "ralis__sound--p0" if put else f"--policy {taught.card}"
    assert f"{where} was trained on these data in another split than that of seed 0" in said.err
    assert "problem.split_seed" in said.err
    assert not (out / "cells").exists()
    assert out.exists() == put


def test_a_split_for_every_seed_is_another_split_for_some(again, taught, tmp_path):
    own = ("--strategies", "random", "--policy", taught.card, "--set", "problem.split_seed=null")
    said = again(*own, out=tmp_path / "new")
    assert said.code == 2
    assert "was trained on these data in another split than that of seed 1" in said.err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "FAITHFUL"], "--policy FAITHFUL: ralis/faithful was trained on schema"),
        (["--policy", "CARD", "--set", "groups.count=3"], "let the recipe's batch equal its groups.count"),
        (["--policy", "/no/such/card"], "/no/such/card: not a policy card"),
        (["--policy", "CARD", "--policy", "CARD"], "--policy CARD is the same policy as --policy CARD"),
        (["--policy"], "expected at least one argument"),
    ],
)  # fmt: skip
def test_a_card_that_cannot_be_played_is_said_at_once(elsewhere, taught, tiny, tmp_path, arguments, words):
    classes = tiny.data / "classes.yaml"
    classes.write_text(classes.read_text().replace("sky", "heaven"))
    places = {"CARD": str(taught.card), "FAITHFUL": str(taught.faithful)}
    for name, place in places.items():
        words = words.replace(name, place)
    said = elsewhere("--strategies", "random", *[places.get(a, a) for a in arguments])
    assert said.code == 2, said.flat
    assert words in said.err
    assert not (tmp_path / "out").exists()
