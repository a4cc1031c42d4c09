import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from querist.core.ledger import Asking, Ledger, LedgerRuleError
from querist.core.pool import ColumnarPool, PairPool
from querist.core.split import Split
from querist.core.view import GameView

POOL = ColumnarPool([f"s{i}" for i in range(6)], ["@0", "@1"], cost=2)
SPLIT = Split(np.array([1, 1, 1, 1, 2, 5], dtype=np.int8))
GIVEN = np.array([4])
POOL_UNITS = set(range(8))


def as_rows(labels):
    return [(int(u), a.tolist()) for u, a in zip(labels.units, labels.answers, strict=True)]


@pytest.fixture
def ledger(tmp_path):
    with closing(Ledger.create(tmp_path / "ledger.sqlite", {})) as ledger:
        ledger.start_game(POOL, SPLIT, 16)
        yield ledger


def look(ledger, before=None):
    return GameView(ledger, 1, POOL, SPLIT, GIVEN, before)


def ask(ledger, step, *units):
    return ledger.ask(1, step, POOL, [Asking(u) for u in units], {})


def test_who_may_still_be_asked(ledger):
    view = look(ledger)
    assert view.free_units().tolist() == list(range(8))  # the pool's sources alone
    for question in ask(ledger, 0, 3, 2, 6):
        view.note_asked(question)
    assert view.free_units().tolist() == [0, 1, 4, 5, 7]
    assert view.was_asked(np.array([3, 4, 6])).tolist() == [True, False, True]
    assert view.asked_per_source().tolist() == [0, 2, 0, 1, 0, 0]
    view.asked_per_source()[:] = 9  # a copy
    assert view.asked_per_source().tolist() == [0, 2, 0, 1, 0, 0]
    assert (view.asked, view.exhausted) == (3, False)
    ask(ledger, 1, 0, 1, 4, 5, 7)
    assert look(ledger).exhausted


def test_answers_count_in_the_order_they_came_and_corrections_replace(ledger):
    first, second, third = ask(ledger, 0, 0, 1, 2)
    view = look(ledger)
    ledger.answer(third.id, np.array([30]))
    ledger.answer(first.id, None)
    view.refresh()
    assert as_rows(view.labels()) == [(2, [30])]
    assert (view.answered(first.id), view.answered(second.id)) == (True, False)
    assert view.answer(first.id) is None
    with pytest.raises(KeyError):
        view.answer(second.id)
    ledger.answer(second.id, np.array([20]))
    ledger.answer(first.id, np.array([10]), revision=1)
    ledger.answer(third.id, np.array([31]), revision=1)
    assert as_rows(view.labels()) == [(2, [30])]  # until it looks again
    view.refresh()
    assert as_rows(view.labels()) == [(2, [31]), (0, [10]), (1, [20])]  # a correction keeps its place
    assert as_rows(view.bought([second.id, third.id])) == [(2, [31]), (1, [20])]
    assert view.labels().given.tolist() == [4]
    assert view.bought([second.id]).given.tolist() == []
    ledger.answer(second.id, None, revision=1)
    view.refresh()
    assert as_rows(view.labels()) == [(2, [31]), (0, [10])]


def test_labels_at_a_budget_are_what_it_paid_for(ledger):
    """By what was spent when the question was asked, in whatever order the answers came."""
    questions = ask(ledger, 0, 5, 0) + ask(ledger, 1, 3)
    for question in reversed(questions):
        ledger.answer(question.id, np.array([question.unit]))
    view = look(ledger)
    bought = {spent: sorted(view.labels(spent).units.tolist()) for spent in range(8)}
    assert bought == {0: [], 1: [], 2: [5], 3: [5], 4: [0, 5], 5: [0, 5], 6: [0, 3, 5], 7: [0, 3, 5]}
    assert view.labels().units.tolist() == [3, 0, 5]


def test_labels_at_a_budget_know_nothing_of_later_corrections(ledger):
    """As the answers stood when so much had been spent; a running view and one of the file agree."""
    running = GameView(ledger, 1, POOL, SPLIT, GIVEN, 0, by_answers=True)
    for step, unit in enumerate((0, 1, 2)):
        (question,) = ask(ledger, step, unit)
        ledger.answer(question.id, np.array([unit]))
        running.note_asked(question)
        running.refresh(step + 1)
    ledger.answer(1, np.array([70]), revision=1)
    ledger.answer(2, None, revision=1)
    running.refresh(4)
    assert as_rows(running.labels()) == [(0, [70]), (1, [1]), (2, [2])]
    running.refresh()
    for view in (running, GameView(ledger, 1, POOL, SPLIT, GIVEN, 3, by_answers=True)):
        view.refresh()
        assert as_rows(view.labels(4)) == [(0, [0]), (1, [1])]
        assert as_rows(view.labels(3)) == [(0, [0])]
        assert as_rows(view.labels()) == [(0, [70]), (2, [2])]
        assert as_rows(view.bought([1, 2], 6)) == [(0, [0]), (1, [1])]
        assert as_rows(view.bought([1, 2])) == [(0, [70])]


