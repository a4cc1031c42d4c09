import sqlite3
from contextlib import closing

import numpy as np
import pytest

from querist.core.ledger import Asking, Ledger, LedgerRuleError
from querist.core.pool import ColumnarPool, PairPool
from querist.core.split import Role, Split
from querist.errors import QueristError

NAMES = ["a", "b", "c", "start", "state", "reward", "test", "unused"]
POOL = ColumnarPool(NAMES, ["@0", "@1"], cost=2)
SPLIT = Split(np.array([1, 1, 1, 2, 3, 4, 5, 0], dtype=np.int8))
GIVEN = {"start": (np.array([3]), 2), "reward": (np.array([5]), 2), "test": (np.array([6]), 2)}
YES, NO = np.array([1], dtype=np.uint8), np.array([0], dtype=np.uint8)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger.create(tmp_path / "ledger.sqlite", {"seed": "3"})
    assert ledger.start_game(POOL, SPLIT, budget=8, given=GIVEN) == 1
    yield ledger
    ledger.close()


def contents(ledger) -> list[str]:
    with closing(sqlite3.connect(ledger.path)) as db:
        return list(db.iterdump())


def check_refused(ledger, words, action, *arguments, **named) -> None:
    """The action breaks a rule, and nothing at all is written."""
    before = contents(ledger)
    with pytest.raises(LedgerRuleError, match=words):
        action(*arguments, **named)
    assert contents(ledger) == before


def ask(ledger, step, *units, game=1):
    return ledger.ask(game, step, POOL, [Asking(u) for u in units], {"step": step})


def test_questions_stand_as_they_were_asked(ledger):
    asked = ledger.ask(1, 0, POOL, [Asking(3, 0.5, "anchor"), Asking(0)], {"offer": "x"})
    assert [(q.unit, q.step, q.position, q.cost, q.score, q.context) for q in asked] == [
        (3, 0, 0, 2, 0.5, "anchor"),
        (0, 0, 1, 2, None, None),
    ]
    later = ask(ledger, 1, 2)
    assert ledger.questions(1, POOL) == asked + later
    assert (ledger.questions(1, POOL, 1), ledger.step_details(1, 0)) == (later, {"offer": "x"})
    assert ledger.step_details(1, 2) is None
    assert ledger.money(1) == (6, 8)
    assert len({q.id for q in asked + later}) == 3


def test_repeats_are_forbidden(ledger):
    ask(ledger, 0, 0)
    check_refused(ledger, "asked twice .*a@0", ask, ledger, 1, 1, 0)
    check_refused(ledger, "asked twice", ask, ledger, 1, 2, 2)
    check_refused(ledger, "step 0", ask, ledger, 0, 1)  # nor is a step opened twice


def test_overspending_is_forbidden_to_the_last_unit(ledger):
    check_refused(ledger, "overspend the budget", ask, ledger, 0, 0, 1, 2, 3, 4)  # five at 2 of 8
    ask(ledger, 0, 0, 1, 2)
    check_refused(ledger, "overspend .*c@0", ask, ledger, 1, 3, 4)
    ask(ledger, 1, 3)
    assert ledger.money(1) == (8, 8)
    check_refused(ledger, "overspend", ask, ledger, 2, 4)


@pytest.mark.parametrize("name", NAMES[3:])
def test_only_the_pool_may_be_asked_about(ledger, name):
    unit = POOL.unit(f"{name}@1")
    check_refused(ledger, f"outside the pool .*{name}@1", ask, ledger, 0, 0, unit)
    ask(ledger, 0, 0)


