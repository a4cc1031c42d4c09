import re
import subprocess
from contextlib import closing

import pytest

from querist.core.ledger import Ledger
from querist.errors import QueristError
from querist.nn import runtime
from querist.recipes import build
from querist.recipes.recipe import parse_recipe
from tiny import write_folder

RECIPE = """
problem:
  class_path: querist.tasks.segmentation.problem.RegionProblem
  init_args:
    {image: [24, 32], region: [8, 10], layout: folder, start: 3, state: 1, model: {path: tiny.TinyNet},
     schedule: {start: {batch: 4}, step: {batch: 4, crop: [12, 16]}, final: {batch: 4}}}
budgets: [3, 7]
batch: 3
groups: {count: 3, size: 4}
steps: {start: 3, update: 1, final: 2, full: 3}
device: cpu
"""
LOADED = parse_recipe("tiny", RECIPE)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path / "cache"))
    return write_folder(tmp_path / "data", {"train": 8, "val": 2, "test": 2})


def play(data, folder, name="random", seed=0, loaded=LOADED, **named):
    setup = build.set_up(loaded, data, seed)
    with build.deployment(loaded, setup, name, seed, folder, **named) as run:
        events = [event.kind for event in run.play()]
        game = run.ledger.game()["id"]
        asked = [setup.pool.name(q.unit) for q in run.ledger.questions(game, setup.pool)]
        values = [(e["labels"], e["part"], e["value"]) for e in run.ledger.evaluations(game)]
        return events, asked, values, run.ledger.closings(game)[-1][1]


@pytest.mark.parametrize("name", ["random", "strengthened_random", "entropy/group", "margin/global"])
def test_a_recipe_is_played_from_pixels_to_numbers(data, tmp_path, name):
    events, asked, values, _ = play(data, tmp_path / "run", name)
    assert events == ["start", "step", "mark", "step", "step", "mark", "done"]
    assert len(set(asked)) == 7
    assert {(labels, part) for labels, part, _ in values} == {
        (m, p) for m in (3, 7) for p in ("reward", "test", "account")
    }
    assert all(0 <= value <= 100 for _, _, value in values)


def test_the_same_again_is_the_same_to_the_bit(data, tmp_path):
    first = play(data, tmp_path / "a", "entropy/group", initial=tmp_path / "shared.safetensors")
    assert (tmp_path / "shared.safetensors").exists()
    again = play(data, tmp_path / "b", "entropy/group", initial=tmp_path / "shared.safetensors")
    alone = play(data, tmp_path / "c", "entropy/group")
    assert first == again == alone
    assert play(data, tmp_path / "d", "entropy/group", seed=1)[1] != first[1]
    assert play(data, tmp_path / "a", "entropy/group")[0] == ["done"]


def test_the_ledger_knows_what_it_was(data, tmp_path):
    play(data, tmp_path / "run", about={"querist": "0"})
    with closing(Ledger.read(tmp_path / "run" / "ledger.sqlite")) as ledger:
        about = ledger.about
        assert ledger.given(1) == {"start": 27, "reward": 18, "test": 18}
    assert {k: about[k] for k in ("recipe", "recipe_hash", "strategy", "seed", "querist")} == {
        "recipe": "tiny", "recipe_hash": LOADED.hash, "strategy": "random", "seed": "0", "querist": "0"
    }  # fmt: skip
    assert parse_recipe("tiny", about["recipe_text"]).hash == LOADED.hash


def test_a_run_is_resumed_with_what_it_began_with(data, tmp_path):
    play(data, tmp_path / "run")
    for change, words in (
        ({"name": "margin/global"}, "strategy random, not margin/global"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"loaded": parse_recipe("tiny", RECIPE, ["steps.final=1"])}, f"recipe_hash {LOADED.hash}"),
    ):
        with pytest.raises(QueristError, match=words):
            play(data, tmp_path / "run", **change)
    other = write_folder(tmp_path / "other", {"train": 8, "val": 2, "test": 2}, seed=9)
    with pytest.raises(QueristError, match="the data have changed"):
        play(other, tmp_path / "run")


def test_a_batch_that_groups_cannot_give_is_refused_before_anything_runs(data, tmp_path):
    loaded = parse_recipe("tiny", RECIPE, ["batch=2"])
    with pytest.raises(QueristError, match="a batch is 3 and not 2"):
        play(data, tmp_path / "run", "entropy/group", loaded=loaded)
    assert not (tmp_path / "run" / "ledger.sqlite").exists()
    play(data, tmp_path / "run", "entropy/global", loaded=loaded)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("guess", "there is no strategy 'guess'"),
        ("core_set+limit=10", "write core_set/global.limit=10"),
        ("matal/sound+foo=1", "matal has no setting 'foo'"),
        ("ralis/best", "does not say which ralis"),
        ("ralis/sound", "ralis/sound is learned.*'default' is the one that comes along"),
        ("ralis/faithful", "ralis/faithful is learned.*give it with --policy$"),
    ],
)
def test_what_is_wrong_with_a_name_is_said_before_data_are_read(name, words):
    with pytest.raises(QueristError, match=re.compile(words, re.S)):
        build.check_strategy(LOADED, name)


