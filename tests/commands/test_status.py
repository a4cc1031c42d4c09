import json
import shutil
import sqlite3

from querist.core.ledger import Ledger
from querist.core.lock import RunLock


def test_a_half_run_as_json(querist, tiny):
    said = querist("status", tiny.half, "--json")
    assert said.code == 0
    found = json.loads(said.out)
    assert (found["recipe"], found["strategy"], found["seed"]) == ("tiny", "entropy/global", "0")
    assert (found["spent"], found["budget"], found["questions"], found["answers"]) == (6, 10, 6, 6)
    assert (found["steps_closed"], found["waiting_for"], found["done"]) == (3, 0, False)
    # 6 regions an image: 2 images at the start, 2 that reward, 2 that test
    assert found["given"] == {"start": 12, "reward": 12, "test": 12}
    assert [(row["labels"], row["set"]) for row in found["measured"]] == [(4, "reward"), (4, "test")]
    assert found["environment"]["threads"] == 1


def test_a_half_run_in_words_says_how_to_go_on(querist, tiny):
    said = querist("status", tiny.half)
    assert "6 of 10 labels bought (60%), 3 steps" in said.out
    assert f"go on with: querist resume {tiny.half}\n" in said.out  # a long path is not broken over lines
    assert "finished" not in said.out


def test_a_whole_run(querist, tiny):
    said = querist("status", tiny.whole)
    assert "10 of 10 labels bought (100%), 5 steps" in said.out
    assert "finished" in said.out


def test_a_run_is_finished_when_its_last_budget_is_measured_and_not_before(querist, tiny):
    """Killed in the last final training: everything is bought and answered, and yet there is something to do."""
    db = sqlite3.connect(tiny.whole / "ledger.sqlite")
    db.execute("DROP TRIGGER keep_evaluations_delete")
    db.execute("DELETE FROM evaluations WHERE labels = 10")
    db.commit()
    db.close()
    assert "go on with" in querist("status", tiny.whole).out


def test_a_run_with_nothing_left_to_ask_is_finished_before_its_budget(querist, tiny):
    db = sqlite3.connect(tiny.whole / "ledger.sqlite")
    db.execute("DROP TRIGGER keep_evaluations_delete")
    db.execute("DELETE FROM evaluations WHERE labels = 10")
    db.execute("INSERT INTO evaluations VALUES (1, 9, 'account', 'end', 0.0, '{\"ended\":true}')")
    db.commit()
    db.close()
    assert "finished" in querist("status", tiny.whole).out


def test_a_run_may_be_looked_at_while_it_is_written(querist, tiny):
    """The writer stands in the middle of a transaction: what it has not committed is not seen, and nobody waits."""
    with RunLock(tiny.half):
        writer = sqlite3.connect(tiny.half / "ledger.sqlite", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        ask(writer)
        said = querist("status", tiny.half, "--json")
        assert json.loads(said.out)["questions"] == 6
        writer.execute("COMMIT")
        said = querist("status", tiny.half, "--json")
        assert json.loads(said.out)["questions"] == 7
        writer.close()


def ask(db):
    """One question more, without an answer."""
    db.execute("INSERT INTO steps VALUES (1, 3, '{}')")
    db.execute(
        "INSERT INTO questions (game, step, position, unit, source, cost)"
        " SELECT 1, 3, 0, source || '@new', source, 1 FROM roles WHERE role = 'POOL' LIMIT 1"
    )


def test_questions_that_wait_for_people_are_counted(querist, tiny):
    db = sqlite3.connect(tiny.half / "ledger.sqlite")
    ask(db)
    db.commit()
    db.close()
    said = querist("status", tiny.half)
    assert "1 questions have no answer yet" in said.out
    assert "7 of 10 labels bought" in said.out


def test_no_run_at_all(querist, tmp_path):
    said = querist("status", tmp_path)
    assert said.code == 2
    assert f"{tmp_path / 'ledger.sqlite'}: there is no run here" in said.err


def test_a_run_that_was_killed_before_it_began(querist, tmp_path):
    Ledger.create(tmp_path / "ledger.sqlite", {"recipe": "tiny"}).close()
    said = querist("status", tmp_path)
    assert said.code == 2
    assert "killed before it began" in said.err


def test_a_folder_with_brackets_in_its_name_is_shown_as_it_is(querist, tiny, tmp_path):
    odd = tmp_path / "run[red]"
    shutil.copytree(tiny.half, odd)
    assert f"{odd}: tiny" in querist("status", odd).out
