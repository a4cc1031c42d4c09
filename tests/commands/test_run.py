import json
import shutil
import sqlite3
from dataclasses import replace

import pytest

from querist.core.card import PolicyCard
from querist.recipes import learned


def test_a_run_plays_to_its_end_and_says_what_it_measured(querist, tiny, tmp_path):
    said = querist("run", tiny.recipe, "--data", tiny.data, "--out", tmp_path / "new", "--strategy", "random")
    assert said.code == 0
    assert "4 labels: mIoU reward" in said.flat
    assert "10 labels: mIoU reward" in said.flat
    db = sqlite3.connect(tmp_path / "new" / "ledger.sqlite")
    about = dict(db.execute("SELECT key, value FROM run"))
    assert db.execute("SELECT spent, budget FROM games").fetchall() == [(10, 10)]
    db.close()
    assert about["strategy"] == "random"
    assert about["data"] == str(tiny.data)
    assert json.loads(about["environment"])["threads"] == 1


def test_what_the_data_were_is_kept_file_by_file(tiny):
    kept = json.loads((tiny.whole / "data.json").read_text())
    names = {str(path.relative_to(tiny.data / "images").with_suffix("")) for path in tiny.data.glob("images/*/*.png")}
    assert set(kept["files"]) == names | {"the class map"}
    assert len(set(kept["files"].values())) == len(names) + 1


def test_a_run_is_never_overwritten(querist, tiny):
    before = (tiny.half / "ledger.sqlite").read_bytes()
    said = querist("run", tiny.recipe, "--data", tiny.data, "--out", tiny.half)
    assert said.code == 2
    assert f"{tiny.half} holds a run already" in said.err
    assert "querist resume" in said.err
    assert (tiny.half / "ledger.sqlite").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "no-such-recipe"], "there is no recipe 'no-such-recipe'"),
        (["run", "RECIPE", "--data", "/no/such/folder"], "/no/such/folder: there is no such folder"),
        (["run", "RECIPE"], "needs data"),
        (["run", "RECIPE", "--data", "DATA", "--strategy", "guess"], "there is no strategy 'guess'"),
        (["run", "RECIPE", "--data", "DATA", "--strategy", "entropy/local"], "there is no form 'local'"),
        (["run", "RECIPE", "--data", "DATA", "--strategy", "no.such.Policy"], "no.such.Policy cannot be imported"),
        (["run", "RECIPE", "--data", "DATA", "--set", "batch"], "--set batch"),
        (["run", "RECIPE", "--data", "DATA", "--set", "bach=3"], "bach"),
        (["run", "RECIPE", "--data", "DATA", "--set", "batch=many"], "batch"),
        (["run", "RECIPE", "--data", "DATA", "--set", "problem.strat=3"], "strat"),
        (["run", "RECIPE", "--data", "DATA", "--set", "device=abacus"], "abacus"),
        (["run", "RECIPE", "--data", "DATA", "--set", "budgets=[8, 4]"], "budgets must be positive and rise"),
    ],
)
def test_what_the_user_can_put_right_is_said_with_exit_code_2(querist, tiny, tmp_path, monkeypatch, arguments, words):
    monkeypatch.delenv("QUERIST_DATA", raising=False)
    places = {"RECIPE": str(tiny.recipe), "DATA": str(tiny.data)}
    said = querist(*[places.get(a, a) for a in arguments], "--out", tmp_path / "new")
    assert said.code == 2
    assert said.err.startswith("querist run: ")
    assert words in said.err
    assert "fix: " in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "new" / "ledger.sqlite").exists()