def test_a_pair_needs_both_its_images_in_the_pool(tmp_path):
    pairs = PairPool(NAMES)
    with closing(Ledger.create(tmp_path / "pairs.sqlite", {})) as ledger:
        ledger.start_game(pairs, SPLIT, 9)
        for other in ("start", "test"):
            unit = pairs.unit(f"a~{other}")
            check_refused(ledger, "outside the pool", ledger.ask, 1, 0, pairs, [Asking(unit)], {})
        ledger.ask(1, 0, pairs, [Asking(pairs.unit("a~b"), None, "a")], {})
        repeat = [Asking(pairs.unit("b~a"), None, "b")]  # met again under another anchor, it is the same unit
        check_refused(ledger, "asked twice", ledger.ask, 1, 1, pairs, repeat, {})


def test_the_test_set_is_in_no_game(ledger):
    roles = np.array([1, 1, 1, 2, 3, 4, 1, 0])
    check_refused(
        ledger, "a test image was to be put into a pool", ledger.start_game, POOL, Split(roles), 4, "inner", 1, 1
    )
    roles = np.array([5, 1, 1, 2, 3, 4, 5, 0])
    check_refused(
        ledger, "image of a pool was to be put into a test", ledger.start_game, POOL, Split(roles), 4, "inner", 1, 1
    )


def test_there_is_one_deployment(ledger):
    check_refused(ledger, "one deployment only", ledger.start_game, POOL, SPLIT, 9)
    assert ledger.game("outer")["id"] == 1
    assert ledger.game("inner", 1) is None
    for kind, parent in (("inner", None), ("outer", 1), ("inner", 99)):
        with pytest.raises(LedgerRuleError):
            ledger.start_game(POOL, SPLIT, 9, kind, 5, parent)


def test_episodes_play_with_bought_and_given_labels_and_are_never_charged(ledger):
    bought, unsure, silent = ask(ledger, 0, 0, 1, 2)
    ledger.answer(bought.id, YES)
    ledger.answer(unsure.id, None)
    inner = ledger.start_game(
        POOL, Split(np.where(np.isin(SPLIT.roles, (1, 2)), Role.POOL, Role.UNUSED)), 6, "inner", 1, 1
    )
    for unit in (silent.unit, unsure.unit, 4):  # not answered, "cannot tell", never asked
        check_refused(ledger, "never bought", ask, ledger, 0, unit, game=inner)
    ask(ledger, 0, bought.unit, POOL.unit("start@1"), game=inner)
    assert ledger.money(inner) == (4, 6)
    assert ledger.money(1) == (6, 8)
    ledger.answer(unsure.id, YES, revision=1)
    ask(ledger, 1, unsure.unit, game=inner)
    check_refused(ledger, "overspend", ask, ledger, 2, POOL.unit("start@0"), game=inner)
    again = ledger.start_game(POOL, Split(np.where(SPLIT.roles == 1, Role.POOL, 0)), 4, "inner", 2, 1)
    ask(ledger, 0, bought.unit, game=again)  # another episode may ask the same
    assert ledger.money(1) == (6, 8)


def test_what_was_given_is_counted(ledger):
    assert ledger.given(1) == {"start": 2, "reward": 2, "test": 2}
    assert ledger.money(1) == (0, 8)


def test_answers_are_idempotent_and_corrections_keep_both(ledger):
    (question,) = ask(ledger, 0, 0)
    ledger.answer(question.id, YES)
    before = contents(ledger)
    ledger.answer(question.id, YES.copy())
    assert contents(ledger) == before
    check_refused(ledger, "answered differently before", ledger.answer, question.id, NO)
    check_refused(ledger, "answered differently before", ledger.answer, question.id, None)
    check_refused(ledger, "left out", ledger.answer, question.id, NO, revision=2)
    ledger.answer(question.id, NO, revision=1)
    ledger.answer(question.id, NO, revision=1)
    found = [(unit, None if blob is None else ledger.decode(blob).tolist()) for _, _, unit, blob in ledger.answers(1)]
    assert found == [("a@0", [1]), ("a@0", [0])]
    assert ledger.counts(1) == {"questions": 1, "answers": 1}
    assert ledger.money(1) == (2, 8)  # a correction costs nothing
    check_refused(ledger, "does not exist", ledger.answer, 99, YES)


