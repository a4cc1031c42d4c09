import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.annotate.desk import AlreadyAnsweredError, UnknownQuestionError, UnreadyError
from querist.annotate.oracle import PeopleOracle, digest
from querist.core.ledger import Asking, Ledger, Question
from querist.core.pool import ColumnarPool
from querist.core.split import Role, Split

YES, NO = np.array(True), np.array(False)


def question(number):
    return Question(number, number, 0, 0, 1)


class Owner(threading.Thread):
    """The thread of a deployment: collects and keeps, ``keep(question, answer, revision)``, until closed."""

    def __init__(self, oracle, keep):
        super().__init__()
        self.oracle, self.keep = oracle, keep
        self.stopped = False

    def run(self):
        while not self.stopped:
            self.oracle.wait()
            try:
                for number, answer in self.oracle.collect():
                    self.keep(number, answer, 0)
                for number, answer, revision in self.oracle.corrections():
                    self.keep(number, answer, revision)
            except OSError:
                continue

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        self.oracle.close()
        self.join(5)
        assert not self.is_alive()


def test_questions_are_open_until_answered():
    oracle = PeopleOracle(patience=0.0)
    oracle.submit([question(7), question(9)])
    oracle.submit([question(7)])
    assert [q.id for q in oracle.open] == [7, 9]
    with pytest.raises(UnreadyError, match="question 7"):
        oracle.answer(7, YES)  # nobody collects
    assert [q.id for q in oracle.open] == [9]
    oracle.submit([question(7)])  # a step that is played again
    assert [q.id for q in oracle.open] == [9]
    found = list(oracle.collect())
    assert [(n, a.item()) for n, a in found] == [(7, True)]
    assert list(oracle.collect()) == []
    assert not oracle.answer(7, YES)  # again: it is kept, and nothing comes of it
    assert list(oracle.collect()) == []


def test_an_answer_is_acknowledged_only_after_the_ledger_has_it(tmp_path):
    """A real ledger, written by its own thread; another connection must see the answer when answer() returns."""
    pool = ColumnarPool([f"image{i}" for i in range(6)])
    split = Split(np.full(6, int(Role.POOL), dtype=np.int8))
    path = tmp_path / "ledger.sqlite"
    oracle, ready = PeopleOracle(), threading.Event()
    asked = []

    def play():
        with_ledger = Ledger.create(path, {}, durable=True)
        game = with_ledger.start_game(pool, split, 6)
        asked.extend(with_ledger.ask(game, 0, pool, [Asking(unit) for unit in range(6)], {}))
        oracle.submit(asked)
        ready.set()
        while oracle.wait() and not closing.is_set():
            for number, answer in oracle.collect():
                with_ledger.answer(number, answer)
            for number, answer, revision in oracle.corrections():
                with_ledger.answer(number, answer, revision)
        with_ledger.close()

    closing = threading.Event()
    owner = threading.Thread(target=play)
    owner.start()
    assert ready.wait(10)
    reader = Ledger.read(path)
    for i, q in enumerate(asked):
        assert oracle.answer(q.id, None if i == 3 else np.array(i % 2 == 0))
        blobs = [blob for _, number, _, blob in reader.answers(1) if number == q.id]
        assert len(blobs) == 1
        assert (blobs[0] is None) == (i == 3)
    assert oracle.answer(asked[0].id, NO, revision=1)
    said = [reader.decode(blob).item() for _, number, _, blob in reader.answers(1) if number == asked[0].id]
    assert said == [True, False]
    closing.set()
    oracle.close()
    owner.join(10)
    reader.close()
    assert not owner.is_alive()


def test_what_the_ledger_refused_is_handed_out_again():
    kept, fail = [], [True]

    def keep(*entry):
        if fail.pop() if fail else False:
            raise OSError("disk full")
        kept.append(entry[0])

    oracle = PeopleOracle(patience=5)
    oracle.submit([question(1)])
    with Owner(oracle, keep):
        assert oracle.answer(1, YES)
    assert kept == [1]