def test_an_output_folder_that_cannot_be_made(querist, tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    said = querist("run", tiny.recipe, "--data", tiny.data, "--out", tmp_path / "file" / "run")
    assert said.code == 2
    assert str(tmp_path / "file" / "run") in said.err
    assert "cannot be written" in said.err


# Learned policies ---------------------------------------------------------------------------------------------------


@pytest.fixture
def run(querist, taught, tmp_path, monkeypatch):
    """``querist run`` of the recipe whose strategies learn, into a new folder."""
    monkeypatch.setenv("QUERIST_CACHE", str(taught.data.parent / "cache"))

    def play(*arguments, data=taught.data, out=tmp_path / "new"):
        return querist("run", taught.recipe, "--data", data, "--out", out, *arguments)

    return play


def test_a_policy_plays_by_its_card_alone(run, querist, taught, tmp_path):
    said = run("--policy", taught.card, "--seed", 3)
    assert said.code == 0, said.err
    assert "10 labels: mIoU reward" in said.flat
    card = PolicyCard.load(taught.card)
    assert PolicyCard.load(tmp_path / "new" / "policy").hash == card.hash
    db = sqlite3.connect(tmp_path / "new" / "ledger.sqlite")
    about = dict(db.execute("SELECT key, value FROM run"))
    db.close()
    assert (about["strategy"], about["policy"]) == ("ralis/sound", card.hash)
    assert f"ralis/sound (policy {card.hash}), seed 3" in querist("status", tmp_path / "new").out
    assert json.loads(querist("status", tmp_path / "new", "--json").out)["policy"] == card.hash


def test_labels_that_a_policy_may_have_met_are_mentioned(run, taught, tmp_path):
    assert "another split of these data" not in run("--policy", taught.card).flat
    said = run("--policy", taught.card, "--set", "problem.split_seed=7", out=tmp_path / "other")
    assert said.code == 0
    assert "another split of these data" in said.flat


def test_the_policy_that_comes_along(run, taught, tmp_path, monkeypatch):
    """Whether one does or not: the name ``default`` stands for the folder ``ralis`` of the package."""
    monkeypatch.setattr(learned, "files", lambda package: tmp_path / package)
    said = run("--policy", "default")
    assert said.code == 2
    assert "comes without a policy" in said.err
    shutil.copytree(taught.card, tmp_path / "querist.policies" / "ralis")
    assert run("--policy", "default").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--strategy", "ralis/sound"], "ralis/sound is learned: it needs a policy"),
        (["--strategy", "ralis/untrained"], "ralis/untrained is learned: it needs a policy"),
        (["--strategy", "ralis/best"], "'ralis/best' does not say which ralis"),
        (["--policy", "CARD", "--strategy", "entropy/global"], "but the policy is of ralis/sound"),
        (["--policy", "CARD", "--strategy", "ralis/untrained"], "but the policy is of ralis/sound"),
        (["--policy", "DATA"], "data: not a policy card"),
        (["--policy", "/no/such/card"], "/no/such/card: not a policy card"),
        (["--policy", "CARD", "--set", "problem.region=[4, 4]"], "ralis needs the field 'entropy_grid'"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_play_is_named(run, taught, tmp_path, arguments, words):
    places = {"CARD": str(taught.card), "DATA": str(taught.data)}
    said = run(*[places.get(a, a) for a in arguments])
    assert said.code == 2, said.flat
    assert words in said.err
    assert "fix: " in said.err
    assert not (tmp_path / "new" / "ledger.sqlite").exists()


def test_a_policy_for_other_classes_is_refused_with_both_schemas(run, taught, tiny, tmp_path):
    """The class-free one does not mind."""
    classes = tiny.data / "classes.yaml"
    classes.write_text(classes.read_text().replace("sky", "heaven"))
    said = run("--policy", taught.faithful, data=tiny.data)
    assert said.code == 2
    trained = PolicyCard.load(taught.faithful).schema
    other = replace(trained, classes=tuple("heaven" if c == "sky" else c for c in trained.classes))
    assert f"ralis/faithful was trained on schema {trained.hash()}" in said.err
    assert f"this task gives schema {other.hash()}" in said.err
    assert "a class-free one" in said.err
    assert run("--policy", taught.card, data=tiny.data).code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format 2: it was written by another version"),
        ({"schema_hash": "0" * 16}, "its schema was changed by hand"),
        ({"agent": "oracle"}, "there is no agent 'oracle'"),
        ({"profile": "best"}, "'ralis/best' does not say which ralis"),
        ({"settings": {"epsiodes": 3}}, "do not fit together"),
        ({"tensors_sha256": "0" * 64}, "policy.safetensors is not the one that was written with it"),
    ],
)
def test_a_card_that_was_changed_is_refused(run, taught, tmp_path, change, words):
    shutil.copytree(taught.card, tmp_path / "changed")
    path = tmp_path / "changed" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    said = run("--policy", tmp_path / "changed")
    assert said.code == 2, said.flat
    assert words in said.err
    assert "Traceback" not in said.err
