"""Several people answer one run at once, each about another query; what comes of it follows from the ledger."""

import threading
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotate.people_run import PLAN, opened, replay, state, truth
from querist.annotate.background import Background
from querist.annotate.desk import Asked
from tiny_people import tiny_people, tiny_task

SHORT = replace(PLAN, marks=(24,), close_every=8, update_every=8)
FULL = "Others are answering all questions that are open. One appears here once somebody has stopped for a minute."
DATA = tiny_people()
TURNED = {"same": "different", "different": "same", "unknown": "same"}


class Company(threading.Thread):
    """Does what a script says: ``(browser, what)``, then closes the oracle.

    What: ``say`` the truth, ``slip`` (say something else), ``undo`` (and say the truth), ``look``.
    """

    def __init__(self, run, desk, oracle, script):
        super().__init__()
        self.play, self.desk, self.oracle, self.script = run, desk, oracle, script
        self.shown, self.sent_away, self.error, self.undone = [], [], None, 0
        self.lines = 0  # of the script that were begun

    def run(self):
        try:
            for number, (browser, what) in enumerate(self.script, 1):
                self.lines = number
                found = self.desk.next(browser)
                while not isinstance(found, Asked) and found.note != FULL:
                    if found.reason == "done":
                        return
                    found = self.desk.next(browser)
                if not isinstance(found, Asked):
                    self.sent_away.append(browser)
                    continue
                self.shown.append((browser, found.id, found.pictures[0].name))
                right = truth(DATA, self.play, found.id) if found.revision == 0 else "same"
                if what == "undo":
                    undo = self.desk.undoable(browser)
                    again = undo and self.desk.undo(browser, undo.question, undo.revision)
                    if again:
                        self.undone += 1
                        self.desk.answer(browser, again.id, again.revision, "same")
                elif what != "look":
                    self.desk.answer(browser, found.id, found.revision, right if what == "say" else TURNED[right])
        except Exception as error:
            self.error = error
        finally:
            self.oracle.close()


def sit(folder, script, people=2, **more):
    """What was shown to whom, how many answers were taken back, and how the run stands; a second is a line of it."""
    began: list[Company] = []

    def lines() -> float:
        return float(began[0].lines) if began else 0.0

    with opened(folder, plan=SHORT, people=people, clock=lines, **more) as (run, desk, oracle, sitting):
        company = Company(run, desk, oracle, script)
        began.append(company)
        company.start()
        list(sitting.play())
        company.join(20)
        if company.error:
            raise company.error
        return company.shown, company.undone, state(run)


def from_the_ledger(folder):
    """How a run stands that is played from the beginning, by what stands in the ledger alone."""
    with opened(replay(folder), plan=SHORT) as (run, _, oracle, sitting):
        oracle.close()
        list(sitting.play())
        return state(run)


def test_two_browsers_are_asked_about_two_people_and_keep_theirs(tmp_path):
    script = [(who, "say") for _ in range(12) for who in "ab"]
    shown, _, found = sit(tmp_path / "run", script)
    assert len({q for _, q, _ in shown}) == 24  # nobody is asked what another was
    anchors = {who: [anchor for by, _, anchor in shown if by == who] for who in "ab"}
    assert anchors["a"][0] != anchors["b"][0]
    for a, b in zip(anchors["a"], anchors["b"], strict=True):
        assert a != b
    for mine in anchors.values():  # four questions to an anchor, one after another
        assert [len(set(mine[i : i + 4])) for i in (0, 4, 8)] == [1, 1, 1]
    assert len({*anchors["a"], *anchors["b"]}) == 6
    assert from_the_ledger(tmp_path / "run") == found


def test_who_comes_later_begins_another_line_and_who_is_left_finishes_it(tmp_path):
    script = [*[("a", "say")] * 3, *[("b", "say")] * 2, *[("a", "say")] * 30]
    shown, _, found = sit(tmp_path / "run", script, lease=4.0)
    by_b = [anchor for who, _, anchor in shown if who == "b"]
    assert len(set(by_b)) == 1
    assert by_b[0] in [anchor for who, _, anchor in shown if who == "a"]  # b is gone: its anchor is a's now
    assert len(shown) == 24
    assert from_the_ledger(tmp_path / "run") == found


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["say", "say", "slip", "undo", "look"])), max_size=40
    ),
    cuts=st.lists(st.integers(1, 39), max_size=2, unique=True),
)
def test_however_people_come_and_go_the_ledger_tells_how_it_ended(tmp_path_factory, script, cuts):
    folder = tmp_path_factory.mktemp("side") / "run"
    ends = [0, *sorted(cuts), len(script)]
    for first, last in pairwise(ends):
        _, _, found = sit(folder, script[first:last], people=3)
    assert from_the_ledger(folder) == found


def test_each_takes_back_its_own_last_answer(tmp_path):
    script = [
        ("a", "slip"),
        ("b", "slip"),
        ("a", "undo"),
        ("b", "undo"),
        *[(who, "say") for _ in range(9) for who in "ab"],
    ]
    _, undone, found = sit(tmp_path / "run", script)
    assert undone == 2
    assert from_the_ledger(tmp_path / "run") == found


def test_no_more_at_once_than_may(tmp_path):
    with opened(tmp_path, plan=SHORT, people=2) as (run, desk, oracle, sitting):
        company = Company(run, desk, oracle, [(who, "look") for _ in range(3) for who in "abc"])
        company.start()
        list(sitting.play())
        company.join(20)
        assert company.error is None
        assert len(run.lines.questions) == 2
        assert company.sent_away == ["c"] * 3
        assert len({(who, question) for who, question, _ in company.shown}) == 2


class Late(Background):
    """Learns only once it may."""

    def __init__(self):
        super().__init__(tiny_task)
        self.may = threading.Event()

    def _learn(self, *args):
        assert self.may.wait(20)
        return super()._learn(*args)


def test_answers_are_kept_while_the_model_is_late(tmp_path):
    late, kept = Late(), []

    def say(desk, browser, asked=None):
        while not isinstance(asked, Asked):
            asked = desk.next(browser)
        desk.answer(browser, asked.id, asked.revision, "same")
        kept.append(asked.id)

    class Two(Company):
        def run(self):
            try:
                for browser in "ab" * 7:
                    say(self.desk, browser)
                others = self.desk.next("b")
                assert isinstance(others, Asked)
                for browser in "aa":  # the 16th answer: what the model learned of the first eight is due
                    say(self.desk, browser)
                say(self.desk, "b", others)
            except Exception as error:
                self.error = error
            finally:
                late.may.set()
                self.oracle.close()

    with opened(tmp_path / "run", plan=SHORT, people=2, updates=late) as (run, desk, oracle, sitting):
        company = Two(run, desk, oracle, [])
        company.start()
        list(sitting.play())
        company.join(20)
        assert company.error is None
        assert len(set(kept)) == 17
        found = state(run)
    assert from_the_ledger(tmp_path / "run") == found


@pytest.mark.parametrize("name", ["nearest_first", "random"])
def test_strategies_without_learning_too(tmp_path, name):
    script = [(who, "say") for _ in range(12) for who in "ab"]
    with opened(tmp_path / "run", name, plan=SHORT, people=2) as (run, desk, oracle, sitting):
        company = Company(run, desk, oracle, script)
        company.start()
        list(sitting.play())
        company.join(20)
        assert company.error is None
        found = state(run)
    with opened(replay(tmp_path / "run"), name, plan=SHORT) as (run, _, oracle, sitting):
        oracle.close()
        list(sitting.play())
        assert state(run) == found