def test_a_second_answer_is_only_a_correction():
    kept = []
    oracle = PeopleOracle(patience=5)
    oracle.submit([question(1)])
    with Owner(oracle, lambda *entry: kept.append(entry)):
        assert oracle.answer(1, YES)
        with pytest.raises(AlreadyAnsweredError, match="question 1"):
            oracle.answer(1, NO)
        with pytest.raises(AlreadyAnsweredError):
            oracle.answer(1, None)
        assert oracle.answer(1, None, revision=1)
        assert not oracle.answer(1, None, revision=1)
        assert not oracle.answer(1, YES)
        with pytest.raises(UnknownQuestionError):
            oracle.answer(1, YES, revision=3)
    assert [(n, a if a is None else a.item(), r) for n, a, r in kept] == [(1, True, 0), (1, None, 1)]


def test_a_nudge_wakes_and_every_commit_is_counted():
    oracle = PeopleOracle(patience=5)
    oracle.nudge()
    assert oracle.wait(0)
    assert not oracle.wait(0)
    oracle.submit([question(1)])
    with Owner(oracle, lambda *entry: None):
        oracle.answer(1, YES)
        oracle.answer(1, NO, revision=1)
        assert oracle.commits == 2
        assert [oracle.said(1, revision) for revision in (0, 1)] == [digest(YES), digest(NO)]
        with pytest.raises(IndexError):
            oracle.said(1, 2)


def test_only_what_was_asked_can_be_answered():
    oracle = PeopleOracle(patience=0.0)
    with pytest.raises(UnknownQuestionError, match="question 5 was not asked"):
        oracle.answer(5, YES)
    with pytest.raises(UnknownQuestionError):
        oracle.answer(5, YES, revision=1)


def test_a_new_process_knows_the_answers_of_the_one_before():
    oracle = PeopleOracle(patience=5)
    oracle.remember([(1, YES), (2, NO), (2, None)])
    oracle.submit([question(1), question(3)])
    assert [q.id for q in oracle.open] == [3]
    assert not oracle.answer(1, YES)
    assert not oracle.answer(2, None, revision=1)
    with pytest.raises(AlreadyAnsweredError):
        oracle.answer(1, NO)
    kept = []
    with Owner(oracle, lambda *entry: kept.append(entry)):
        assert oracle.answer(1, NO, revision=1)
        assert oracle.answer(3, YES)
    assert sorted((n, r) for n, _, r in kept) == [(1, 1), (3, 0)]


def test_closing_sends_away_who_waits():
    oracle = PeopleOracle(patience=60)
    oracle.submit([question(1)])
    told = []

    def ask():
        try:
            oracle.answer(1, YES)
        except UnreadyError as error:
            told.append(error.what)

    person = threading.Thread(target=ask)
    person.start()
    while oracle.open:
        pass
    oracle.close()
    person.join(5)
    assert len(told) == 1
    assert oracle.wait(0)
    with pytest.raises(UnreadyError):
        oracle.answer(1, YES)
    oracle.submit([question(2)])
    with pytest.raises(UnreadyError, match="closed"):
        oracle.answer(2, YES)


def test_waiting_ends_when_an_answer_comes_and_not_before():
    oracle = PeopleOracle(patience=0.0)
    oracle.submit([question(1)])
    assert not oracle.wait(0.0)
    with pytest.raises(UnreadyError):
        oracle.answer(1, None)
    assert oracle.wait(0.0)
    assert list(oracle.collect()) == [(1, None)]
    assert not oracle.wait(0.0)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([True, False, None])), max_size=30), st.integers(1, 3))
def test_many_people_at_once_and_each_answer_is_kept_once(posts, people):
    oracle, kept = PeopleOracle(patience=5), []
    oracle.submit([question(n) for n in range(6)])
    acknowledged = []

    def person(mine):
        for number, said in mine:
            try:
                new = oracle.answer(number, None if said is None else np.array(said))
            except AlreadyAnsweredError:
                continue
            acknowledged.append((number, said, new))

    with Owner(oracle, lambda n, a, r: kept.append((n, None if a is None else a.item()))):
        threads = [threading.Thread(target=person, args=(posts[i::people],)) for i in range(people)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(kept) == len({n for n, _ in kept}) == len({n for n, _ in posts})
    assert {(n, said) for n, said, _ in acknowledged} == set(kept)
    assert sorted(n for n, _, new in acknowledged if new) == sorted(n for n, _ in kept)
