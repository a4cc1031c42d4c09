"""The last answer can be taken back like any other: the end waits a moment for whoever looks at it."""

import threading
from dataclasses import replace

import pytest

from annotate import people_run
from annotate.people_run import BROWSER, PLAN, answer_all, opened, replay, state, truth
from querist.annotate.desk import AlreadyAnsweredError, Asked, Nothing
from querist.annotate.oracle import PeopleOracle
from querist.annotate.pair_cards import CHOICES, VALUES
from querist.annotate.run_desk import Board, Card, RunDesk
from tiny_people import tiny_people

SHORT = replace(PLAN, marks=(6, 12), close_every=4, update_every=4)
DATA = tiny_people()
TURNED = {"same": "different", "different": "same", "unknown": "same"}


class Hesitating(threading.Thread):
    """Answers what is asked; the last one wrongly. Then does something else, and closes the page.

    Args:
        play: (run, desk, oracle) of a sitting.
        then: called with this once all is answered.
        last: the number of the last question; None: whichever it is, nobody knows before.
    """

    def __init__(self, play, then, last=12, who=BROWSER):
        super().__init__()
        self.play, self.desk, self.oracle = play
        self.then, self.last, self.who, self.error = then, last, who, None
        self.answered = 0

    def run(self):
        try:
            while isinstance(found := self.next(), Asked):
                right = truth(DATA, self.play, found.id)
                self.desk.answer(self.who, found.id, 0, TURNED[right] if found.id == self.last else right)
                self.answered = found.id
            assert found.reason == "done"
            self.then(self)
        except Exception as error:
            self.error = error
        finally:
            self.oracle.close()

    def next(self):
        while isinstance(found := self.desk.next(self.who), Nothing) and found.reason == "waiting":
            pass
        return found

    def take_back(self, choice):
        """The last answer, as the page does it."""
        undo = self.desk.undoable(self.who)
        again = self.desk.undo(self.who, undo.question, undo.revision)
        assert self.desk.next(self.who) == again
        assert self.desk.undoable(self.who) != undo
        assert self.desk.answer(self.who, again.id, again.revision, choice).counted
        return again


def sit(folder, then, last=12, **more):
    """How a run stands after a sitting of somebody who hesitates."""
    with opened(folder, plan=more.pop("plan", SHORT), **more) as (run, desk, oracle, sitting):
        person = Hesitating((run, desk, oracle), then, last)
        person.start()
        events = [(event.kind, event.spent) for event in sitting.play()]
        oracle.close()
        person.join(20)
        if person.error:
            raise person.error
        return events, state(run), person


def from_the_ledger(folder, plan=SHORT):
    with opened(replay(folder), plan=plan) as (run, _, oracle, sitting):
        oracle.close()
        list(sitting.play())
        return state(run)


def test_the_last_network_learns_from_the_answer_that_was_given_in_its_place(tmp_path):
    def mend(person):
        progress = person.desk.progress()
        assert (progress.answered, progress.remaining, progress.finished) == (12, 0, True)
        assert person.desk.undoable(BROWSER).question == 12
        again = person.take_back("unknown")
        assert (again.id, again.revision) == (12, 1)
        assert person.next().reason == "done"
        assert (person.take_back(truth(DATA, person.play, 12)).id, person.next().reason) == (12, "done")

    whole = answer_all(tmp_path / "whole", plan=SHORT)[2]
    _, wrong, _ = sit(tmp_path / "wrong", lambda person: None)
    events, found, _ = sit(tmp_path / "mended", mend)
    assert events[-2:] == [("mark", 12), ("done", 12)]
    assert found["questions"] == whole["questions"]
    assert found["models"] == whole["models"]
    assert found["models"]["labels-000012.safetensors"] != wrong["models"]["labels-000012.safetensors"]
    assert from_the_ledger(tmp_path / "mended") == found


@pytest.fixture
def few(monkeypatch):
    """Pairs run out: two neighbours beside an anchor, and no more."""
    monkeypatch.setattr(people_run, "SETTINGS", {"neighbours": 2, "mutual": 1, "per_anchor": 2, "shells": 1})


