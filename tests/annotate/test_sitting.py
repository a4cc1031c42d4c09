"""People answer a run: what they do comes into the ledger, and the run goes on as if it had been known before."""

import re
import threading
from collections import Counter
from dataclasses import replace

import pytest

from annotate.people_run import BROWSER, PLAN, Person, answer_all, deploy, opened, replay, state, truth
from querist.annotate.desk import AlreadyAnsweredError, Asked, Nothing, UnknownQuestionError
from querist.core.oracle import SimulatedOracle
from querist.core.update import Updates
from tiny_people import tiny_people, tiny_task

SHORT = replace(PLAN, marks=(24,), close_every=8, update_every=8)


class Knowing(SimulatedOracle):
    """Knows everybody, and cannot tell every seventh time: the same answers as the person's."""

    def collect(self):
        return iter([(question, None if question % 7 == 0 else answer) for question, answer in super().collect()])


def simulated(folder, plan=SHORT):
    with deploy(folder, plan=plan, oracle=Knowing(tiny_task()), updates=Updates()) as run:
        list(run.play())
        return state(run)


def test_a_run_that_people_answer_is_the_simulated_one(tmp_path):
    receipts, events, found = answer_all(tmp_path / "people", plan=SHORT)
    assert found == simulated(tmp_path / "simulated")
    assert [r.question for r in receipts] == list(range(1, 25))
    assert all(r.counted for r in receipts)
    assert Counter(events) == {"start": 1, "step": 24, "waiting": 24, "mark": 1, "done": 1}


def test_another_day(tmp_path):
    whole = simulated(tmp_path / "whole")
    for day, count in enumerate((5, 9, 100)):
        receipts, _, found = answer_all(tmp_path / "run", plan=SHORT, count=count)
        assert all(r.counted for r in receipts), day
    assert found == whole


def clumsy(data, run, desk, every, seen):
    """Says the wrong thing every few questions and takes it back at once, from the second thought on."""

    def say(asked):
        right = truth(data, run, asked.id) if asked.revision == 0 else seen[asked.id]
        if asked.revision == 0 and asked.id % every == 0 and asked.id % 8:
            seen[asked.id] = right
            return "different" if right == "same" else "same"
        return right

    return say


class Clumsy(Person):
    """After a wrong answer looks at the next question, then takes the answer back."""

    def __init__(self, desk, oracle, say, wrong, count=10**6):
        super().__init__(desk, oracle, say, count)
        self.wrong, self.undone = wrong, []

    def run(self):
        plain = self.desk.answer

        def answer(browser, question, revision, choice):
            receipt = plain(browser, question, revision, choice)
            if revision == 0 and question in self.wrong:
                shown = self.desk.next(BROWSER)
                again = self.desk.undo(BROWSER, question, 0)
                self.undone.append((question, shown.id, again and (again.id, again.revision)))
            return receipt

        self.desk.answer = answer
        super().run()


def clumsily(folder, every, count=10**6):
    with opened(folder, plan=SHORT) as (run, desk, oracle, sitting):
        wrong = {}
        person = Clumsy(desk, oracle, clumsy(tiny_people(), run, desk, every, wrong), wrong, count)
        person.start()
        for _ in sitting.play():
            pass
        person.join(20)
        assert person.error is None
        return person.undone, state(run)


@pytest.mark.parametrize("slip", [3, 5, 11, 13, 22])  # before anything is learned, and in each of the windows
def test_an_answer_that_is_taken_back_was_never_learned(tmp_path, slip):
    """What the policy has become, replay and all, is what it becomes of right answers alone."""
    undone, found = clumsily(tmp_path / "clumsy", every=slip, count=slip + 1)
    assert undone == [(slip, slip + 1, (slip, 1))]
    _, _, right = answer_all(tmp_path / "right", plan=SHORT, count=slip)
    assert found["policy"] == right["policy"]
    # Of the questions only the next one may differ: it was chosen by the wrong answer, and stands.
    assert found["questions"][:slip] == right["questions"][:slip]
    assert len(found["questions"]) == len(right["questions"]) == slip + 1


def test_a_wrong_answer_that_stays_is_learned(tmp_path):
    """Or the test above would hold of a policy that learns nothing."""

    def told(folder, last):
        return answer_all(folder, plan=SHORT, count=13, say=lambda q: last if q.id == 13 else "different")[2]

    right, wrong = told(tmp_path / "right", "different"), told(tmp_path / "wrong", "same")
    assert right["questions"][:12] == wrong["questions"][:12]
    assert right["policy"] != wrong["policy"]