def test_equal_answers_are_stored_once(ledger):
    for question in ask(ledger, 0, 0, 1, 2):
        ledger.answer(question.id, YES)
    assert sum(line.startswith('INSERT INTO "blobs"') for line in contents(ledger)) == 1


def test_small_answers_are_shared_and_nobody_can_change_them(ledger):
    first, second = ask(ledger, 0, 0, 1)
    ledger.answer(first.id, YES)
    mask = np.arange(9, dtype=np.uint8)
    ledger.answer(second.id, mask)
    small, large = (ledger.decode(digest) for _, _, _, digest in ledger.answers(1))
    with pytest.raises(ValueError, match="read-only"):
        small[0] = 0
    large[0] = 7
    again = [ledger.decode(digest) for _, _, _, digest in ledger.answers(1)]
    assert again[0] is small
    np.testing.assert_array_equal(again[0], YES)
    np.testing.assert_array_equal(again[1], mask)


def test_answers_can_be_followed(ledger):
    first, second = ask(ledger, 0, 0, 1)
    ledger.answer(second.id, NO)
    ((number, question, _, _),) = list(ledger.answers(1))
    assert question == second.id
    ledger.answer(first.id, None)
    assert [(q, blob) for _, q, _, blob in ledger.answers(1, after=number)] == [(first.id, None)]
    assert ledger.answered(1, 0) == {first.id, second.id}
    assert ledger.answered(1, 1) == set()


def test_following_answers_costs_what_is_new(tmp_path):
    """Not what is old: SQLite must begin with the new answers and not with all questions of the game."""
    people = ColumnarPool([f"p{i}" for i in range(400)], ["@0"])
    with closing(Ledger.create(tmp_path / "ledger.sqlite", {})) as ledger:
        split = Split(np.full(400, Role.POOL, dtype=np.int8))
        game = ledger.start_game(people, split, budget=400)
        work = []
        for step in range(400):
            (question,) = ledger.ask(game, step, people, [Asking(step)], {})
            ledger.answer(question.id, YES)
            instructions = [0]
            ledger._db.set_progress_handler(lambda n=instructions: n.__setitem__(0, n[0] + 1), 1)
            ((last, _, _, _),) = ledger.answers(game, after=step)
            ledger._db.set_progress_handler(None, 0)
            assert last == step + 1
            work.append(instructions[0])
    assert work[-1] == work[0] > 0


def test_closings_and_evaluations_are_kept_in_order_and_once(ledger):
    for step in (-1, 0, 1):
        ledger.close_step(1, step, f"sha{step}", {"loss": 0.1})
    assert [(step, sha) for step, sha, _ in ledger.closings(1)] == [(-1, "sha-1"), (0, "sha0"), (1, "sha1")]
    check_refused(ledger, "the end of step 1", ledger.close_step, 1, 1, "other", {})
    ledger.evaluate(1, 8, {("test", "final"): (0.7, {"parts": [1.0, None]}), ("reward", "final"): (0.6, {})})
    ledger.evaluate(1, 4, {("test", "final"): (0.5, {})})
    rows = [(r["labels"], r["part"], r["value"], r["details"]) for r in ledger.evaluations(1)]
    assert rows == [(4, "test", 0.5, {}), (8, "reward", 0.6, {}), (8, "test", 0.7, {"parts": [1.0, None]})]
    both = {("new", "final"): (0.1, {}), ("test", "final"): (0.9, {})}
    check_refused(ledger, "evaluation at 8", ledger.evaluate, 1, 8, both)  # all of it or nothing
    with pytest.raises(ValueError, match="JSON"):
        ledger.close_step(1, 2, "sha", {"loss": float("nan")})
    assert len(ledger.closings(1)) == 3