def test_steps_count_as_they_are_answered_where_people_answer(ledger):
    first, second, third = (ask(ledger, step, unit)[0] for step, unit in enumerate((0, 1, 2)))
    for question in (third, first):
        ledger.answer(question.id, np.array([question.unit]))
    ledger.answer(first.id, np.array([5]), revision=1)
    assert ledger.turns(1) == [(2, 1), (0, 2)]
    view = GameView(ledger, 1, POOL, SPLIT, GIVEN, 1, by_answers=True)
    assert (view.turns, view.step_of(0), view.heard, view.spent) == (1, 2, 1, 2)
    assert as_rows(view.labels()) == [(2, [2])]
    view.note_asked(first)
    view.refresh(2)
    assert as_rows(view.labels()) == [(2, [2]), (0, [0])]
    assert view.step_of(1) == 0
    assert view.spent_after(0) == 4
    view.refresh()
    assert as_rows(view.labels()) == [(2, [2]), (0, [5])]
    with pytest.raises(IndexError):
        view.step_of(2)
    ledger.answer(second.id, None)
    assert [step for step, _ in ledger.turns(1)] == [2, 0, 1]


def test_a_step_about_to_be_played_again_is_left_out(ledger):
    done, again = ask(ledger, 0, 0, 1), ask(ledger, 1, 2)
    for question in done + again:
        ledger.answer(question.id, np.array([question.unit]))
    view = look(ledger, before=1)
    assert view.labels().units.tolist() == [0, 1]
    assert view.free_units().tolist() == [2, 3, 4, 5, 6, 7]
    view.note_asked(again[0])
    ledger.answer(done[0].id, np.array([9]), revision=1)
    view.refresh()
    whole = look(ledger)
    assert as_rows(whole.labels()) == [(0, [9]), (1, [1]), (2, [2])]
    assert as_rows(view.labels()) == as_rows(whole.labels())
    np.testing.assert_array_equal(view.free_units(), whole.free_units())


def test_a_correction_that_came_last_hides_no_answer_of_that_step(ledger):
    done, again = ask(ledger, 0, 0), ask(ledger, 1, 2)
    for question, value, revision in ((done[0], 0, 0), (again[0], 2, 0), (done[0], 9, 1)):
        ledger.answer(question.id, np.array([value]), revision)
    view = look(ledger, before=1)
    assert as_rows(view.labels()) == [(0, [9])]
    view.note_asked(again[0])
    view.refresh()
    assert as_rows(view.labels()) == [(0, [9]), (2, [2])]


def test_pairs_are_never_listed(tmp_path):
    pairs = PairPool(["a", "b", "c"])
    with closing(Ledger.create(tmp_path / "pairs.sqlite", {})) as ledger:
        ledger.start_game(pairs, Split(np.ones(3)), 3)
        ledger.ask(1, 0, pairs, [Asking(pairs.unit("b~c"))], {})
        view = GameView(ledger, 1, pairs, Split(np.ones(3)), GIVEN[:0])
        assert view.asked_per_source().tolist() == [0, 1, 1]
        assert view.was_asked(np.array([pairs.unit("c~b"), pairs.unit("a~b")])).tolist() == [True, False]
        assert not view.exhausted
        with pytest.raises(TypeError, match="cannot be listed"):
            view.free_units()


class Replay(RuleBasedStateMachine):
    """Whatever is asked, answered, corrected or refused: the file gives back D_L and the money at every moment."""

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.ledger = Ledger.create(Path(self.folder.name) / "ledger.sqlite", {})
        self.ledger.start_game(POOL, SPLIT, 12)
        self.running = look(self.ledger)
        self.asked: dict[int, int] = {}  # question -> unit, as they were asked
        self.answers: dict[int, list] = {}  # question -> revisions, by first answer
        self.step = 0

    @rule(units=st.lists(st.integers(0, 11), max_size=4))
    def ask(self, units):
        fair = len(set(units)) == len(units) and set(units) <= POOL_UNITS - set(self.asked.values())
        if fair and 2 * (len(self.asked) + len(units)) <= 12:
            questions = ask(self.ledger, self.step, *units)
            for question in questions:
                self.running.note_asked(question)
            self.asked |= {q.id: q.unit for q in questions}
            self.step += 1
        else:
            with pytest.raises(LedgerRuleError):
                ask(self.ledger, self.step, *units)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), value=st.none() | st.integers(0, 3))
    def answer(self, data, value):
        question = data.draw(st.sampled_from(sorted(self.asked)))
        revision = len(self.answers.get(question, []))
        for _ in range(2):  # the second time changes nothing
            self.ledger.answer(question, None if value is None else np.array([value]), revision)
        self.answers.setdefault(question, []).append(value)

    @rule()
    def open_again(self):
        path = self.ledger.path
        self.ledger.close()
        self.ledger = Ledger.open(path)
        self.running = look(self.ledger)

    @invariant()
    def the_ledger_knows_it_all(self):
        expected = [(self.asked[q], [r[-1]]) for q, r in self.answers.items() if r[-1] is not None]
        self.running.refresh()
        for view in (self.running, look(self.ledger)):
            assert as_rows(view.labels()) == expected
            assert set(view.free_units().tolist()) == POOL_UNITS - set(self.asked.values())
            assert view.asked == len(self.asked)
        assert self.ledger.money(1) == (2 * len(self.asked), 12)
        assert self.ledger.counts(1) == {"questions": len(self.asked), "answers": len(self.answers)}

    def teardown(self):
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.folder.cleanup()


Replay.TestCase.settings = settings(max_examples=12, stateful_step_count=12)
TestReplay = Replay.TestCase