def test_names_that_need_no_card_are_fine():
    for name in ("random", "margin/group", "nearest_first", "my.Own/global"):
        build.check_strategy(LOADED, name)


def test_the_plan_is_the_recipes():
    plan = build.plan(parse_recipe("tiny", RECIPE, ["update_every=2"]), 5)
    assert (plan.seed, plan.batch, plan.marks, plan.update_every) == (5, 3, (3, 7), 2)
    assert (plan.start, plan.update, plan.final) == (3, 1, 2)


def test_one_split_for_all_seeds(data):
    """Or a policy would be deployed on a pool whose labels it was trained on."""
    own = [build.set_up(LOADED, data, seed).split.digest() for seed in (0, 1, 2)]
    assert len(set(own)) == 3
    shared = parse_recipe("tiny", RECIPE, ["problem.split_seed=2"])
    setups = [build.set_up(shared, data, seed) for seed in (0, 1, 2)]
    assert {setup.split.digest() for setup in setups} == {own[2]}
    weights = [setup.task.snapshot() for setup in setups]
    assert any((weights[0][name] != weights[1][name]).any() for name in weights[0])  # the rest is still drawn


def test_where_data_are_found(tmp_path, monkeypatch):
    placed = parse_recipe("tiny", RECIPE, ["data=camvid"])
    (tmp_path / "camvid").mkdir()
    monkeypatch.delenv("QUERIST_DATA", raising=False)
    with pytest.raises(QueristError, match="recipe tiny needs data"):
        build.find_data(placed, None)
    monkeypatch.setenv("QUERIST_DATA", str(tmp_path))
    assert build.find_data(placed, None) == tmp_path / "camvid"
    assert build.find_data(placed, str(tmp_path)) == tmp_path  # what is given goes first
    with pytest.raises(QueristError, match="needs data"):
        build.find_data(LOADED, None)
    with pytest.raises(QueristError, match=r"absent: there is no such folder"):
        build.find_data(placed, str(tmp_path / "absent"))


def test_what_is_drawn_for_a_recipe(tmp_path, monkeypatch):
    drawn = parse_recipe("tiny", RECIPE, ["data=bodies", "draw={what: bodies, train: 1, test: 1}"])
    assert drawn.hash == LOADED.hash  # cells name their data
    monkeypatch.delenv("QUERIST_DATA", raising=False)
    monkeypatch.setenv("QUERIST_CACHE", str(tmp_path))
    told = []
    folder = build.find_data(drawn, None, lambda what, done, of: told.append((what, done, of)))
    assert folder.is_relative_to(tmp_path)
    assert told[-1] == ("drawing bodies", 2, 2)
    (tmp_path / "bodies").mkdir()
    monkeypatch.setenv("QUERIST_DATA", str(tmp_path))
    assert build.find_data(drawn, None) == tmp_path / "bodies"  # the user's own goes first
    with pytest.raises(QueristError, match="cats"):
        parse_recipe("tiny", RECIPE, ["draw={what: cats, train: 1, test: 1}"])


def test_the_process_is_prepared_as_the_recipe_says(monkeypatch):
    threads = []
    monkeypatch.setattr(runtime, "deterministic", threads.append)
    assert build.prepare(parse_recipe("tiny", RECIPE, ["threads=2"])) == "cpu"
    assert threads == [2]
    with pytest.raises(QueristError, match="tpu"):
        build.prepare(parse_recipe("tiny", RECIPE, ["device=tpu"]))


def test_the_environment_names_versions_device_and_threads():
    found = build.environment("cpu", 2)
    assert (found["device"], found["threads"]) == ("cpu", 2)
    assert {"python", "platform", "querist", "torch", "torchvision", "numpy"} <= set(found)


def test_the_environment_names_the_commit_of_a_checkout_and_whether_it_was_changed(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c", *words], check=True)

    monkeypatch.setattr(build, "__file__", str(tmp_path / "src" / "querist" / "recipes" / "build.py"))
    assert "commit" not in build.environment("cpu", 1)  # installed, not checked out
    (tmp_path / "file").write_text("one")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "first"]):
        git(*words)
    commit = build.environment("cpu", 1)["commit"]
    assert re.fullmatch("[0-9a-f]{7,}", str(commit))
    (tmp_path / "file").write_text("two")
    assert build.environment("cpu", 1)["commit"] == f"{commit}-dirty"
    assert build.environment("cuda", 1)["device"] == "cuda"