def test_also_where_nothing_is_left_to_ask_and_then_the_agent_learns_anew(tmp_path, few):
    """There the last step was not closed yet. What was spent is measured, and not the budget."""
    plan = replace(PLAN, marks=(5, 200), update=0, close_every=1000, update_every=1000)

    def mend(person):
        assert person.desk.undoable(BROWSER).question == person.answered
        person.take_back(TURNED[truth(DATA, person.play, person.answered)])
        assert person.next().reason == "done"

    _, right, person = sit(tmp_path / "right", lambda person: None, None, plan=plan)
    last = person.answered
    assert 20 < last < 200
    _, turned, _ = sit(tmp_path / "turned", lambda person: None, last, plan=plan)
    events, found, _ = sit(tmp_path / "run", mend, None, plan=plan)
    assert events[-2:] == [("mark", last), ("done", last)]
    assert list(found["models"]) == ["labels-000005.safetensors", f"labels-{last:06d}.safetensors"]
    assert [step for step, _ in found["closings"]] == [-1, 4, last - 1]
    assert found == turned  # as if the first answer had never been given
    assert found["policy"] != right["policy"]
    assert from_the_ledger(tmp_path / "run", plan) == found


def test_who_looks_or_corrects_is_waited_for_and_who_leaves_is_not():
    """Seconds pass by hand."""
    now, oracle = [0.0], PeopleOracle()
    oracle.remember([(12, VALUES["same"])])
    desk = RunDesk(oracle, VALUES, lambda source: b"", lease=60.0, clock=lambda: now[0])
    last = Card(Asked(12, "The same?", CHOICES, ()), "anchor", {})
    desk.show(Board(12, 12, past=[last], last=(12, None), nothing=Nothing("done"), lingers=True))

    def after(seconds):
        now[0] += seconds
        return desk.lingers()

    assert (after(1.0), after(1.0)) == (True, False)  # nobody comes
    assert desk.next("a") == desk.next("b") == Nothing("done")
    assert (after(1.0), after(1.0)) == (True, False)  # both closed the page
    desk.next("a")
    assert after(0.0)
    assert desk.undoable("a").label == "Undo “Same”"
    assert desk.undo("a", 12, 0).revision == 1
    assert after(59.0)  # looks at the pictures
    desk.next("a")
    assert not after(2.0)  # but nobody looks at two pictures for ever
    for _ in range(60):
        desk.next("b")
        assert not after(1.0)


def test_when_it_is_over_it_is_too_late(tmp_path):
    def stay(person):
        person.desk.undo(BROWSER, 12, 0)
        person.oracle.close()
        while person.desk.next(BROWSER) != Nothing("done"):
            pass
        assert person.desk.undoable(BROWSER) is None
        assert person.desk.undo(BROWSER, 11, 0) is None
        assert person.desk.conflicts() == ()
        with pytest.raises(AlreadyAnsweredError, match="too late"):
            person.desk.answer(BROWSER, 12, 1, "same")

    sit(tmp_path, stay)


def test_after_a_restart_whoever_comes_may_take_the_last_answer_back(tmp_path):
    with opened(tmp_path, plan=SHORT) as (run, desk, oracle, sitting):
        person = Hesitating((run, desk, oracle), lambda person: None)
        person.start()
        for event in sitting.play():
            if (event.kind, event.spent) == ("step", 12):
                break  # killed
        person.oracle.close()
        desk.show(replace(desk._board, cards=(), nothing=Nothing("done")))
        person.join(20)
    events, found, _ = sit(tmp_path, lambda person: person.take_back("unknown"))
    assert events[-1] == ("done", 12)
    assert found["questions"][-1][-1] is None
    assert from_the_ledger(tmp_path) == found
    again, found_again, _ = sit(tmp_path, lambda person: None)  # measured: nothing is waited for
    assert again == [("done", 12)]
    assert found_again == found
