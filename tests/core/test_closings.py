"""Closings count once they are whole on disk and the ledger names them; nobody need wait for that."""

import threading

import numpy as np
import pytest

from querist.core import snapshots
from querist.core.closings import Closings
from querist.core.ledger import Ledger
from querist.errors import QueristError
from toy import ToyTask, toy_split


def stands(number):
    return {"weights": np.full(3, float(number))}


@pytest.fixture
def closings(tmp_path):
    made = []

    def make(aside=True):
        path, task = tmp_path / "ledger.sqlite", ToyTask()
        fresh = not path.exists()
        ledger = Ledger.create(path, {}) if fresh else Ledger.open(path)
        if fresh:
            ledger.start_game(task.pool, toy_split(), 16)
        made.append((Closings(ledger, 1, tmp_path / "snapshots", aside), ledger))
        if fresh:
            for step in range(4):
                ledger.ask(1, step, task.pool, [], {})
        return made[-1][0]

    yield make
    for found, ledger in made:
        found.stop()
        ledger.close()


@pytest.fixture
def slow(monkeypatch):
    """A disk that writes once it may; ``began``: it was asked to."""
    may, write = threading.Event(), snapshots.write_atomically
    may.began = threading.Event()
    monkeypatch.setattr(snapshots, "write_atomically", lambda *told: may.began.set() or (may.wait(20) and write(*told)))
    yield may
    may.set()


def files(tmp_path):
    return {path.stem for path in (tmp_path / "snapshots").glob("*.safetensors")}


@pytest.mark.parametrize("aside", [True, False])
def test_what_was_closed_last_is_taken_up_and_the_first_stays(closings, tmp_path, aside):
    found = closings(aside)
    assert not found.begun()
    for step in (-1, 0, 2):
        found.close(step, stands(step), [{"seconds": 1.0}])
    found.settle(wait=True)
    assert found.begun()
    for again in (found, closings(aside)):
        step, arrays = again.last()
        assert (step, arrays["weights"].tolist()) == (2, [2.0] * 3)
        assert again.first()()["weights"].tolist() == [-1.0] * 3
    assert len(files(tmp_path)) == 2


def test_what_steps_logged_is_summed_up_or_averaged(closings):
    found = closings(aside=False)
    found.close(2, stands(0), [{"seconds_step": 1.0, "loss": 4.0}, {"seconds_step": 2.0}, {"loss": 1.0, "note": "x"}])
    ((step, _, details),) = found._ledger.closings(1)
    assert (step, details) == (2, {"seconds_step": 3.0, "loss": 2.5, "note": "x"})


def test_until_it_is_written_the_closing_before_counts(closings, tmp_path, slow):
    found = closings()
    slow.set()
    found.close(-1, stands(-1), [])
    found.settle(wait=True)
    before = files(tmp_path)
    slow.clear()
    found.close(0, stands(0), [])  # returns, and nothing is there
    found.settle()
    assert found.last()[0] == -1
    assert files(tmp_path) == before
    slow.set()
    found.settle(wait=True)
    assert found.last()[0] == 0
    found.settle(wait=True)  # nothing is under way any more


def test_a_closing_is_written_before_the_next_one(closings, slow):
    found = closings()
    found.close(0, stands(0), [])
    threading.Timer(0.05, slow.set).start()
    found.close(1, stands(1), [])
    assert [step for step, _, _ in found._ledger.closings(1)] == [0]
    found.settle(wait=True)
    assert [step for step, _, _ in found._ledger.closings(1)] == [0, 1]


def test_a_disk_that_is_full_is_told_to_whoever_settles_and_nothing_counts(closings, monkeypatch):
    found = closings()
    found.close(-1, stands(-1), [])
    found.settle(wait=True)

    def full(*_):
        raise QueristError("the disk is full", "free some space")

    with monkeypatch.context() as patch:
        patch.setattr(snapshots, "write_atomically", full)
        found.close(0, stands(0), [])
        with pytest.raises(QueristError, match="disk is full"):
            found.settle(wait=True)
    assert found.last()[0] == -1
    found.close(0, stands(0), [])
    found.settle(wait=True)
    assert found.last()[0] == 0


def test_once_it_has_stopped_nothing_is_written_any_more(closings, tmp_path, slow):
    """What was written, and never named, is removed by whoever takes the run up."""
    found = closings()
    slow.set()
    found.close(-1, stands(-1), [])
    found.settle(wait=True)
    slow.clear()
    slow.began.clear()
    found.close(0, stands(0), [])
    assert slow.began.wait(20)  # what is being written is written to its end
    threading.Timer(0.05, slow.set).start()
    found.stop()
    assert len(files(tmp_path)) == 2
    again = closings()
    assert again.last()[0] == -1
    again.tidy()
    assert len(files(tmp_path)) == 1
