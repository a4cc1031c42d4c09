import json
import sqlite3

import pytest


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