@pytest.mark.parametrize("stop", [3, 5, 14])  # 5: right after the second answer to question 4
def test_taken_up_after_undos_it_goes_on_as_if_it_had_not_been_stopped(tmp_path, stop):
    _, whole = clumsily(tmp_path / "whole", every=4)
    with opened(tmp_path / "cut", plan=SHORT) as (run, desk, oracle, sitting):
        wrong = {}
        person = Clumsy(desk, oracle, clumsy(tiny_people(), run, desk, 4, wrong), wrong, stop)
        person.start()
        list(sitting.play())
        person.join(20)
    with opened(tmp_path / "cut", plan=SHORT) as (run, desk, oracle, sitting):
        person = Clumsy(desk, oracle, clumsy(tiny_people(), run, desk, 4, wrong), wrong)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
        assert state(run) == whole


@pytest.mark.parametrize("stop", [7, 8])  # the eighth answer closes steps and lets the model learn
def test_after_a_restart_the_last_answer_can_still_be_taken_back(tmp_path, stop):
    answer_all(tmp_path, plan=SHORT, count=stop)
    with opened(tmp_path, plan=SHORT) as (run, desk, oracle, sitting):
        found = {}

        def look():
            try:
                while not isinstance(found.get("shown"), Asked):  # until it is prepared
                    found["shown"] = desk.next(BROWSER)
                found["undo"] = desk.undoable(BROWSER)
                found["again"] = desk.undo(BROWSER, stop, 0)
                found["receipt"] = desk.answer(BROWSER, stop, 1, "unknown")
                desk.next(BROWSER)
            finally:
                oracle.close()

        person = threading.Thread(target=look)
        person.start()
        list(sitting.play())
        person.join(20)
        assert found["shown"].id == stop + 1
        assert (found["undo"].question, found["undo"].revision) == (stop, 0)
        assert (found["again"].id, found["again"].revision) == (stop, 1)
        assert found["receipt"].counted
        *_, (_, question, _, blob) = run.ledger.answers(run.ledger.game()["id"])
        assert (question, blob) == (stop, None)


def test_between_undo_and_the_new_answer_the_first_one_is_in_force(tmp_path):
    """The page that pressed undo before the kill may still give its new answer afterwards."""
    with opened(tmp_path, plan=SHORT) as (run, desk, oracle, sitting):
        person = Person(desk, oracle, lambda asked: "same", 3)
        person.start()
        list(sitting.play())
        person.join(20)
    with opened(tmp_path, plan=SHORT) as (run, desk, oracle, sitting):
        events = sitting.play()
        while next(events).kind != "waiting":
            pass
        shown = desk.next(BROWSER)
        assert (shown.id, shown.revision) == (4, 0)
        assert desk.undoable(BROWSER).label == "Undo “Same”"

        def late(asked):
            return desk.answer(BROWSER, 3, 1, "different") and "same"

        person = Person(desk, oracle, late, 1)
        person.start()
        list(events)
        person.join(20)
        assert person.error is None
        said = [run.ledger.decode(blob).item() for _, q, _, blob in run.ledger.answers(1) if q == 3]
        assert said == [True, False]


def test_one_can_go_back_one_answer_after_another(tmp_path):
    """At question 5 the person goes back over 4 and 3 to 2, and gives that one anew."""
    seen = []

    def say(asked):
        if asked.id == 5 and not seen:
            for question in (4, 3, 2):
                undo = desk.undoable(BROWSER)
                assert (undo.question, undo.revision, undo.label) == (question, 0, "Undo “Different”")
                assert desk.undo(BROWSER, question, 0).revision == 1
            assert desk.next(BROWSER).id == 2
            assert desk.answer(BROWSER, 2, 1, "same").counted
            desk.next(BROWSER)
            seen.append(desk.undoable(BROWSER))
        return "different"

    with opened(tmp_path, plan=SHORT) as (run, desk, oracle, sitting):
        person = Person(desk, oracle, say, 8)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
        said = [(q, run.ledger.decode(blob).item()) for _, q, _, blob in run.ledger.answers(1)]
    assert (seen[0].question, seen[0].revision, seen[0].label) == (2, 1, "Undo “Same”")
    assert [entry for entry in said if entry[0] in (2, 3, 4)] == [(2, False), (3, False), (4, False), (2, True)]


