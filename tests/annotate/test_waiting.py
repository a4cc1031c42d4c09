"""Whoever answers waits for the ledger and for nothing else: not for the disk, nor for what was asked long ago."""

import threading
from dataclasses import replace

import pytest

from annotate.people_run import BROWSER, PLAN, Person, answer_all, opened, state, truth
from querist.annotate.desk import Asked, Nothing
from querist.annotate.run_desk import Board
from querist.core import snapshots
from querist.core.ledger import Ledger
from querist.errors import QueristError
from tiny_people import tiny_people

SHORT = replace(PLAN, marks=(24,), close_every=8, update_every=8)


class Disk:
    """Writes snapshots when it may."""

    def __init__(self, monkeypatch):
        self.may, self.asked = threading.Event(), 0
        self.may.set()
        write = snapshots.write_atomically

        def slowly(path, data):
            self.asked += 1
            assert self.may.wait(20)
            write(path, data)

        monkeypatch.setattr(snapshots, "write_atomically", slowly)


@pytest.fixture
def disk(monkeypatch):
    found = Disk(monkeypatch)
    yield found
    found.may.set()


def closed(run):
    return [step for step, _, _ in run.ledger.closings(1)]


def test_the_next_question_is_there_before_the_snapshot_is(tmp_path, disk):
    """At the end of a window, whose closing is written aside."""
    seen = {}

    def say(asked):
        if asked.id == 8:
            disk.may.clear()
        if asked.id in (9, 12):  # the eighth answer closed a step
            seen[asked.id] = disk.asked
        if asked.id == 12:
            disk.may.set()
        return truth(tiny_people(), run, asked.id)

    with opened(tmp_path / "run", plan=SHORT) as (run, desk, oracle, sitting):
        person = Person(desk, oracle, say)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
        assert seen == {9: 2, 12: 2}  # the first one is of the beginning
        assert closed(run) == [-1, 7, 15, 23]
        found = state(run)
    assert found == answer_all(tmp_path / "whole", plan=SHORT)[2]


def test_killed_while_a_snapshot_is_written_it_goes_on_from_the_one_before(tmp_path, disk, monkeypatch):
    whole = answer_all(tmp_path / "whole", plan=SHORT)[2]
    with opened(tmp_path / "run", plan=SHORT) as (run, desk, oracle, sitting):
        monkeypatch.setattr(run, "settle", lambda: None)  # nobody is there to wait for it

        def say(asked):
            if asked.id == 8:
                disk.may.clear()
            return truth(tiny_people(), run, asked.id)

        person = Person(desk, oracle, say, 11)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
        assert closed(run) == [-1]
        assert run.ledger.counts(1)["answers"] == 11
        disk.may.set()
    assert answer_all(tmp_path / "run", plan=SHORT)[2] == whole


def test_a_disk_that_is_full_is_said_and_no_answer_is_lost(tmp_path, monkeypatch):
    write = snapshots.write_atomically

    def full(path, data):
        raise QueristError(f"{path}: cannot be written (No space left on device)", "free some space")

    with opened(tmp_path / "run", plan=SHORT) as (run, desk, oracle, sitting):

        def say(asked):
            if asked.id == 8:
                monkeypatch.setattr(snapshots, "write_atomically", full)
            return truth(tiny_people(), run, asked.id)

        person = Person(desk, oracle, say)
        person.start()
        with pytest.raises(QueristError, match="No space left"):
            list(sitting.play())
        oracle.close()
        desk.show(Board(0, 0, nothing=Nothing("done")))  # for the person
        person.join(20)
        acknowledged = [receipt.question for receipt in person.receipts]
        assert {question for _, question, _, _ in run.ledger.answers(1)} >= set(acknowledged)
        assert closed(run) == [-1]
    monkeypatch.setattr(snapshots, "write_atomically", write)
    assert answer_all(tmp_path / "run", plan=SHORT)[2] == answer_all(tmp_path / "whole", plan=SHORT)[2]


def test_between_an_answer_and_the_next_question_little_is_read_however_many_there_were(tmp_path, monkeypatch):
    """Answers that contradict each other among them, which are looked up and drawn."""
    plan = replace(PLAN, marks=(60,), update_every=100, close_every=100)
    read, rows = Ledger._rows, [0]
    window = {}  # rows read since the answer before, by question

    def counted(self, sql, *values):
        found = read(self, sql, *values)
        rows[0] += len(found)
        return found

    def say(asked):
        window[asked.id], rows[0] = rows[0], 0
        right = truth(tiny_people(), run, asked.id)
        return {"same": "different", "different": "same", "unknown": "unknown"}[right] if asked.id % 5 == 0 else right

    with opened(tmp_path, plan=plan) as (run, desk, oracle, sitting):
        monkeypatch.setattr(Ledger, "_rows", counted)
        torn = []
        person = Person(desk, oracle, lambda asked: torn.append(len(desk.conflicts())) or say(asked))
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
        assert len(run.ledger.questions(1, run.parts.pool)) == 60
    assert torn[1] == 0 < torn[-1]
    assert max(window[question] for question in window if question > 1) <= 25


def test_whoever_looks_again_gets_the_same_question(tmp_path, disk):
    """While the disk is slow, too."""
    shown = []

    def say(asked):
        disk.may.clear() if asked.id == 8 else disk.may.set()
        again = desk.next(BROWSER)
        shown.append(isinstance(again, Asked) and again.id == asked.id)
        return "different"

    with opened(tmp_path, plan=SHORT) as (_, desk, oracle, sitting):
        person = Person(desk, oracle, say, 10)
        person.start()
        list(sitting.play())
        person.join(20)
        assert person.error is None
    assert shown == [True] * 10