def filled(ledger) -> None:
    """Something in every table."""
    question, _ = ask(ledger, 0, 0, 1)
    ledger.answer(question.id, YES)
    ledger.close_step(1, 0, "sha", {})
    ledger.evaluate(1, 4, {("test", "final"): (0.5, {})})


def test_no_hand_can_change_what_is_written(ledger):
    """Not by UPDATE, DELETE or OR REPLACE in a connection without any of our settings."""
    filled(ledger)
    before = contents(ledger)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert len(tables) == 11
        for table in tables:
            assert db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] > 0, table
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            attacks = [f"DELETE FROM {table}", f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"]
            attacks += [f"UPDATE OR REPLACE {table} SET {c} = 7" for c in columns if (table, c) != ("games", "spent")]
            attacks += [
                "UPDATE games SET spent = spent - 1",
                "UPDATE games SET spent = 9",
                "UPDATE games SET budget = 7",
            ]
            attacks += [f"REPLACE INTO {table} ({columns[0]}) SELECT {columns[0]} FROM {table}"]
            for attack in attacks:
                with pytest.raises(sqlite3.IntegrityError):
                    db.execute(attack)
    assert contents(ledger) == before


def test_a_replacing_question_does_not_buy_twice(ledger):
    filled(ledger)
    row = "(id, game, step, position, unit, source, cost) VALUES (1, 1, 0, 0, 'b@0', 'b', 0)"
    with closing(sqlite3.connect(ledger.path)) as db, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(f"INSERT OR REPLACE INTO questions {row}")


def test_a_reader_is_never_in_the_way_of_a_writer(ledger):
    ask(ledger, 0, 0)
    with closing(Ledger.read(ledger.path)) as reader:
        with ledger._transaction("a test"):
            ledger._db.execute("INSERT INTO steps VALUES (1, 1, '{}')")
            assert reader.step_details(1, 1) is None  # sees the last commit, at once
            with closing(Ledger.read(ledger.path)) as late:
                assert late.counts(1) == {"questions": 1, "answers": 0}
        assert reader.step_details(1, 1) == {}
        assert reader.about == {"seed": "3"}
        with pytest.raises(QueristError, match="cannot be opened"):
            reader.close_step(1, 0, "sha", {})


def test_reading_a_damaged_run_is_explained(ledger):
    for step in range(4):
        ask(ledger, step, step)
    page = ledger._db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'questions'").fetchone()[0]
    ledger.close()
    data = bytearray(ledger.path.read_bytes())
    data[4096 * (page - 1) : 4096 * page] = b"\xff" * 4096
    ledger.path.write_bytes(data)
    with pytest.raises(QueristError, match=r"ledger\.sqlite: the run file is damaged"):
        Ledger.open(ledger.path)
    with closing(Ledger.read(ledger.path)) as reader, pytest.raises(QueristError, match="damaged"):
        reader.questions(1, POOL)


def test_lines_and_answers_up_to_one(ledger):
    for step, (unit, details) in enumerate([(0, {}), (1, {"after": -1}), (2, {"after": 0}), (3, {})]):
        ledger.ask(1, step, POOL, [Asking(unit)], details)
    assert ledger.goes_on_from(1) == {1: -1, 2: 0}
    for question in (2, 1, 4):
        ledger.answer(question, YES)
    assert [question for _, question, _, _ in ledger.answers(1, 0, 2)] == [2, 1]
    assert [question for _, question, _, _ in ledger.answers(1, 1, 3)] == [1, 4]
    assert ledger.turns(1) == [(1, 1), (0, 2), (3, 3)]


def test_a_step_is_over_with_the_last_of_its_first_answers(ledger):
    one, two = ledger.ask(1, 0, POOL, [Asking(0), Asking(1)], {})
    ledger.answer(two.id, YES)
    assert ledger.turns(1) == []
    ledger.answer(two.id, NO, 1)
    ledger.answer(one.id, None)
    ledger.answer(two.id, YES, 2)
    assert ledger.turns(1) == [(0, 3)]