def test_an_answer_can_be_corrected_later_and_its_window_learned_from_the_first(tmp_path):
    """Question 1 at question 3, question 8, the last of its window, at question 9."""
    seen = {}

    def say(asked):
        seen[asked.id] = desk.undoable(BROWSER)
        if asked.id == 3:
            assert desk.undo(BROWSER, 1, 0) is None  # the one after it comes first
            assert desk.answer(BROWSER, 1, 1, "same").counted
        if asked.id == 4:
            with pytest.raises(UnknownQuestionError, match="no such choice"):
                desk.answer(BROWSER, 4, 0, "perhaps")
            with pytest.raises(UnknownQuestionError, match="not asked"):
                desk.answer(BROWSER, 99, 0, "same")
            assert not desk.answer(BROWSER, 3, 0, "different").counted
            with pytest.raises(AlreadyAnsweredError):
                desk.answer(BROWSER, 3, 0, "same")
        if asked.id == 9 and not seen[9].revision:
            again = desk.undo(BROWSER, 8, 0)
            assert (again.id, again.revision, again.note) == (8, 1, "You are correcting an answer. It was “Different”.")
            assert desk.next(BROWSER) == again
            assert desk.undoable(BROWSER).question == 7
            assert desk.answer(BROWSER, 8, 1, "same").counted
        return "different"

    with opened(tmp_path, plan=SHORT) as (run, desk, oracle, sitting):
        person = Person(desk, oracle, say, 10)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
        assert {q: undo and undo.question for q, undo in seen.items()} == {1: None, **{q: q - 1 for q in range(2, 11)}}
        assert desk.progress().answered in (9, 10)
        view = run.game.view
        first, later = view.labels(8), view.labels()
        assert [bool(a) for a in first.answers] == [True, *[False] * 7]
        assert [bool(a) for a in later.answers][:8] == [True, *[False] * 6, True]
        found = state(run)
    with opened(replay(tmp_path), plan=SHORT) as (run, _, oracle, sitting):
        oracle.close()
        list(sitting.play())
        assert state(run) == found


def test_somebody_else_waits_for_the_lease(tmp_path):
    def say(asked):
        if asked.id == 2:
            other = desk.next("another")
            assert isinstance(other, Nothing)
            assert "Others are answering" in other.note
            assert desk.undoable("another") is None
            assert desk.undo("another", 1, 0) is None
        return "different"

    with opened(tmp_path, plan=SHORT) as (_, desk, oracle, sitting):
        person = Person(desk, oracle, say, 3)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None


def test_an_undo_that_is_left_alone_holds_nothing_up(tmp_path):
    """Whoever takes over gets the question that stands open."""
    with opened(tmp_path, plan=SHORT, lease=0.05) as (_, desk, oracle, sitting):
        seen = []

        def say(asked):
            if asked.id == 3:
                assert desk.undo(BROWSER, 2, 0).id == 2
                assert desk.next(BROWSER).id == 2
                while not isinstance(other := desk.next("another"), Asked):
                    pass
                seen.append(other.id)
            return "same"

        person = Person(desk, oracle, say, 3)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
        assert seen == [3]


def test_what_is_shown_tells_nobody_who_it_is(tmp_path):
    found = []

    def say(asked):
        found.append((asked, desk.progress(), [desk.picture(asked.id, p.name) for p in asked.pictures]))
        with pytest.raises(UnknownQuestionError, match="no such picture"):
            desk.picture(asked.id, "train")
        return "same" if asked.id == 1 else "different"

    with opened(tmp_path, plan=SHORT) as (run, desk, oracle, sitting):
        person = Person(desk, oracle, say, 3)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
        sources = run.parts.pool
    first, second, third = (asked for asked, _, _ in found)
    assert first.prompt == "Is this the same person?"
    assert [c.key for c in first.choices] == ["s", "d", "c"]
    assert [p.caption.split(",")[0] for p in first.pictures] == ["Query", "Candidate"]
    assert all("camera" in p.alt for p in first.pictures)
    assert len(first.context) == 6
    assert [n.state for n in first.context].count("present") == 1
    assert first.context[[n.name for n in first.context].index(first.pictures[1].name)].state == "present"
    states = Counter(n.state for n in third.context)
    assert (states["yes"], states["no"]) == (1, 1)
    assert second.pictures[0] == first.pictures[0]
    assert not any(sources.source_name(i) in repr(found) for i in range(sources.source_count))
    assert all(re.fullmatch("[0-9a-f]{20}", n.name) for n in (*first.pictures, *first.context))
    assert all(image.data.startswith(b"\xff\xd8") for _, _, images in found for image in images)
    assert [(p.answered, p.remaining, p.finished, p.unit) for _, p, _ in found] == [
        (0, 24, False, "pairs"), (1, 23, False, "pairs"), (2, 22, False, "pairs")
    ]  # fmt: skip
