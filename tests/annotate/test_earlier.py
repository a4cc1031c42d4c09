"""Answers of an earlier run: which they are, that they are kept, and that only they are given without people."""

import numpy as np
import pytest

from querist.annotate.earlier import EARLIER, EarlierAnswers, answers_of, keep_answers, kept_answers
from querist.annotate.oracle import PeopleOracle
from querist.core.ledger import Asking, Ledger, Question
from querist.core.pool import PairPool
from querist.core.problem import Setup
from querist.core.split import Role, Split
from querist.errors import QueristError
from tiny_people import tiny_task

POOL = PairPool([f"train/{name}" for name in "abcde"])
SPLIT = Split(np.full(5, Role.POOL, dtype=np.int8))
YES, NO = np.array(True), np.array(False)


def pair(two):
    return POOL.unit(f"train/{two[0]}~train/{two[1]}")


def a_run(folder, about=None, said=()):
    """A ledger in which each pair got its answers, one after another."""
    ledger = Ledger.create(folder / "ledger.sqlite", about or {"answers": "people", "data_hash": "d"})
    game = ledger.start_game(POOL, SPLIT, 9)
    if said:
        questions = ledger.ask(game, 0, POOL, [Asking(pair(two)) for two, _ in said], {})
        for question, (_, answers) in zip(questions, said, strict=True):
            for revision, answer in enumerate(answers):
                ledger.answer(question.id, answer, revision)
    ledger.close()
    return folder


def wanted(data_hash="d"):
    return Setup(POOL, tiny_task(), SPLIT, data_hash)


def plain(answers):
    return {unit: None if answer is None else bool(answer) for unit, answer in answers.items()}


def test_the_latest_answer_counts_and_unanswered_questions_are_unknown(tmp_path):
    said = [("ab", [YES]), ("cd", [YES, None, NO]), ("ae", [YES, None]), ("bc", [])]
    found = answers_of(a_run(tmp_path, said=said), wanted())
    assert plain(found) == {"train/a~train/b": True, "train/c~train/d": False, "train/a~train/e": None}
    keep_answers(tmp_path, found)
    assert plain(kept_answers(tmp_path)) == plain(found)
    assert all(answer is None or answer.dtype == bool for answer in kept_answers(tmp_path).values())


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"data_hash": "d"}, "holds a run that answers itself"),
        ({"answers": "people", "data_hash": "e"}, r"about other data \(hash e, not d\)"),
    ],
)
def test_a_run_that_will_not_do_is_named(tmp_path, about, words):
    with pytest.raises(QueristError, match=words):
        answers_of(a_run(tmp_path, about), wanted())


def test_where_there_is_no_run(tmp_path):
    with pytest.raises(QueristError, match="there is no run here"):
        answers_of(tmp_path, wanted())


@pytest.mark.parametrize("text", [None, "", "[1]", '{"a": '])
def test_a_copy_that_cannot_be_read_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / EARLIER).write_text(text)
    with pytest.raises(QueristError, match=f"{EARLIER}: the answers of an earlier run cannot be read"):
        kept_answers(tmp_path)


def question(number, two):
    return Question(number, pair(two), number, 0, 1)


def test_what_is_known_is_answered_at_once_and_the_rest_by_people():
    people = PeopleOracle()
    oracle = EarlierAnswers({"train/a~train/b": YES, "train/c~train/d": None}, POOL, people)
    oracle.submit([question(1, "ab"), question(2, "ac"), question(3, "cd")])
    assert [q.id for q in people.open] == [2]
    assert list(oracle.collect()) == [(1, YES), (3, None)]
    assert [people.revisions(n) for n in (1, 2, 3)] == [1, 0, 1]
    oracle.submit([question(1, "ab"), question(2, "ac")])  # again, as after a restart
    assert list(oracle.collect()) == []


def test_an_answer_that_was_not_kept_is_given_again():
    oracle = EarlierAnswers({"train/a~train/b": YES}, POOL, PeopleOracle())
    oracle.submit([question(1, "ab")])
    assert next(oracle.collect()) == (1, YES)  # and the ledger failed
    assert list(oracle.collect()) == [(1, YES)]
    assert list(oracle.collect()) == []


def test_a_known_answer_can_be_corrected():
    people = PeopleOracle(patience=0)
    oracle = EarlierAnswers({"train/a~train/b": YES}, POOL, people)
    oracle.submit([question(1, "ab")])
    list(oracle.collect())
    with pytest.raises(QueristError, match="could not be kept yet"):  # nobody collects here
        people.answer(1, NO, revision=1)
    assert list(oracle.corrections()) == [(1, NO, 1)]
